"""The one-time code service in memory: what outlives a process, the process itself, and a gateway that can fail."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from pydantic import TypeAdapter

from libs.common.contracts.events import Event
from libs.common.contracts.identity import JourneyClosed, JourneyStarted, RevocationRequested
from libs.common.contracts.people import Contact, Person
from libs.common.core.sealing import Sealed, Sealing
from libs.common.testing.backend import MemoryStore
from libs.common.testing.faults import Faults
from libs.common.testing.harness import NOON, Harness, Surroundings
from services.otp import domain, limits
from services.otp.app import build
from services.otp.settings import Settings

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
JOURNEY = "7a4b3f0e-5a35-4d0a-9a51-6a5b8f6f4a01"
PHONE = "+77010000012"
GATEWAY_URL = "https://sms.example/messages"
RULES = domain.CodeRules()
LIMITS = limits.LimitRules()
CLOSED = JourneyClosed(outcome="cancelled", reason="journey.cancelled")
AWAY, UNDELIVERABLE = 503, 422
_CODES: TypeAdapter[domain.CodesState] = TypeAdapter(domain.CodesSchema)


def journey(number: int) -> str:
    return str(UUID(int=number + 1))


def started(person: str = "person-1", phone: str = "phone-1") -> JourneyStarted:
    return JourneyStarted(
        person=Sealed(Person(iin="850412399015", surname="ТОЛҚЫНБЕКОВА", given_name="АЙСҰЛУ")),
        contact=Sealed(Contact(phone=PHONE)),
        person_ref=person,
        phone_ref=phone,
        mcb_registered=True,
        expires_at=NOON + 7 * DAY,
    )


class Problem(Exception):
    """A problem document that the service answered."""

    def __init__(self, answer: httpx.Response) -> None:
        self.document: dict[str, Any] = answer.json()
        self.key: str = self.document["key"]
        self.status = answer.status_code
        super().__init__(self.key)

    @property
    def retry_at(self) -> datetime | None:
        """When to come back."""
        return datetime.fromisoformat(at) if (at := self.document["retry_at"]) else None


class GatewayStub:
    """A gateway that honours its idempotency key, and fails with a status as the test says."""

    def __init__(self) -> None:
        self.delivered: dict[str, str] = {}
        self.asked: list[str] = []
        self.codes: dict[str, str] = {}
        self.failure: int | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body, sms_id = json.loads(request.content), request.headers["Idempotency-Key"]
        assert body["to"] == PHONE
        self.asked.append(sms_id)
        self.codes[sms_id] = body["text"][: RULES.code_digits]
        if self.failure is not None:
            return httpx.Response(self.failure)
        self.delivered.setdefault(sms_id, body["text"])
        return httpx.Response(202)


class World:
    """What outlives every process: time, store, broker, and the gateway."""

    def __init__(self) -> None:
        self.surroundings = Surroundings()
        self.gateway = GatewayStub()
        self.surroundings.outside[GATEWAY_URL] = self.gateway
        self.store = self.surroundings.stores.setdefault("otp", MemoryStore())

    @property
    def now(self) -> datetime:
        return self.surroundings.clock.now

    @now.setter
    def now(self, moment: datetime) -> None:
        self.surroundings.clock.now = moment

    @property
    def codes(self) -> list[str]:
        """The digits of every code that was handed over, the oldest first."""
        return list(self.gateway.codes.values())

    @property
    def code(self) -> str:
        """The digits in the newest SMS that was delivered."""
        return list(self.gateway.delivered.values())[-1][: RULES.code_digits]

    @property
    def wrong(self) -> str:
        """Digits that are in no SMS."""
        return next(digits for number in range(1000) if (digits := f"{number:06d}") not in self.codes)

    def state(self, subject: str = JOURNEY) -> domain.CodesState | None:
        row = self.store.documents["codes"].rows.get(subject)
        sealing = Sealing(self.surroundings.keyring, f"codes/{subject}")
        return None if row is None else _CODES.validate_json(json.dumps(row.state), context=sealing)

    def usage(self, ref: str) -> dict[str, list[str]]:
        return dict(self.store.documents["usage"].rows[ref].state)

    @asynccontextmanager
    async def process(self, faults: Faults | None = None, **settings: Any) -> AsyncIterator["OtpProcess"]:
        """Run one process; a crash ends it, and the next one begins on what it left."""
        given = {"sms_url": GATEWAY_URL, "sms_token": "t"} | settings
        async with self.surroundings.run("otp", build, Settings, faults=faults, **given) as service:
            yield OtpProcess(self, service)


class OtpProcess:
    """One process of the service, and what a citizen does with it."""

    def __init__(self, world: World, service: Harness) -> None:
        self.world = world
        self.service = service

    async def receive(self, subject: str = JOURNEY, event: Event | None = None, message_id: str | None = None) -> None:
        """Have the service read that a journey began, or another event; what is due at once is done as well."""
        await self.service.receive(event or started(), subject, message_id=message_id)

    async def check(self, subject: str, code: str) -> None:
        """Type a code.

        Raises:
            Problem: it was refused.
        """
        await self._post(f"/v1/journeys/{subject}/code", subject, {"code": code})

    async def resend(self, subject: str = JOURNEY) -> None:
        """Ask for another code; it is sent when `settle` is called.

        Raises:
            Problem: it was refused.
        """
        await self._post(f"/v1/journeys/{subject}/code/resend", subject)

    async def settle(self) -> None:
        """Do what is due."""
        await self.service.settle()

    def published(self, subject: str = JOURNEY) -> list[tuple[str, dict[str, Any]]]:
        """Return what was published about a journey, in order, each event once."""
        found = self.service.all_published(subject)
        return [(each.event.topic, each.event.model_dump(mode="json")) for each in found]

    def topics(self, subject: str = JOURNEY) -> list[str]:
        return [topic for topic, _ in self.published(subject)]

    async def _post(self, path: str, subject: str, body: object = None) -> None:
        token = self.service.keys.tokens.journey(subject, timedelta(days=7))
        answer = await self.service.http.post(path, json=body, headers={"Authorization": f"Bearer {token}"})
        if answer.is_error:
            raise Problem(answer)


REVOCATION = RevocationRequested(
    citizen_id="citizen-1",
    serial="7f" * 16,
    reason="keyCompromise",
    contact=Sealed(Contact(phone=PHONE)),
    person_ref="person-1",
    phone_ref="phone-1",
    expires_at=NOON + 15 * MINUTE,
)
