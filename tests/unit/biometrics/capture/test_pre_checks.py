"""What citizens are told of a picture before they send it."""

from datetime import timedelta

import httpx

from services.biometrics.analysis.workers import AnalysisTimeout, WorkerDied
from tests.unit.biometrics.clients import URL, key_of
from tests.unit.biometrics.factories import MINUTE, RULES, clip, picture
from tests.unit.biometrics.harness import Harness, World


async def test_a_pre_check_tells_what_to_change_keeps_nothing_and_costs_no_try(
    world: World, harness: Harness, http: httpx.AsyncClient
) -> None:
    url = f"{URL}/pre-check"
    assert key_of(await http.post(url, content=picture(b"x"))) == (404, "capture.not_open")
    await harness.opened()
    answer = await http.post(url, content=picture(b"selfie.too_dark"))
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "guidance": ["selfie.too_dark"],
            "advice": [],
            "texts": {"selfie.too_dark": "Селфи тым күңгірт. Жарыққа қарай бұрылыңыз."},
        },
    )
    assert (await http.post(url, content=picture(b"a good one"))).json() == {
        "guidance": [],
        "advice": ["selfie.come_closer"],
        "texts": {"selfie.come_closer": "Камераға жақындаңыз."},
    }
    assert key_of(await http.post(url, content=clip(b"x"))) == (415, "picture.not_an_image")
    assert key_of(await http.post(url, content=picture(bytes(300_000)))) == (413, "picture.too_large")
    world.analyser.failures.append(WorkerDied("x"))
    assert key_of(await http.post(url, content=picture(b"x"))) == (503, "pre_check.unavailable")
    assert world.media == {}
    assert (await harness.session()).tries_left == RULES.tries


async def test_pre_checks_are_few_at_once_and_then_one_a_second(
    world: World, harness: Harness, http: httpx.AsyncClient
) -> None:
    await harness.opened()
    analyses = [(await http.post(f"{URL}/pre-check", content=picture(b"x"))).status_code for _ in range(7)]
    assert analyses == [200] * 5 + [429] * 2
    refused = await http.post(f"{URL}/pre-check", content=picture(b"x"))
    assert key_of(refused) == (429, "pre_check.too_often")
    assert "retry-after" in refused.headers
    world.now += timedelta(seconds=1)
    analyses = [(await http.post(f"{URL}/pre-check", content=picture(b"x"))).status_code for _ in range(2)]
    assert analyses == [200, 429]


async def test_the_pace_of_pre_checks_holds_whichever_instance_is_asked(
    world: World, harness: Harness, http: httpx.AsyncClient
) -> None:
    await harness.opened()
    instances = [Harness(world).http for _ in range(3)]

    async def check(number: int) -> httpx.Response:
        return await instances[number].post(f"{URL}/pre-check", content=picture(b"x"), headers=world.citizen())

    assert [(await check(number % 3)).status_code for number in range(5)] == [200] * 5
    for number in range(3):
        assert key_of(await check(number)) == (429, "pre_check.too_often")
    assert key_of(await http.post(f"{URL}/pre-check", content=picture(b"x"))) == (429, "pre_check.too_often")
    world.now += timedelta(seconds=2)
    assert [(await check(number)).status_code for number in range(3)] == [200, 200, 429]


async def test_a_picture_whose_look_had_to_be_ended_ends_the_looks_of_its_journey_for_a_minute(
    world: World, harness: Harness, http: httpx.AsyncClient
) -> None:
    await harness.opened()
    world.analyser.failures.append(AnalysisTimeout("x"))
    url = f"{URL}/pre-check"
    assert key_of(await http.post(url, content=picture(b"x"))) == (503, "pre_check.unavailable")
    world.now += 0.9 * MINUTE
    assert key_of(await http.post(url, content=picture(b"x"))) == (429, "pre_check.too_often")
    world.now += 0.1 * MINUTE
    assert (await http.post(url, content=picture(b"x"))).status_code == 200
    assert (await harness.session()).tries_left == RULES.tries
