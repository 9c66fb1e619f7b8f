"""The HTTP API: what citizens send, and what they are answered."""

import json
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest

from libs.common.core.health import Health
from libs.common.testing.idempotency import MemoryIdempotencyStore
from libs.common.web.http import create_app
from libs.common.web.idempotency import Idempotency
from libs.common.web.tokens import Authenticator, TokenVerifier
from services.identity.accounts.api import key_routes, session_routes
from services.identity.cabinet.api import cabinet_routes
from services.identity.journeys.api import Tickets, beginning_routes, journey_routes
from tests.unit.identity.harness import (
    DAY,
    IIN,
    KEYRING,
    MATCHED,
    OTHER_PIN,
    PHONE,
    PIN,
    VERIFIED,
    IdentityHarness,
    face_refused,
    issued,
)

FORM = {"iin": IIN, "phone": "8 (701) 000-00-12", "email": "a.b@example.kz"}


@pytest.fixture
def identity() -> IdentityHarness:
    return IdentityHarness()


@pytest.fixture
async def http(identity: IdentityHarness) -> AsyncIterator[httpx.AsyncClient]:
    jwks = identity.tokens.jwks()
    auth = Authenticator(TokenVerifier(json.dumps(jwks), "identity", identity.clock))
    idempotency = Idempotency(MemoryIdempotencyStore(), KEYRING, "identity", identity.clock)
    routers = [
        beginning_routes(identity.service, auth, idempotency, Tickets(identity.tokens, identity.clock)),
        journey_routes(identity.service, auth, idempotency),
        session_routes(identity.accounts),
        cabinet_routes(identity.cabinet, auth),
        key_routes(jwks),
    ]
    app = create_app("identity", metrics=identity.metrics, health=Health(), routers=routers)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://identity") as client:
        yield client


class Browser:
    """A citizen's browser: keeps the journey's id and token."""

    def __init__(self, http: httpx.AsyncClient, started: dict[str, str]) -> None:
        self.http = http
        self.id = started["journey_id"]
        self.headers = {"Authorization": f"Bearer {started['token']}"}

    async def show(self) -> dict[str, object]:
        answer = await self.http.get(f"/v1/journeys/{self.id}", headers=self.headers)
        assert answer.status_code == 200, answer.text
        shown: dict[str, object] = answer.json()
        return shown

    async def post(self, path: str, body: object = None, key: str | None = None) -> httpx.Response:
        headers = self.headers | {"Idempotency-Key": key or str(uuid4())}
        return await self.http.post(f"/v1/journeys/{self.id}/{path}", headers=headers, json=body)


async def start(http: httpx.AsyncClient, form: object = None, key: str | None = None) -> httpx.Response:
    return await http.post("/v1/journeys", json=form or FORM, headers={"Idempotency-Key": key or str(uuid4())})


async def browser(http: httpx.AsyncClient) -> Browser:
    answer = await start(http)
    assert answer.status_code == 201, answer.text
    return Browser(http, answer.json())


async def test_a_start_sent_again_is_answered_the_same_and_begins_one_journey(
    identity: IdentityHarness, http: httpx.AsyncClient
) -> None:
    key = str(uuid4())
    first, second = await start(http, key=key), await start(http, key=key)
    assert first.json() == second.json()
    assert first.json().keys() == {"journey_id", "token", "mcb_registered", "expires_at"}
    assert first.json()["mcb_registered"] is False
    assert len(identity.rows["journeys"].rows) == 1


async def test_the_phone_is_normalised_and_the_pair_that_the_base_holds_is_recognised(
    identity: IdentityHarness, http: httpx.AsyncClient
) -> None:
    identity.mcb.held.add((IIN, PHONE))
    assert (await start(http)).json()["mcb_registered"] is True


@pytest.mark.parametrize(
    ("change", "status", "key"),
    [
        ({"iin": "850412399016"}, 422, "iin.malformed"),
        ({"iin": "85041239901"}, 422, "iin.malformed"),
        ({"iin": "830717350867"}, 404, "iin.unknown"),
        ({"phone": "+1 212 555 0100"}, 422, "phone.malformed"),
        ({"email": "nobody"}, 422, "email.malformed"),
    ],
)
async def test_wrong_data_are_answered_with_a_key_and_never_repeated(
    http: httpx.AsyncClient, change: dict[str, str], status: int, key: str
) -> None:
    answer = await start(http, FORM | change)
    assert (answer.status_code, answer.json()["key"]) == (status, key)
    assert next(iter(change.values())) not in answer.text


async def test_a_register_that_is_away_asks_to_come_back_and_the_same_request_then_succeeds(
    identity: IdentityHarness, http: httpx.AsyncClient
) -> None:
    identity.register.away, key = True, str(uuid4())
    answer = await start(http, key=key)
    assert (answer.status_code, answer.json()["key"]) == (503, "service.unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    identity.register.away = False
    assert (await start(http, key=key)).status_code == 201


async def test_a_journey_shows_step_by_step_whom_it_waits_for(
    identity: IdentityHarness, http: httpx.AsyncClient
) -> None:
    mine = await browser(http)
    shown = await mine.show()
    assert (shown["step"], shown["waits_for"], shown["outcome"], shown["citizen_id"]) == (
        "code",
        "citizen.code",
        None,
        None,
    )
    assert shown.keys() == {
        *("journey_id", "step", "waits_for", "waits_until", "outcome", "reason", "timeline"),
        *("citizen_id", "guidance", "tries_left", "certificates"),
    }
    await identity.deliver(VERIFIED, mine.id)
    await identity.deliver(face_refused(3), mine.id)
    shown = await mine.show()
    assert (shown["step"], shown["tries_left"], shown["guidance"]) == ("face", 3, ["selfie.blurred"])
    await identity.deliver(MATCHED, mine.id)
    assert (await mine.show())["step"] == "pin"
    created = await mine.post("digital-id", {"pin": PIN})
    assert created.status_code == 201
    citizen_id = created.json()["citizen_id"]
    assert (await mine.show())["waits_for"] == "citizen.requests"
    await identity.deliver(issued("SIGN", citizen_id=citizen_id), mine.id)
    await identity.deliver(issued("AUTH", citizen_id=citizen_id), mine.id)
    shown = await mine.show()
    assert (shown["step"], shown["outcome"], shown["waits_for"], shown["waits_until"]) == (
        "closed",
        "completed",
        None,
        None,
    )
    assert shown["certificates"] == [
        {
            "serial": serial,
            "profile": profile,
            "not_after": "2027-03-02T12:00:00Z",
            "revoked": False,
            "expiring": False,
            "acts_for": None,
        }
        for serial, profile in (("aa01", "SIGN"), ("bb02", "AUTH"))
    ]


async def test_a_timeline_only_grows_so_that_a_browser_can_count_on_what_it_showed(
    identity: IdentityHarness, http: httpx.AsyncClient
) -> None:
    mine = await browser(http)
    seen: list[object] = []
    for fact in (MATCHED, VERIFIED, face_refused()):
        await identity.deliver(fact, mine.id)
        timeline = (await mine.show())["timeline"]
        assert isinstance(timeline, list)
        assert timeline[: len(seen)] == seen
        assert len(timeline) == max(2, len(seen) + 1)
        seen = timeline


async def test_a_digital_id_asked_for_twice_is_the_same(identity: IdentityHarness, http: httpx.AsyncClient) -> None:
    mine, key = await browser(http), str(uuid4())
    assert (await mine.post("digital-id", {"pin": PIN}, key)).json()["key"] == "journey.face_missing"
    await identity.deliver(VERIFIED, mine.id)
    await identity.deliver(MATCHED, mine.id)
    assert (await mine.post("digital-id", {"pin": "123456"})).json()["key"] == "pin.too_simple"
    first, second = await mine.post("digital-id", {"pin": PIN}, key), await mine.post("digital-id", {"pin": PIN}, key)
    assert (first.status_code, first.json()) == (201, second.json())
    assert identity.topics(mine.id).count("digital_id.created") == 1


@pytest.mark.parametrize("pin", ["12345", "1234567", "12345a", "١٢٣٤٥٦", ""])
async def test_a_pin_has_six_ascii_digits(http: httpx.AsyncClient, pin: str) -> None:
    answer = await (await browser(http)).post("digital-id", {"pin": pin})
    assert (answer.status_code, answer.json()["key"]) == (422, "pin.malformed")


async def test_giving_up_is_taken_as_often_as_it_is_said(identity: IdentityHarness, http: httpx.AsyncClient) -> None:
    mine = await browser(http)
    assert [(await mine.post("cancel")).status_code for _ in range(2)] == [202, 202]
    shown = await mine.show()
    assert (shown["step"], shown["outcome"], shown["reason"]) == ("closed", "cancelled", "journey.cancelled")
    assert identity.topics(mine.id).count("journey.closed") == 1


async def test_a_journeys_token_opens_no_other_journey_and_no_cabinet(http: httpx.AsyncClient) -> None:
    mine, other = await browser(http), await browser(http)
    answers = [
        await http.get(f"/v1/journeys/{other.id}", headers=mine.headers),
        await http.get("/v1/cabinet", headers=mine.headers),
        await http.get(f"/v1/journeys/{mine.id}"),
    ]
    assert [(each.status_code, each.json()["key"]) for each in answers] == [
        (403, "token.wrong_subject"),
        (403, "token.wrong_role"),
        (401, "token.missing"),
    ]


async def test_a_journeys_token_ends_with_the_journeys_time(identity: IdentityHarness, http: httpx.AsyncClient) -> None:
    mine = await browser(http)
    identity.now += 7 * DAY
    answer = await http.get(f"/v1/journeys/{mine.id}", headers=mine.headers)
    assert answer.json()["key"] == "token.expired"


async def test_iin_and_pin_open_the_cabinet(identity: IdentityHarness, http: httpx.AsyncClient) -> None:
    mine = await browser(http)
    await identity.deliver(VERIFIED, mine.id)
    await identity.deliver(MATCHED, mine.id)
    citizen_id = (await mine.post("digital-id", {"pin": PIN})).json()["citizen_id"]
    await identity.deliver(issued("SIGN", citizen_id=citizen_id), mine.id)
    session = await http.post("/v1/sessions", json={"iin": IIN, "pin": PIN})
    assert session.status_code == 201
    cabinet = await http.get("/v1/cabinet", headers={"Authorization": f"Bearer {session.json()['token']}"})
    assert cabinet.json()["citizen_id"] == citizen_id
    assert [each["serial"] for each in cabinet.json()["certificates"]] == ["aa01"]
    assert cabinet.json()["applications"] == []


async def test_wrong_pins_are_answered_with_what_is_left_and_then_with_a_time(http: httpx.AsyncClient) -> None:
    answers = [await http.post("/v1/sessions", json={"iin": IIN, "pin": OTHER_PIN}) for _ in range(5)]
    assert [each.status_code for each in answers] == [401, 401, 401, 401, 429]
    assert [each.json().get("tries_left") for each in answers] == [4, 3, 2, 1, None]
    assert answers[-1].json()["retry_at"].startswith("2026-03-02T12:15:00")
    assert "Retry-After" in answers[-1].headers


async def test_the_public_keys_are_published_without_the_private_one(
    identity: IdentityHarness, http: httpx.AsyncClient
) -> None:
    keys = (await http.get("/v1/.well-known/jwks.json")).json()["keys"]
    assert keys == identity.tokens.jwks()["keys"]
    assert all("d" not in key for key in keys)
