"""Services built by their own `app.build` run in memory: HTTP, events as bytes, timers, a crash and a new process."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from libs.common.contracts.biometrics import FaceMatched
from libs.common.contracts.events import Event, Meta, encode
from libs.common.contracts.identity import JourneyClosed, JourneyStarted, McbRegistered
from libs.common.contracts.otp import OtpSent, OtpVerified
from libs.common.contracts.people import Contact, Person
from libs.common.contracts.signatures import EventSigner
from libs.common.core.sealing import Sealed
from libs.common.delivery.documents import Outgoing
from libs.common.delivery.kafka import signed, unsigned
from libs.common.testing.event_keys import KEYS
from libs.common.testing.faults import Crash, Faults
from libs.common.testing.harness import NOON, Harness, Surroundings
from services.identity.app import build as build_identity
from services.identity.settings import Settings as IdentitySettings
from services.otp.app import build as build_otp
from services.otp.settings import Settings as OtpSettings

JOURNEY = "7a4b3f0e-5a35-4d0a-9a51-6a5b8f6f4a01"
IIN, PHONE, PIN = "850412399015", "+77010000012", "483920"
STARTED = JourneyStarted(
    person=Sealed(Person(iin=IIN, surname="ТОЛҚЫНБЕКОВА", given_name="АЙСҰЛУ")),
    contact=Sealed(Contact(phone=PHONE)),
    person_ref="person-1",
    phone_ref="phone-1",
    mcb_registered=True,
    expires_at=NOON + timedelta(days=7),
)


@pytest.fixture
def surroundings() -> Surroundings:
    return Surroundings()


def mine(harness: Harness, journey: str = JOURNEY) -> dict[str, str]:
    return {"Authorization": f"Bearer {harness.keys.tokens.journey(journey, timedelta(days=7))}"}


async def code_of(otp: Harness, journey: str = JOURNEY) -> str:
    inbox = (await otp.http.get("/dev/inbox", params={"journey_id": journey})).json()
    return "".join(filter(str.isdigit, inbox[-1]["text"]))[:6]


async def test_otp_sends_a_code_for_a_started_journey_and_takes_it(surroundings: Surroundings) -> None:
    async with surroundings.run("otp", build_otp, OtpSettings) as otp:
        await otp.receive(STARTED, JOURNEY)
        assert [each.event.number for each in otp.published(OtpSent, JOURNEY)] == [1]
        answer = await otp.http.post(
            f"/v1/journeys/{JOURNEY}/code", json={"code": await code_of(otp)}, headers=mine(otp)
        )
        assert answer.json() == {"verified": True}
        (verified,) = otp.published(OtpVerified)
        assert (verified.meta.subject, verified.event.phone_ref) == (JOURNEY, "phone-1")
        assert (await otp.http.get("/health/ready")).json()["ready"]


async def test_a_message_that_comes_twice_has_one_effect_and_a_malformed_one_is_a_dead_letter(
    surroundings: Surroundings,
) -> None:
    async with surroundings.run("otp", build_otp, OtpSettings) as otp:
        for _ in range(2):
            await otp.receive(STARTED, JOURNEY, message_id="message-1")
        assert len(otp.published(OtpSent)) == 1
        await otp.receive(OtpVerified(phone_ref="x"), JOURNEY)  # otp does not read what it publishes itself
        assert otp.dead_letters() == []
        surroundings.broker.rewind("otp")
        await otp.settle()
        assert len(otp.published(OtpSent)) == 1


async def test_time_that_passes_fires_timers(surroundings: Surroundings) -> None:
    async with surroundings.run(
        "identity", build_identity, IdentitySettings, token_key=surroundings.keys.token_key
    ) as (identity):
        answer = await start(identity)
        journey = answer.json()["journey_id"]
        await identity.advance(timedelta(days=8))
        (closed,) = identity.published(JourneyClosed, journey)
        assert closed.event.outcome == "expired"
        assert closed.meta.time - NOON < timedelta(days=8)


async def start(identity: Harness) -> httpx.Response:
    form = {"iin": IIN, "phone": PHONE}
    return await identity.http.post("/v1/journeys", json=form, headers={"Idempotency-Key": str(uuid4())})


async def test_two_services_exchange_their_events(surroundings: Surroundings) -> None:
    async with (
        surroundings.run(
            "identity", build_identity, IdentitySettings, token_key=surroundings.keys.token_key
        ) as identity,
        surroundings.run("otp", build_otp, OtpSettings) as otp,
    ):
        journey = (await start(identity)).json()["journey_id"]
        await surroundings.settle()
        await otp.http.post(
            f"/v1/journeys/{journey}/code", json={"code": await code_of(otp, journey)}, headers=mine(otp, journey)
        )
        await identity.receive(FaceMatched(model="m1"), journey)
        shown = (await identity.http.get(f"/v1/journeys/{journey}", headers=mine(identity, journey))).json()
        assert shown["step"] == "pin"
        published: list[Event] = [each.event for each in identity.all_published(journey)]
        assert [type(event) for event in published] == [JourneyStarted, McbRegistered]


@pytest.mark.parametrize("step", range(1, 16))
async def test_wherever_a_process_ends_the_next_one_sends_the_code_once(surroundings: Surroundings, step: int) -> None:
    sent: list[str] = []

    def gateway(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers["Idempotency-Key"])
        return httpx.Response(200, json={})

    surroundings.outside["https://sms.example"] = gateway
    outside: dict[str, Any] = {"sms_url": "https://sms.example/send", "sms_token": "t"}
    with pytest.RaisesGroup(Crash, flatten_subgroups=True, allow_unwrapped=True):
        async with surroundings.run("otp", build_otp, OtpSettings, faults=Faults(step), **outside) as otp:
            await otp.receive(STARTED, JOURNEY)
    async with surroundings.run("otp", build_otp, OtpSettings, **outside) as otp:
        await otp.advance(timedelta(minutes=1))
        assert [each.event.number for each in otp.published(OtpSent, JOURNEY)] == [1]
        assert len(set(sent)) == 1


async def test_nothing_personal_stands_in_the_store_or_on_a_topic(surroundings: Surroundings) -> None:
    async with surroundings.run("otp", build_otp, OtpSettings) as otp:
        await otp.receive(STARTED, JOURNEY)
        assert otp.published(OtpSent)
        assert PHONE not in otp.store.everything()
        assert PHONE not in str(surroundings.broker.written)


async def test_a_message_that_its_producer_did_not_sign_is_a_dead_letter(surroundings: Surroundings) -> None:
    meta = Meta("message-1", JourneyStarted.type(), "identity", NOON, JOURNEY, JOURNEY)
    started = Outgoing(STARTED.topic, meta, encode(STARTED, meta, surroundings.keyring).decode())
    async with surroundings.run("otp", build_otp, OtpSettings) as otp:
        for forged in (unsigned(started), signed(started, EventSigner(KEYS["kandas"]))):
            surroundings.broker.write(forged)
        await otp.settle()
        assert len(otp.dead_letters()) == 2
        assert otp.published(OtpSent) == []
        surroundings.broker.write(signed(started, EventSigner(KEYS["identity"])))
        await otp.settle()
        assert len(otp.published(OtpSent)) == 1


async def test_a_fact_on_the_topic_of_another_is_a_dead_letter(surroundings: Surroundings) -> None:
    meta = Meta("message-1", JourneyStarted.type(), "identity", NOON, JOURNEY, JOURNEY)
    misplaced = Outgoing(JourneyClosed.topic, meta, encode(STARTED, meta, surroundings.keyring).decode())
    async with surroundings.run("otp", build_otp, OtpSettings) as otp:
        surroundings.broker.write(signed(misplaced, EventSigner(KEYS["identity"])))
        await otp.settle()
        assert len(otp.dead_letters()) == 1
        assert otp.published(OtpSent) == []
