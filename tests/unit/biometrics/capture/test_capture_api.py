"""What citizens are answered, with real tokens."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from libs.common.texts.languages import Language
from libs.common.web.http import MB
from services.biometrics.analysis.reports import SelfieReport
from services.biometrics.analysis.workers import WorkerDied
from services.biometrics.capture.content import MOST_BYTES
from services.biometrics.texts import TEXTS
from tests.unit.biometrics.clients import URL, key_of, put, staff
from tests.unit.biometrics.factories import (
    CLOSED,
    GOOD,
    JOURNEY,
    LEASE,
    MINUTE,
    OTHER,
    RULES,
    STARTED,
    WITH_CARD,
    clip,
    picture,
)
from tests.unit.biometrics.harness import Harness, World


async def test_a_citizen_is_shown_the_challenge_and_then_each_part_that_came_in(
    harness: Harness, http: httpx.AsyncClient
) -> None:
    await harness.opened()
    assert (await http.get(URL)).json() == {
        "state": "open",
        "challenge": ["left", "blink", "right"],
        "nonce": "n-1",
        "expires_at": "2026-03-02T12:30:00Z",
        "tries_left": 5,
        "received": {
            "selfie": False,
            "clip": False,
            "document_front": False,
            "document_back": False,
            "document_page": False,
        },
        "guidance": [],
        "texts": {
            "challenge.left": "басыңызды солға бұрып, бірден қайта түзеңіз",
            "challenge.blink": "көзіңізді жұмып-ашыңыз",
            "challenge.right": "басыңызды оңға бұрып, бірден қайта түзеңіз",
        },
        "pending": False,
        "progress": None,
    }
    for number, part in enumerate(WITH_CARD, 1):
        taken = await put(http, part, GOOD[part])
        assert taken.status_code == 202
        assert taken.json() == {"pending": True, "offset": len(GOOD[part]), "complete": True}
        shown = (await http.get(URL)).json()
        assert sum(shown["received"].values()) == number
    assert (shown["state"], shown["pending"]) == ("analysing", True)
    await harness.wake_due()
    assert (await http.get(URL)).json()["state"] == "matched"


async def test_after_a_failed_try_the_citizen_is_shown_what_to_do_better_and_what_to_send(
    harness: Harness, http: httpx.AsyncClient
) -> None:
    await harness.opened()
    await harness.tried({"selfie": picture(b"selfie.blurred")})
    shown = (await http.get(URL)).json()
    assert (shown["state"], shown["tries_left"], shown["guidance"]) == ("open", 4, ["selfie.blurred"])
    assert shown["received"] == {
        "selfie": False,
        "clip": True,
        "document_front": True,
        "document_back": True,
        "document_page": False,
    }


async def test_captures_before_the_phone_is_proven_are_not_taken(harness: Harness, http: httpx.AsyncClient) -> None:
    await harness.deliver(STARTED)
    assert key_of(await http.get(URL)) == (404, "capture.not_open")
    assert key_of(await put(http, "selfie", picture(b"x"))) == (404, "capture.not_open")


async def test_captures_for_an_older_challenge_too_late_or_after_the_end_are_told_apart(
    world: World, harness: Harness, http: httpx.AsyncClient
) -> None:
    await harness.opened()
    assert key_of(await put(http, "selfie", picture(b"x"), nonce="n-0")) == (409, "capture.stale")
    world.now += RULES.session
    assert key_of(await put(http, "selfie", picture(b"x"))) == (409, "capture.closed")
    await harness.deliver(CLOSED)
    assert key_of(await put(http, "selfie", picture(b"x"))) == (409, "capture.closed")
    assert (await http.get(URL)).json()["state"] == "closed"


async def test_each_part_may_be_as_large_as_it_may_and_one_octet_more_is_too_large(
    world: World, harness: Harness, http: httpx.AsyncClient
) -> None:
    await harness.opened()
    for part, most in MOST_BYTES.items():
        key = "clip.too_large" if part == "clip" else "picture.too_large"
        start = (GOOD[part] + bytes(16))[:16]
        assert key_of(await put(http, part, start + bytes(most - 15))) == (413, key)
        assert world.media == {}
    for part in WITH_CARD:
        start, most = (GOOD[part] + bytes(16))[:16], MOST_BYTES[part]
        assert (await put(http, part, start + bytes(most - 16))).status_code == 202
    assert max(piece.size for piece in world.media.values()) <= MB, "a piece is all that is held in memory"


async def test_a_picture_too_large_is_refused_though_its_length_was_not_announced(
    world: World, harness: Harness, http: httpx.AsyncClient
) -> None:
    async def drip() -> AsyncIterator[bytes]:
        yield clip(b"")
        for _ in range(20):
            yield bytes(MB)

    await harness.opened()
    answer = await http.put(f"{URL}/clip", content=drip(), headers={"X-Capture-Nonce": "n-1"})
    assert key_of(answer) == (413, "clip.too_large")
    assert world.media == {}


@pytest.mark.parametrize(
    ("part", "content", "key"),
    [
        ("selfie", clip(b"a clip of oneself"), "picture.not_an_image"),
        ("selfie", b"%PDF-1.7 a page of oneself", "picture.not_an_image"),
        ("selfie", b"GIF89a moving pictures of oneself", "picture.not_an_image"),
        ("selfie", b"\x00\x00\x00\x18ftypheic what an iPhone makes", "picture.heic"),
        ("document-front", b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00", "picture.heic"),
        ("clip", clip(b"\x42\x86\x81\x01 what follows names its coding: V_AV1"), "clip.unknown_coding"),
        ("clip", b"\x00\x00\x00\x18ftypisom" + bytes(40) + b"stsd" + bytes(12) + b"av01", "clip.unknown_coding"),
        ("selfie", b"", "picture.not_an_image"),
        ("selfie", b"\xff\xd8", "picture.not_an_image"),
        ("clip", picture(b"a picture in place of a clip"), "clip.not_a_video"),
        ("clip", b"\x00\x00\x00\x18ftypheic a still picture that begins like a clip", "clip.not_a_video"),
        ("document-front", clip(b"a clip of a card"), "document.not_a_picture_or_pdf"),
        ("document-back", b"PK\x03\x04 an archive", "document.not_a_picture_or_pdf"),
    ],
)
async def test_what_a_file_is_is_told_by_its_first_bytes_and_not_by_its_declared_type(
    harness: Harness, http: httpx.AsyncClient, part: str, content: bytes, key: str
) -> None:
    await harness.opened()
    assert key_of(await put(http, part, content)) == (415, key)
    assert harness.world.media == {}


@pytest.mark.parametrize(
    ("part", "start"),
    [
        ("selfie", b"\x89PNG\r\n\x1a\n"),
        ("selfie", b"RIFF\x10\x00\x00\x00WEBPVP8 "),
        ("document-front", b"%PDF-1.7"),
        ("clip", b"\x00\x00\x00\x18ftypmp42"),
    ],
)
async def test_every_accepted_kind_is_taken(harness: Harness, http: httpx.AsyncClient, part: str, start: bytes) -> None:
    await harness.opened()
    assert (await put(http, part, start + bytes(100))).status_code == 202


async def test_what_is_no_picture_is_refused_before_it_is_read(harness: Harness, http: httpx.AsyncClient) -> None:
    read = 0

    async def drip() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(10):
            read += 1
            yield bytes(MB)

    await harness.opened()
    answer = await http.put(f"{URL}/selfie", content=drip(), headers={"X-Capture-Nonce": "n-1"})
    assert key_of(answer) == (415, "picture.not_an_image")
    assert read == 1


async def test_an_unknown_part_or_a_missing_nonce_is_refused(harness: Harness, http: httpx.AsyncClient) -> None:
    await harness.opened()
    assert (await put(http, "passport", b"x")).status_code == 422
    assert (await http.put(f"{URL}/selfie", content=picture(b"x"))).status_code == 422


async def test_only_the_journeys_own_token_opens_its_captures(
    world: World, harness: Harness, http: httpx.AsyncClient
) -> None:
    await harness.opened(OTHER)
    other = f"/v1/journeys/{OTHER}/capture"
    upload = {"content": b"x", "headers": {"X-Capture-Nonce": "n-1"}}
    assert key_of(await http.get(other)) == (403, "token.wrong_subject")
    assert key_of(await http.put(f"{other}/selfie", **upload)) == (403, "token.wrong_subject")  # type: ignore[arg-type]  # both are there
    assert key_of(await http.get(other, headers=staff(world))) == (403, "token.wrong_role")
    assert key_of(await http.get(other, headers={"Authorization": ""})) == (401, "token.missing")
    assert world.media == {}


async def test_a_failed_check_is_shown_as_such_without_tries(
    world: World, harness: Harness, http: httpx.AsyncClient
) -> None:
    world.analyser.band = "no_match"
    await harness.opened()
    for _ in range(RULES.tries):
        await harness.tried()
    shown = (await http.get(URL)).json()
    assert (shown["state"], shown["tries_left"], shown["pending"]) == ("failed", 0, False)


async def test_a_browser_that_waits_is_answered_when_something_changes_and_not_before(
    harness: Harness, http: httpx.AsyncClient
) -> None:
    await harness.opened()
    first = await http.get(URL)
    seen = {"If-None-Match": first.headers["etag"]}
    assert (await http.get(URL, headers=seen)).status_code == 304
    for shown in (f"W/{first.headers['etag']}", f'"another", {first.headers["etag"]}'):
        assert (await http.get(URL, headers={"If-None-Match": shown})).status_code == 304
    assert (await http.get(URL, headers={"If-None-Match": '"another"'})).status_code == 200
    waiting = asyncio.create_task(http.get(URL, headers=seen | {"Prefer": "wait=20"}))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await put(http, "selfie", GOOD["selfie"])
    async with asyncio.timeout(15):
        changed = await waiting
    assert changed.json()["received"]["selfie"]
    assert changed.headers["etag"] != first.headers["etag"]


async def test_who_waits_for_the_look_sees_how_many_come_before(
    world: World, harness: Harness, http: httpx.AsyncClient
) -> None:
    for number in range(3):
        await harness.opened(f"{OTHER[:-1]}{number + 3}")
        await harness.send(subject=f"{OTHER[:-1]}{number + 3}")
    world.now += MINUTE
    await harness.opened()
    await harness.send()
    assert (await http.get(URL)).json()["progress"] == {"ahead": 3, "stage": None}
    await harness.wake_due()
    assert (await http.get(URL)).json()["progress"] is None


async def test_guidance_comes_in_words_of_the_language_that_the_browser_asks_for(
    harness: Harness, http: httpx.AsyncClient
) -> None:
    await harness.opened()
    await harness.tried({"selfie": picture(b"selfie.too_dark")})
    shown = {}
    for asked in ("kk-KZ,kk;q=0.9", "ru", "en-GB", "kk-Arab-CN", "de"):
        answer = await http.get(URL, headers={"Accept-Language": asked})
        shown[answer.headers["content-language"]] = answer.json()["texts"]
        assert (answer.headers["vary"], answer.json()["guidance"]) == ("Accept-Language", ["selfie.too_dark"])
    assert shown == {
        language: {
            key: TEXTS.text(key, language)
            for key in ("challenge.left", "challenge.blink", "challenge.right", "selfie.too_dark")
        }
        for language in (Language.KAZAKH, Language.RUSSIAN, Language.ENGLISH, Language.KAZAKH_ARABIC)
    }
    quick = await http.post(f"{URL}/pre-check", content=picture(b"a good one"), headers={"Accept-Language": "ru"})
    assert quick.json()["texts"] == {"selfie.come_closer": TEXTS.text("selfie.come_closer", Language.RUSSIAN)}
    assert (quick.headers["content-language"], quick.headers["vary"]) == ("ru", "Accept-Language")


@pytest.mark.parametrize("source", ["selfie", "clip", "document"])
async def test_what_is_being_looked_at_is_seen_at_every_instance(
    world: World, harness: Harness, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    await harness.opened()
    await harness.send()
    stage, seen = asyncio.Event(), asyncio.Event()

    async def held(*_: object) -> SelfieReport:
        stage.set()
        await seen.wait()
        raise WorkerDied("x")

    monkeypatch.setattr(world.analyser, source, held)
    due = asyncio.create_task(Harness(world).wake_due())
    await stage.wait()
    assert (await http.get(URL)).json()["progress"] == {"ahead": 0, "stage": source}
    assert world.rows.rows[JOURNEY].wake_at == int((world.now + LEASE).timestamp() * 1000) - 1000
    due.cancel()
