"""What citizens and clerks are answered, with real tokens."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import jwt
import pytest
import pytest_asyncio
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from libs.common.errors import Refused
from libs.common.health import Health
from libs.common.http import MB, create_app
from libs.common.texts import guidance
from libs.common.tokens import STAFF_ROLES, Authenticator, TokenIssuer, TokenVerifier
from services.biometrics.analysis.reports import SelfieReport
from services.biometrics.analysis.workers import AnalysisTimeout, WorkerDied
from services.biometrics.audit.api import audit_routes
from services.biometrics.capture.api import capture_routes
from services.biometrics.capture.content import MOST_BYTES
from services.biometrics.capture.prechecks import PreChecks
from services.biometrics.review.api import review_routes
from tests.unit.biometrics.booth import (
    CLOSED,
    DOCUMENT,
    GOOD,
    JOURNEY,
    LEASE,
    METRICS,
    MINUTE,
    NUMBERS,
    OTHER,
    PERSON,
    RULES,
    STARTED,
    WITH_CARD,
    Booth,
    World,
    clip,
    picture,
)

URL = f"/v1/journeys/{JOURNEY}/capture"
IDENTITY, STAFF = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def booth(world: World) -> Booth:
    return Booth(world)


@pytest_asyncio.fixture
async def http(world: World, booth: Booth) -> AsyncIterator[httpx.AsyncClient]:
    identity = TokenIssuer(IDENTITY, "identity", "key-1", world.clock)
    staff = TokenIssuer(STAFF, "staff", "key-2", world.clock)
    auth = Authenticator(
        TokenVerifier(json.dumps(identity.jwks()), "identity", world.clock),
        TokenVerifier(json.dumps(staff.jwks()), "staff", world.clock, roles=STAFF_ROLES),
    )
    looks = PreChecks(booth.checks.aggregates, world.eyes, world.clock)
    routers = [
        capture_routes(booth.service, looks, auth),
        review_routes(booth.reviews, auth),
        audit_routes(booth.audit, auth),
    ]
    app = create_app("biometrics", metrics=METRICS, health=Health(), routers=routers)
    headers = {"Authorization": f"Bearer {identity.journey(JOURNEY, timedelta(days=7))}"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://biometrics", headers=headers) as client:
        yield client


def staff(world: World, role: str = "clerk", name: str = "clerk-7") -> dict[str, str]:
    now = int(world.now.timestamp())
    claims = {"iss": "staff", "sub": name, "role": role, "region": "KZ-75", "iat": now, "exp": now + 600}
    return {"Authorization": f"Bearer {jwt.encode(claims, STAFF, algorithm='EdDSA', headers={'kid': 'key-2'})}"}


async def put(http: httpx.AsyncClient, part: str, content: bytes, nonce: str = "n-1") -> httpx.Response:
    headers = {"X-Capture-Nonce": nonce, "Content-Type": "image/jpeg"}
    return await http.put(f"{URL}/{part}", content=content, headers=headers)


def key_of(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["key"]


async def test_a_citizen_is_shown_the_challenge_and_then_each_part_that_came_in(
    booth: Booth, http: httpx.AsyncClient
) -> None:
    await booth.opened()
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
            "challenge.left": "turn the head to your left",
            "challenge.blink": "blink",
            "challenge.right": "turn the head to your right",
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
    await booth.wake_due()
    assert (await http.get(URL)).json()["state"] == "matched"


async def test_after_a_failed_try_the_citizen_is_shown_what_to_do_better_and_what_to_send(
    booth: Booth, http: httpx.AsyncClient
) -> None:
    await booth.opened()
    await booth.tried({"selfie": picture(b"selfie.blurred")})
    shown = (await http.get(URL)).json()
    assert (shown["state"], shown["tries_left"], shown["guidance"]) == ("open", 4, ["selfie.blurred"])
    assert shown["received"] == {
        "selfie": False,
        "clip": True,
        "document_front": True,
        "document_back": True,
        "document_page": False,
    }


async def test_captures_before_the_phone_is_proven_are_not_taken(booth: Booth, http: httpx.AsyncClient) -> None:
    await booth.tell(STARTED)
    assert key_of(await http.get(URL)) == (404, "capture.not_open")
    assert key_of(await put(http, "selfie", picture(b"x"))) == (404, "capture.not_open")


async def test_captures_for_an_older_challenge_too_late_or_after_the_end_are_told_apart(
    world: World, booth: Booth, http: httpx.AsyncClient
) -> None:
    await booth.opened()
    assert key_of(await put(http, "selfie", picture(b"x"), nonce="n-0")) == (409, "capture.stale")
    world.now += RULES.session
    assert key_of(await put(http, "selfie", picture(b"x"))) == (409, "capture.closed")
    await booth.tell(CLOSED)
    assert key_of(await put(http, "selfie", picture(b"x"))) == (409, "capture.closed")
    assert (await http.get(URL)).json()["state"] == "closed"


async def test_each_part_may_be_as_large_as_it_may_and_one_octet_more_is_too_large(
    world: World, booth: Booth, http: httpx.AsyncClient
) -> None:
    await booth.opened()
    for part, most in MOST_BYTES.items():
        key = "clip.too_large" if part == "clip" else "picture.too_large"
        start = (GOOD[part] + bytes(16))[:16]
        assert key_of(await put(http, part, start + bytes(most - 15))) == (413, key)
        assert world.media == {}
    for part in WITH_CARD:
        start, most = (GOOD[part] + bytes(16))[:16], MOST_BYTES[part]
        assert (await put(http, part, start + bytes(most - 16))).status_code == 202
    assert max(len(piece) for piece in world.media.values()) <= MB, "a piece is all that is held in memory"


async def test_a_picture_too_large_is_refused_though_its_length_was_not_announced(
    world: World, booth: Booth, http: httpx.AsyncClient
) -> None:
    async def drip() -> AsyncIterator[bytes]:
        yield clip(b"")
        for _ in range(20):
            yield bytes(MB)

    await booth.opened()
    answer = await http.put(f"{URL}/clip", content=drip(), headers={"X-Capture-Nonce": "n-1"})
    assert key_of(answer) == (413, "clip.too_large")
    assert world.media == {}


@pytest.mark.parametrize(
    ("part", "content", "key"),
    [
        ("selfie", clip(b"a clip of oneself"), "picture.not_an_image"),
        ("selfie", b"%PDF-1.7 a page of oneself", "picture.not_an_image"),
        ("selfie", b"GIF89a moving pictures of oneself", "picture.not_an_image"),
        ("selfie", b"", "picture.not_an_image"),
        ("selfie", b"\xff\xd8", "picture.not_an_image"),
        ("clip", picture(b"a picture in place of a clip"), "clip.not_a_video"),
        ("clip", b"\x00\x00\x00\x18ftypheic a still picture that begins like a clip", "clip.not_a_video"),
        ("document-front", clip(b"a clip of a card"), "document.not_a_picture_or_pdf"),
        ("document-back", b"PK\x03\x04 an archive", "document.not_a_picture_or_pdf"),
    ],
)
async def test_what_a_file_is_is_told_by_its_first_bytes_and_not_by_its_declared_type(
    booth: Booth, http: httpx.AsyncClient, part: str, content: bytes, key: str
) -> None:
    await booth.opened()
    assert key_of(await put(http, part, content)) == (415, key)
    assert booth.world.media == {}


@pytest.mark.parametrize(
    ("part", "start"),
    [
        ("selfie", b"\x89PNG\r\n\x1a\n"),
        ("selfie", b"RIFF\x10\x00\x00\x00WEBPVP8 "),
        ("document-front", b"%PDF-1.7"),
        ("clip", b"\x00\x00\x00\x18ftypmp42"),
    ],
)
async def test_every_accepted_kind_is_taken(booth: Booth, http: httpx.AsyncClient, part: str, start: bytes) -> None:
    await booth.opened()
    assert (await put(http, part, start + bytes(100))).status_code == 202


async def test_what_is_no_picture_is_refused_before_it_is_read(booth: Booth, http: httpx.AsyncClient) -> None:
    read = 0

    async def drip() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(10):
            read += 1
            yield bytes(MB)

    await booth.opened()
    answer = await http.put(f"{URL}/selfie", content=drip(), headers={"X-Capture-Nonce": "n-1"})
    assert key_of(answer) == (415, "picture.not_an_image")
    assert read == 1


async def test_an_unknown_part_or_a_missing_nonce_is_refused(booth: Booth, http: httpx.AsyncClient) -> None:
    await booth.opened()
    assert (await put(http, "passport", b"x")).status_code == 422
    assert (await http.put(f"{URL}/selfie", content=picture(b"x"))).status_code == 422


async def test_only_the_journeys_own_token_opens_its_captures(
    world: World, booth: Booth, http: httpx.AsyncClient
) -> None:
    await booth.opened(OTHER)
    other = f"/v1/journeys/{OTHER}/capture"
    upload = {"content": b"x", "headers": {"X-Capture-Nonce": "n-1"}}
    assert key_of(await http.get(other)) == (403, "token.wrong_subject")
    assert key_of(await http.put(f"{other}/selfie", **upload)) == (403, "token.wrong_subject")  # type: ignore[arg-type]  # both are there
    assert key_of(await http.get(other, headers=staff(world))) == (403, "token.wrong_role")
    assert key_of(await http.get(other, headers={"Authorization": ""})) == (401, "token.missing")
    assert world.media == {}


async def test_a_clerk_sees_the_queue_and_the_pictures_and_decides_once(
    world: World, booth: Booth, http: httpx.AsyncClient
) -> None:
    world.eyes.band = "review"
    await booth.opened()
    await booth.tried()
    assert (await http.get(URL)).json()["state"] == "review"
    queue = (await http.get("/v1/reviews", headers=staff(world))).json()
    assert [(each["journey_id"], each["due_at"], each["model"]) for each in queue] == [
        (JOURNEY, "2026-03-03T12:00:00Z", "model-7")
    ]
    assert set(queue[0]["pictures"]) == set(WITH_CARD)
    case = (await http.get(f"/v1/reviews/{JOURNEY}", headers=staff(world))).json()
    assert case["bands"] == {"selfie-clip": "match", "selfie-document": "review", "clip-document": "match"}
    assert set(case["examined"]) == {"selfie", "clip", "document"}
    for link in case["links"]:
        shown = await http.get(link["url"], headers=staff(world))
        assert (shown.content, shown.headers["cache-control"]) == (GOOD[link["part"]], "no-store")
        assert shown.headers["content-type"] == ("video/webm" if link["part"] == "clip" else "image/jpeg")
    decision = {"match": True, "reason": "the same person"}
    url = f"/v1/reviews/{JOURNEY}/decision"
    assert (await http.post(url, json={"match": True, "reason": " "}, headers=staff(world))).status_code == 422
    decided = await http.post(url, json=decision, headers=staff(world))
    assert (decided.status_code, decided.json()) == (200, {"ended": True})
    assert key_of(await http.post(url, json=decision, headers=staff(world))) == (409, "review.not_waiting")
    assert (await http.get("/v1/reviews", headers=staff(world))).json() == []
    assert (await http.get(URL)).json()["state"] == "matched"


async def test_reviews_are_for_clerks_alone(world: World, booth: Booth, http: httpx.AsyncClient) -> None:
    world.eyes.band = "review"
    await booth.opened()
    await booth.tried()
    _, links = await booth.reviews.case(JOURNEY, "clerk-7")
    text = booth.reviews.address(links["selfie"])
    for headers in ({}, staff(world, "officer")):
        answers = [
            await http.get("/v1/reviews", headers=headers),
            await http.get(f"/v1/reviews/{JOURNEY}", headers=headers),
            await http.get(f"/v1/reviews/pictures/{text}", headers=headers),
            await http.post(
                f"/v1/reviews/{JOURNEY}/decision", json={"match": True, "reason": "it is me"}, headers=headers
            ),
        ]
        assert [key_of(each) for each in answers] == [(403, "token.wrong_role")] * 4
    assert world.topics == ["face.review_requested"]


async def test_a_failed_check_is_shown_as_such_without_tries(
    world: World, booth: Booth, http: httpx.AsyncClient
) -> None:
    world.eyes.band = "no_match"
    await booth.opened()
    for _ in range(RULES.tries):
        await booth.tried()
    shown = (await http.get(URL)).json()
    assert (shown["state"], shown["tries_left"], shown["pending"]) == ("failed", 0, False)


async def test_a_link_to_a_picture_works_for_its_clerk_for_minutes_and_for_that_capture_alone(
    world: World, booth: Booth, http: httpx.AsyncClient
) -> None:
    world.eyes.band = "review"
    await booth.opened()
    await booth.tried()
    case = (await http.get(f"/v1/reviews/{JOURNEY}", headers=staff(world))).json()
    url = {link["part"]: link["url"] for link in case["links"]}["selfie"]
    assert all(secret not in url for secret in (JOURNEY, "selfie", "clerk"))
    assert key_of(await http.get(url, headers=staff(world, name="clerk-8"))) == (403, "review.link_of_another")
    last = [url[:-1] + letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" if letter != url[-1]]
    for wrong in (*last, url[:-5], "/v1/reviews/pictures/x", "/v1/reviews/pictures/biometrics.1~AAAA"):
        assert key_of(await http.get(wrong, headers=staff(world))) == (404, "review.link_unknown")
    assert world.rows.rows[JOURNEY].state["looks"] == [], "nobody has seen anything yet"
    assert (await http.get(url, headers=staff(world))).content == GOOD["selfie"]
    world.now += 5 * MINUTE
    assert key_of(await http.get(url, headers=staff(world))) == (410, "review.link_expired")
    assert [(each["clerk"], each["part"], each["times"]) for each in world.rows.rows[JOURNEY].state["looks"]] == [
        ("clerk-7", "selfie", 1)
    ]


async def test_a_link_shows_no_capture_of_a_later_try(world: World, booth: Booth, http: httpx.AsyncClient) -> None:
    world.eyes.band = "review"
    await booth.opened()
    await booth.tried()
    case = (await http.get(f"/v1/reviews/{JOURNEY}", headers=staff(world))).json()
    decision = {"match": False, "reason": "another person"}
    await http.post(f"/v1/reviews/{JOURNEY}/decision", json=decision, headers=staff(world))
    await booth.tried({"selfie": picture(b"a later one")})
    for link in case["links"]:
        assert key_of(await http.get(link["url"], headers=staff(world))) == (410, "review.link_expired")


async def test_the_queue_comes_page_by_page_the_most_urgent_first(
    world: World, booth: Booth, http: httpx.AsyncClient
) -> None:
    world.eyes.band = "review"
    journeys = [f"7a4b3f0e-5a35-4d0a-9a51-6a5b8f6f4{number:03x}" for number in range(7)]
    for number, journey in enumerate(reversed(journeys)):
        if number % 2:
            world.now += MINUTE
        await booth.opened(journey)
        await booth.tried(subject=journey)
    pages, url = [], "/v1/reviews?limit=3"
    while url:
        answer = await http.get(url, headers=staff(world))
        pages.append([(each["due_at"], each["journey_id"]) for each in answer.json()])
        url = answer.links.get("next", {}).get("url", "")
    assert [len(page) for page in pages] == [3, 3, 1]
    seen = [row for page in pages for row in page]
    assert seen == sorted(seen)
    assert {journey for _, journey in seen} == set(journeys)
    assert (await http.get("/v1/reviews?after=nonsense", headers=staff(world))).status_code == 422


async def test_under_the_two_person_rule_a_second_clerk_is_asked_for(
    world: World, booth: Booth, http: httpx.AsyncClient
) -> None:
    world.eyes.band = "review"
    await booth.opened()
    await booth.tried()
    booth.reviews._rules = RULES.model_copy(update={"reviewers": 2})
    url, decision = f"/v1/reviews/{JOURNEY}/decision", {"match": True, "reason": "the same person"}
    assert (await http.post(url, json=decision, headers=staff(world))).json() == {"ended": False}
    assert [each["decisions"] for each in (await http.get("/v1/reviews", headers=staff(world))).json()] == [1]
    assert key_of(await http.post(url, json=decision, headers=staff(world))) == (409, "review.another_clerk")
    second = await http.post(url, json=decision, headers=staff(world, name="clerk-8"))
    assert second.json() == {"ended": True}


async def test_a_browser_that_waits_is_answered_when_something_changes_and_not_before(
    booth: Booth, http: httpx.AsyncClient
) -> None:
    await booth.opened()
    first = await http.get(URL)
    seen = {"If-None-Match": first.headers["etag"]}
    assert (await http.get(URL, headers=seen)).status_code == 304
    for told in (f"W/{first.headers['etag']}", f'"another", {first.headers["etag"]}'):
        assert (await http.get(URL, headers={"If-None-Match": told})).status_code == 304
    assert (await http.get(URL, headers={"If-None-Match": '"another"'})).status_code == 200
    waiting = asyncio.create_task(http.get(URL, headers=seen | {"Prefer": "wait=20"}))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await put(http, "selfie", GOOD["selfie"])
    async with asyncio.timeout(5):
        changed = await waiting
    assert changed.json()["received"]["selfie"]
    assert changed.headers["etag"] != first.headers["etag"]


async def test_who_waits_for_the_look_sees_how_many_come_before(
    world: World, booth: Booth, http: httpx.AsyncClient
) -> None:
    for number in range(3):
        await booth.opened(f"{OTHER[:-1]}{number + 3}")
        await booth.send(subject=f"{OTHER[:-1]}{number + 3}")
    world.now += MINUTE
    await booth.opened()
    await booth.send()
    assert (await http.get(URL)).json()["progress"] == {"ahead": 3, "stage": None}
    await booth.wake_due()
    assert (await http.get(URL)).json()["progress"] is None


async def test_a_pre_check_tells_what_to_change_keeps_nothing_and_costs_no_try(
    world: World, booth: Booth, http: httpx.AsyncClient
) -> None:
    url = f"{URL}/pre-check"
    assert key_of(await http.post(url, content=picture(b"x"))) == (404, "capture.not_open")
    await booth.opened()
    answer = await http.post(url, content=picture(b"selfie.too_dark"))
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "guidance": ["selfie.too_dark"],
            "advice": [],
            "texts": {"selfie.too_dark": "The selfie is too dark. Turn towards the light."},
        },
    )
    assert (await http.post(url, content=picture(b"a good one"))).json() == {
        "guidance": [],
        "advice": ["selfie.come_closer"],
        "texts": {"selfie.come_closer": "Come closer to the camera."},
    }
    assert key_of(await http.post(url, content=clip(b"x"))) == (415, "picture.not_an_image")
    assert key_of(await http.post(url, content=picture(bytes(300_000)))) == (413, "picture.too_large")
    world.eyes.failures.append(WorkerDied("x"))
    assert key_of(await http.post(url, content=picture(b"x"))) == (503, "pre_check.unavailable")
    assert world.media == {}
    assert (await booth.session()).tries_left == RULES.tries


async def test_pre_checks_are_few_at_once_and_then_one_a_second(
    world: World, booth: Booth, http: httpx.AsyncClient
) -> None:
    await booth.opened()
    looks = [(await http.post(f"{URL}/pre-check", content=picture(b"x"))).status_code for _ in range(7)]
    assert looks == [200] * 5 + [429] * 2
    refused = await http.post(f"{URL}/pre-check", content=picture(b"x"))
    assert key_of(refused) == (429, "pre_check.too_often")
    assert "retry-after" in refused.headers
    world.now += timedelta(seconds=1)
    looks = [(await http.post(f"{URL}/pre-check", content=picture(b"x"))).status_code for _ in range(2)]
    assert looks == [200, 429]


async def test_guidance_comes_in_words_of_the_language_that_the_browser_asks_for(
    booth: Booth, http: httpx.AsyncClient
) -> None:
    await booth.opened()
    await booth.tried({"selfie": picture(b"selfie.too_dark")})
    shown = {}
    for asked in ("kk-KZ,kk;q=0.9", "ru", "de"):
        answer = await http.get(URL, headers={"Accept-Language": asked})
        shown[answer.headers["content-language"]] = answer.json()["texts"]
        assert (answer.headers["vary"], answer.json()["guidance"]) == ("Accept-Language", ["selfie.too_dark"])
    assert shown == {
        tongue: {
            key: guidance()[key].in_tongue(tongue)
            for key in ("challenge.left", "challenge.blink", "challenge.right", "selfie.too_dark")
        }
        for tongue in ("kk", "ru", "en")
    }
    quick = await http.post(f"{URL}/pre-check", content=picture(b"a good one"), headers={"Accept-Language": "ru"})
    assert quick.json()["texts"] == {"selfie.come_closer": guidance()["selfie.come_closer"].ru}
    assert (quick.headers["content-language"], quick.headers["vary"]) == ("ru", "Accept-Language")


async def test_the_pace_of_pre_checks_holds_whichever_instance_is_asked(
    world: World, booth: Booth, http: httpx.AsyncClient
) -> None:
    await booth.opened()
    looks = [PreChecks(Booth(world).checks.aggregates, world.eyes, world.clock) for _ in range(3)]
    for number in range(5):
        await looks[number % 3].step(JOURNEY)
    for each in looks:
        with pytest.raises(Refused, match="wait a moment"):
            await each.step(JOURNEY)
    assert key_of(await http.post(f"{URL}/pre-check", content=picture(b"x"))) == (429, "pre_check.too_often")
    world.now += timedelta(seconds=2)
    await looks[0].step(JOURNEY)
    await looks[1].step(JOURNEY)
    with pytest.raises(Refused, match="wait a moment"):
        await looks[2].step(JOURNEY)


async def test_a_picture_whose_look_had_to_be_ended_ends_the_looks_of_its_journey_for_a_minute(
    world: World, booth: Booth, http: httpx.AsyncClient
) -> None:
    await booth.opened()
    world.eyes.failures.append(AnalysisTimeout("x"))
    url = f"{URL}/pre-check"
    assert key_of(await http.post(url, content=picture(b"x"))) == (503, "pre_check.unavailable")
    world.now += 0.9 * MINUTE
    assert key_of(await http.post(url, content=picture(b"x"))) == (429, "pre_check.too_often")
    world.now += 0.1 * MINUTE
    assert (await http.post(url, content=picture(b"x"))).status_code == 200
    assert (await booth.session()).tries_left == RULES.tries


@pytest.mark.parametrize("source", ["selfie", "clip", "document"])
async def test_what_is_being_looked_at_is_seen_at_every_instance(
    world: World, booth: Booth, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    await booth.opened()
    await booth.send()
    looking, seen = asyncio.Event(), asyncio.Event()

    async def held(*_: object) -> SelfieReport:
        looking.set()
        await seen.wait()
        raise WorkerDied("x")

    monkeypatch.setattr(world.eyes, source, held)
    due = asyncio.create_task(Booth(world).wake_due())
    await looking.wait()
    assert (await http.get(URL)).json()["progress"] == {"ahead": 0, "stage": source}
    assert world.rows.rows[JOURNEY].wake_at == int((world.now + LEASE).timestamp() * 1000) - 1000
    due.cancel()


AUDIT = "/v1/audit/face-checks"


async def test_an_auditor_reads_how_a_check_was_judged_and_by_whom_and_nothing_of_the_person(
    world: World, booth: Booth, http: httpx.AsyncClient
) -> None:
    world.eyes.band = "review"
    await booth.opened()
    await booth.tried({"selfie": picture(b"selfie.too_dark")})
    await booth.tried()
    await booth.looked("selfie", "clerk-7")
    remark = f"{PERSON.surname} as in the file"
    await booth.reviews.decide(JOURNEY, matched=True, clerk="clerk-7", reason=remark)
    await booth.tell(CLOSED)
    with structlog.testing.capture_logs() as logs:
        answer = await http.get(f"{AUDIT}/{JOURNEY}", headers=staff(world, "auditor", "auditor-1"))
    record = answer.json()
    assert (answer.status_code, record["state"]) == (200, "closed")
    assert [(each["band"], each["reasons"]) for each in record["tries"]] == [
        ("no_match", ["selfie.too_dark"]),
        ("review", []),
    ]
    assert record["tries"][1]["hashes"]["selfie"] == hashlib.sha256(GOOD["selfie"]).hexdigest()
    assert record["tries"][1]["examined"]["selfie"]["model"] == "model-7"
    assert record["decisions"] == [{"clerk": "clerk-7", "matched": True, "at": "2026-03-02T12:00:00Z"}]
    assert [(each["clerk"], each["part"], each["times"]) for each in record["looks"]] == [("clerk-7", "selfie", 1)]
    assert set(record) == {"journey_id", "state", "tries", "decisions", "looks"}
    told = answer.text + json.dumps(logs, default=str)
    for secret in (PERSON.iin, PERSON.surname, PERSON.given_name, DOCUMENT, remark, NUMBERS.decode()):
        assert secret not in told
    assert [(each["auditor"], each["subject"]) for each in logs if each["event"] == "audit.read"] == [
        ("auditor-1", JOURNEY)
    ]


async def test_records_come_page_by_page_each_once_and_each_page_is_logged(
    world: World, booth: Booth, http: httpx.AsyncClient
) -> None:
    journeys = [f"7a4b3f0e-5a35-4d0a-9a51-6a5b8f6f4{number:03x}" for number in range(7)]
    for journey in reversed(journeys):
        await booth.opened(journey)
    await booth.tell(STARTED, OTHER)  # whose phone is not proven: nothing is on record
    seen, url = [], f"{AUDIT}?limit=3"
    with structlog.testing.capture_logs() as logs:
        while url:
            answer = await http.get(url, headers=staff(world, "auditor", "auditor-1"))
            seen.append([each["journey_id"] for each in answer.json()])
            url = answer.links.get("next", {}).get("url", "")
    assert [each for page in seen for each in page] == journeys
    read = [each for each in logs if each["event"] == "audit.read"]
    assert [(each["auditor"], each["after"], each["records"]) for each in read] == [
        ("auditor-1", after, len(page)) for after, page in zip([None, journeys[2], journeys[5]], seen, strict=True)
    ]


async def test_records_are_for_auditors_alone_who_do_nothing_else(
    world: World, booth: Booth, http: httpx.AsyncClient
) -> None:
    await booth.opened()
    for url in (AUDIT, f"{AUDIT}/{JOURNEY}"):
        for headers in ({}, staff(world, "clerk"), staff(world, "officer")):
            assert key_of(await http.get(url, headers=headers)) == (403, "token.wrong_role")
        assert key_of(await http.get(url, headers={"Authorization": ""})) == (401, "token.missing")
    auditor = staff(world, "auditor")
    assert key_of(await http.get("/v1/reviews", headers=auditor)) == (403, "token.wrong_role")
    assert key_of(await http.get(URL, headers=auditor)) == (403, "token.wrong_role")
    assert key_of(await http.get(f"{AUDIT}/{OTHER}", headers=auditor)) == (404, "audit.unknown")
