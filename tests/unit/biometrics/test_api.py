"""What citizens and clerks are answered, with real tokens."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import jwt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from libs.common.health import Health
from libs.common.http import MB, create_app
from libs.common.tokens import STAFF_ROLES, Authenticator, TokenIssuer, TokenVerifier
from services.biometrics import api
from tests.unit.biometrics.booth import CLOSED, GOOD, JOURNEY, METRICS, OTHER, RULES, STARTED, WITH_CARD, Booth, World

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
    routers = [api.capture_routes(booth.service, auth), api.review_routes(booth.service, auth)]
    app = create_app("biometrics", metrics=METRICS, health=Health(), routers=routers)
    headers = {"Authorization": f"Bearer {identity.journey(JOURNEY, timedelta(days=7))}"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://biometrics", headers=headers) as client:
        yield client


def staff(world: World, role: str = "clerk") -> dict[str, str]:
    now = int(world.now.timestamp())
    claims = {"iss": "staff", "sub": "clerk-7", "role": role, "region": "KZ-75", "iat": now, "exp": now + 600}
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
        "pending": False,
    }
    for number, part in enumerate(WITH_CARD, 1):
        taken = await put(http, part, GOOD[part])
        assert (taken.status_code, taken.json()) == (202, {"pending": True})
        shown = (await http.get(URL)).json()
        assert sum(shown["received"].values()) == number
    assert (shown["state"], shown["pending"]) == ("analysing", True)
    await booth.wake_due()
    assert (await http.get(URL)).json()["state"] == "matched"


async def test_after_a_failed_try_the_citizen_is_shown_what_to_do_better_and_what_to_send(
    booth: Booth, http: httpx.AsyncClient
) -> None:
    await booth.opened()
    await booth.tried({"selfie": b"selfie.blurred"})
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
    assert key_of(await put(http, "selfie", b"x")) == (404, "capture.not_open")


async def test_captures_for_an_older_challenge_too_late_or_after_the_end_are_told_apart(
    world: World, booth: Booth, http: httpx.AsyncClient
) -> None:
    await booth.opened()
    assert key_of(await put(http, "selfie", b"x", nonce="n-0")) == (409, "capture.stale")
    world.now += RULES.session
    assert key_of(await put(http, "selfie", b"x")) == (409, "capture.closed")
    await booth.tell(CLOSED)
    assert key_of(await put(http, "selfie", b"x")) == (409, "capture.closed")
    assert (await http.get(URL)).json()["state"] == "closed"


async def test_a_picture_of_twenty_megabytes_is_taken_and_one_octet_more_is_too_large(
    world: World, booth: Booth, http: httpx.AsyncClient
) -> None:
    await booth.opened()
    assert key_of(await put(http, "clip", bytes(20 * MB + 1))) == (413, "picture.too_large")
    assert world.media == {}
    assert (await put(http, "clip", bytes(20 * MB))).status_code == 202


async def test_a_picture_too_large_is_refused_though_its_length_was_not_announced(
    world: World, booth: Booth, http: httpx.AsyncClient
) -> None:
    async def drip() -> AsyncIterator[bytes]:
        for _ in range(21):
            yield bytes(MB)

    await booth.opened()
    answer = await http.put(f"{URL}/clip", content=drip(), headers={"X-Capture-Nonce": "n-1"})
    assert key_of(answer) == (413, "picture.too_large")
    assert world.media == {}


async def test_an_unknown_part_or_a_missing_nonce_is_refused(booth: Booth, http: httpx.AsyncClient) -> None:
    await booth.opened()
    assert (await put(http, "passport", b"x")).status_code == 422
    assert (await http.put(f"{URL}/selfie", content=b"x")).status_code == 422


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
    picture = await http.get(f"/v1/reviews/{JOURNEY}/pictures/selfie", headers=staff(world))
    assert (picture.content, picture.headers["cache-control"]) == (GOOD["selfie"], "no-store")
    decision = {"match": True, "reason": "the same person"}
    url = f"/v1/reviews/{JOURNEY}/decision"
    assert (await http.post(url, json={"match": True, "reason": " "}, headers=staff(world))).status_code == 422
    assert (await http.post(url, json=decision, headers=staff(world))).status_code == 200
    assert key_of(await http.post(url, json=decision, headers=staff(world))) == (409, "review.not_waiting")
    assert (await http.get("/v1/reviews", headers=staff(world))).json() == []
    assert (await http.get(URL)).json()["state"] == "matched"


async def test_reviews_are_for_clerks_alone(world: World, booth: Booth, http: httpx.AsyncClient) -> None:
    world.eyes.band = "review"
    await booth.opened()
    await booth.tried()
    for headers in ({}, staff(world, "officer")):
        answers = [
            await http.get("/v1/reviews", headers=headers),
            await http.get(f"/v1/reviews/{JOURNEY}/pictures/selfie", headers=headers),
            await http.post(
                f"/v1/reviews/{JOURNEY}/decision", json={"match": True, "reason": "it is me"}, headers=headers
            ),
        ]
        assert [key_of(each) for each in answers] == [(403, "token.wrong_role")] * 3
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
