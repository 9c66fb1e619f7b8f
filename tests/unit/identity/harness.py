"""The identity service in memory with a population register and a Mobile Citizens Base that can be away."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from libs.common.contracts.events import Event
from libs.common.contracts.http.identity import CabinetView, CitizenSession, JourneyTicket, JourneyView
from libs.common.testing.harness import Harness, Surroundings
from services.identity.app import build
from services.identity.settings import Settings
from tests.unit.identity.factories import IIN, MATCHED, OTHER_IIN, PHONE, PIN, QUICK_HASH, VERIFIED

FORM = {"iin": IIN, "phone": "8 (701) 000-00-12", "email": "a.b@example.kz"}
REGISTER_URL, MCB_URL = "https://register.example/", "https://mcb.example/"
RECORD = {
    "surname": "ТОЛҚЫНБЕКОВА",
    "given_name": "АЙСҰЛУ",
    "document_number": "900000011",
    "birth_date": "1985-04-12",
}


class RegisterStub:
    """A population register with two people, whose records a test may change."""

    def __init__(self) -> None:
        self.away = False
        self.changes: dict[str, object] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.away:
            raise httpx.ConnectError("away", request=request)
        iin = json.loads(request.content)["iin"]
        return (
            httpx.Response(200, json={**RECORD, **self.changes, "iin": iin})
            if iin in (IIN, OTHER_IIN)
            else httpx.Response(404)
        )


class McbStub:
    """A Mobile Citizens Base that can be away or refuse, and remembers which journeys registered a pair."""

    def __init__(self) -> None:
        self.away = False
        self.refuses = False
        self.held: set[tuple[str, str]] = set()
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        pair = (body["iin"], body["phone"])
        if request.url.path == "/registrations":
            self.asked.append(request.headers["Idempotency-Key"])
        if self.away:
            raise httpx.ConnectError("away", request=request)
        if request.url.path == "/lookup":
            return httpx.Response(200, json={"registered": pair in self.held})
        if self.refuses:
            return httpx.Response(422)
        self.held.add(pair)
        return httpx.Response(204)


class Journey:
    """A citizen's browser on one journey: its id and token, as the service gave them."""

    def __init__(self, http: httpx.AsyncClient, ticket: JourneyTicket) -> None:
        self.http = http
        self.ticket = ticket
        self.id = ticket.journey_id
        self.headers = {"Authorization": f"Bearer {ticket.token}"}

    async def show(self) -> dict[str, Any]:
        """Return what the citizen is shown, as JSON."""
        answer = await self.http.get(f"/v1/journeys/{self.id}", headers=self.headers)
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    async def view(self) -> JourneyView:
        """Return what the citizen is shown."""
        return JourneyView.model_validate(await self.show())

    async def post(self, path: str, body: object = None, key: str | None = None) -> httpx.Response:
        headers = self.headers | {"Idempotency-Key": key or str(uuid4())}
        return await self.http.post(f"/v1/journeys/{self.id}/{path}", headers=headers, json=body)

    async def choose_pin(self, pin: str = PIN) -> str:
        """Choose the PIN and return the citizen's id."""
        created = await self.post("digital-id", {"pin": pin})
        assert created.status_code == 201, created.text
        citizen_id: str = created.json()["citizen_id"]
        return citizen_id


class IdentityHarness:
    """The service, what stands around it, and what a citizen does with it."""

    def __init__(self, surroundings: Surroundings, service: Harness, register: RegisterStub, mcb: McbStub) -> None:
        self.surroundings = surroundings
        self.service = service
        self.register = register
        self.mcb = mcb
        self.http = service.http
        self.rows = service.store.documents

    async def start(self, form: object = None, key: str | None = None) -> httpx.Response:
        headers = {"Idempotency-Key": key or str(uuid4())}
        return await self.http.post("/v1/journeys", json=form or FORM, headers=headers)

    async def begin(self, iin: str = IIN, phone: str = PHONE) -> Journey:
        """Begin a journey."""
        answer = await self.start({"iin": iin, "phone": phone})
        assert answer.status_code == 201, answer.text
        return Journey(self.http, JourneyTicket.model_validate(answer.json()))

    async def proven(self, iin: str = IIN, phone: str = PHONE) -> Journey:
        """Bring a journey to where a PIN is chosen."""
        journey = await self.begin(iin, phone)
        await self.receive(VERIFIED, journey.id)
        await self.receive(MATCHED, journey.id)
        return journey

    async def receive(self, event: Event, subject: str, message_id: str | None = None) -> None:
        """Have the service read an event about a journey."""
        await self.service.receive(event, subject, message_id=message_id)

    async def sign_in(self, iin: str = IIN, pin: str = PIN) -> httpx.Response:
        return await self.http.post("/v1/sessions", json={"iin": iin, "pin": pin})

    async def signed_in(self, pin: str = PIN) -> CitizenSession:
        """Open a session."""
        answer = await self.sign_in(IIN, pin)
        assert answer.status_code == 201, answer.text
        return CitizenSession.model_validate(answer.json())

    def session_headers(self, citizen_id: str) -> dict[str, str]:
        """Return the headers of somebody who signed in."""
        token = self.service.keys.tokens.citizen(citizen_id, "person-ref", timedelta(days=500))
        return {"Authorization": f"Bearer {token}"}

    async def cabinet(self, citizen_id: str) -> CabinetView:
        """Return what lies in a cabinet."""
        answer = await self.http.get("/v1/cabinet", headers=self.session_headers(citizen_id))
        assert answer.status_code == 200, answer.text
        return CabinetView.model_validate(answer.json())

    def topics(self, subject: str) -> list[str]:
        """Return the topics of what was published about a journey or request."""
        return [each.event.topic for each in self.service.all_published(subject)]

    async def counted(self, name: str, **labels: str) -> float:
        """Return the value of a counter, as the service shows it to Prometheus."""
        shown = (await self.http.get("/metrics")).text
        wanted = "".join(sorted(f'{key}="{value}"' for key, value in labels.items()))
        for line in shown.splitlines():
            head, _, value = line.rpartition(" ")
            found, _, rest = head.partition("{")
            if found == f"onboarding_{name}_total" and "".join(sorted(rest.rstrip("}").split(","))) == wanted:
                return float(value)
        return 0.0


@asynccontextmanager
async def running(surroundings: Surroundings | None = None, **settings: Any) -> AsyncIterator[IdentityHarness]:
    """Run one process of identity."""
    around = surroundings or Surroundings()
    register, mcb = RegisterStub(), McbStub()
    around.outside |= {REGISTER_URL: register, MCB_URL: mcb}
    outside = {"register_url": REGISTER_URL, "register_token": "t", "mcb_url": MCB_URL, "mcb_token": "t"}
    given: dict[str, Any] = outside | {"token_key": around.keys.token_key, "pin_hash": QUICK_HASH} | settings
    async with around.run("identity", build, Settings, **given) as service:
        yield IdentityHarness(around, service, register, mcb)


@pytest.fixture
async def identity() -> AsyncIterator[IdentityHarness]:
    async with running() as harness:
        yield harness
