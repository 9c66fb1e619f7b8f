"""Journeys, Digital IDs, sessions and the cabinet. Every call may raise what `Caller.send` and `understood` raise."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Literal

from libs.citizen.api.answers import understood
from libs.citizen.caller import Caller
from libs.common.contracts.http.shapes import Answer, PlainName, Secret, TimelineEntry


class Step(StrEnum):
    """The steps of a journey, in order."""

    CODE = "code"
    FACE = "face"
    PIN = "pin"
    CERTIFICATES = "certificates"
    CLOSED = "closed"

    @property
    def place(self) -> int:
        """Where the step stands, from 0."""
        return list(Step).index(self)


class CertificateEntry(Answer):
    """A certificate as the cabinet lists it. `serial` is lower-case hexadecimal."""

    serial: str
    profile: Literal["SIGN", "AUTH"]
    not_after: datetime
    revoked: bool = False


class JourneyTicket(Answer):
    """What one needs to go on with a journey: its id and the token that proves it is ours."""

    journey_id: str
    token: Secret
    mcb_registered: bool = True
    expires_at: datetime


class JourneyView(Answer):
    """Where a journey stands and whom it waits for."""

    journey_id: str
    step: Step
    waits_for: str | None = None
    waits_until: datetime | None = None
    outcome: str | None = None
    reason: str | None = None
    timeline: tuple[TimelineEntry, ...] = ()
    citizen_id: str | None = None
    guidance: tuple[str, ...] = ()
    tries_left: int | None = None
    certificates: tuple[CertificateEntry, ...] = ()


class Session(Answer):
    """A citizen who signed in with IIN and PIN."""

    token: Secret
    citizen_id: str
    expires_at: datetime


class RevocationRequest(Answer):
    """A request to revoke that a code has to confirm; the token is for that code alone."""

    request_id: str
    token: Secret
    expires_at: datetime


class CabinetPerson(Answer):
    """What was decided about one person of an application."""

    person: PlainName
    outcome: str | None = None
    document_sha256: str | None = None
    valid_until: date | None = None


class CabinetApplication(Answer):
    """An application as the cabinet lists it."""

    application_id: str
    status: str
    updated_at: datetime
    persons: tuple[CabinetPerson, ...] = ()


class Cabinet(Answer):
    """The citizen's personal cabinet."""

    citizen_id: str
    certificates: tuple[CertificateEntry, ...] = ()
    applications: tuple[CabinetApplication, ...] = ()


@dataclass(frozen=True)
class Identity:
    """Journeys, Digital IDs, sessions and the cabinet."""

    caller: Caller

    async def start(self, iin: str, phone: str, email: str | None = None) -> JourneyTicket:
        """Begin a journey."""
        body = {"iin": iin, "phone": phone} | ({"email": email} if email else {})
        return understood(JourneyTicket, await self.caller.send("POST", "/v1/journeys", json=body))

    async def renew(self, session: Session, phone: str, email: str | None, idempotency_key: str) -> JourneyTicket:
        """Begin a journey that renews the citizen's certificates, without a new face check."""
        body = {"phone": phone} | ({"email": email} if email else {})
        answer = await self.caller.send(
            "POST", "/v1/renewals", token=session.token, json=body, idempotency_key=idempotency_key
        )
        return understood(JourneyTicket, answer)

    async def journey(self, ticket: JourneyTicket) -> JourneyView:
        """See where a journey stands."""
        answer = await self.caller.send("GET", f"/v1/journeys/{ticket.journey_id}", token=ticket.token)
        return understood(JourneyView, answer)

    async def create_digital_id(self, ticket: JourneyTicket, pin: str) -> None:
        """Choose the PIN; the Digital ID exists from then on."""
        path = f"/v1/journeys/{ticket.journey_id}/digital-id"
        await self.caller.send("POST", path, token=ticket.token, json={"pin": pin})

    async def cancel(self, ticket: JourneyTicket) -> None:
        """Give a journey up."""
        await self.caller.send("POST", f"/v1/journeys/{ticket.journey_id}/cancel", token=ticket.token)

    async def sign_in(self, iin: str, pin: str) -> Session:
        """Open a session in the cabinet."""
        return understood(Session, await self.caller.send("POST", "/v1/sessions", json={"iin": iin, "pin": pin}))

    async def cabinet(self, session: Session) -> Cabinet:
        """See certificates and applications."""
        return understood(Cabinet, await self.caller.send("GET", "/v1/cabinet", token=session.token))

    async def request_revocation(self, session: Session, serial: str, reason: str) -> RevocationRequest:
        """Ask that a certificate be revoked; a code by SMS has to confirm it."""
        path = f"/v1/cabinet/certificates/{serial}/revocation"
        answer = await self.caller.send("POST", path, token=session.token, json={"reason": reason})
        return understood(RevocationRequest, answer)
