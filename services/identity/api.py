"""HTTP: citizens begin a journey, follow it, choose a PIN, sign in, and look into their cabinet."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Response, status
from pydantic import BaseModel, ConfigDict, StringConstraints

from libs.common.contracts.people import Contact
from libs.common.core.values import Clock, Iin, JourneyId, PhoneNumber
from libs.common.web.idempotency import Idempotency, Once
from libs.common.web.tokens import Authenticator, Claims, TokenIssuer
from services.identity.accounts import Accounts
from services.identity.citizens import PersonOutcome
from services.identity.pins import Pin
from services.identity.progress import CertificateView, JourneyView, certificate_views
from services.identity.revocations import Revocations
from services.identity.service import JourneyService
from services.identity.states import JourneyState, McbKnown

Email = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=254, pattern=r"^[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+$")
]

Serial = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{2,40}$")]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid")


class StartForm(_Form):
    """Who sets out, and where codes go."""

    iin: Iin
    phone: PhoneNumber
    email: Email | None = None


class RenewalForm(_Form):
    """Where the code for a renewal goes: a phone that is registered as the citizen's."""

    phone: PhoneNumber
    email: Email | None = None


class PinForm(_Form):
    """The PIN that the citizen chose."""

    pin: Pin


class SignInForm(_Form):
    """Who wants in."""

    iin: Iin
    pin: Pin


class Started(BaseModel):
    """A journey has begun; the token is what its browser shows from now on."""

    journey_id: str
    token: str
    mcb_registered: bool
    expires_at: datetime


class DigitalIdView(BaseModel):
    """Whose Digital ID it is."""

    citizen_id: str


class SessionView(BaseModel):
    """A session in the cabinet."""

    token: str
    citizen_id: str
    expires_at: datetime


class RevocationForm(_Form):
    """Why a certificate is to be revoked (RFC 5280, 5.3.1)."""

    reason: Literal["unspecified", "keyCompromise", "affiliationChanged", "superseded", "cessationOfOperation"] = (
        "unspecified"
    )


class ConfirmationView(BaseModel):
    """How to confirm a request: post the code from the SMS to otp, with the request in the journey's place."""

    request_id: str
    token: str
    expires_at: datetime


class ApplicationView(BaseModel):
    """A kandas application as the cabinet lists it."""

    application_id: str
    status: str
    updated_at: datetime
    persons: tuple[PersonOutcome, ...]


class CabinetView(BaseModel):
    """The personal cabinet."""

    citizen_id: str
    certificates: tuple[CertificateView, ...]
    applications: tuple[ApplicationView, ...]


@dataclass(frozen=True, slots=True)
class Tickets:
    """Gives a journey's browser its token, good for as long as the journey."""

    tokens: TokenIssuer
    clock: Clock

    def write(self, journey_id: str, state: JourneyState) -> Started:
        """Tell that a journey has begun."""
        left = max(state.expires_at - self.clock(), timedelta(0))
        return Started(
            journey_id=journey_id,
            token=self.tokens.journey(journey_id, left),
            mcb_registered=isinstance(state.mcb, McbKnown),
            expires_at=state.expires_at,
        )


def beginning_routes(
    service: JourneyService, auth: Authenticator, idempotency: Idempotency, tickets: Tickets
) -> APIRouter:
    """Make the routes by which journeys begin: the first one, and renewals."""
    router = APIRouter(prefix="/v1", tags=["journeys"])

    @router.post("/journeys", status_code=status.HTTP_201_CREATED, response_model=Started)
    async def start(form: StartForm, once: Annotated[Once, Depends(idempotency.once)]) -> Response:
        async def begin() -> Started:
            contact = Contact(phone=form.phone, email=form.email)
            return tickets.write(once.id, await service.start(once.id, form.iin, contact))

        return await once(begin)

    @router.post("/renewals", status_code=status.HTTP_201_CREATED, response_model=Started)
    async def renew(
        form: RenewalForm,
        claims: Annotated[Claims, Depends(auth.citizen())],
        once: Annotated[Once, Depends(idempotency.once)],
    ) -> Response:
        async def begin() -> Started:
            contact = Contact(phone=form.phone, email=form.email)
            return tickets.write(once.id, await service.renew(once.id, claims.sub, contact))

        return await once(begin)

    return router


def journey_routes(service: JourneyService, auth: Authenticator, idempotency: Idempotency) -> APIRouter:
    """Make the routes of a journey that has begun."""
    own_journey = [Depends(auth.journey_of("journey_id"))]
    router = APIRouter(prefix="/v1/journeys/{journey_id}", tags=["journeys"], dependencies=own_journey)

    @router.get("")
    async def show(journey_id: JourneyId) -> JourneyView:
        return await service.view(journey_id)

    @router.post("/digital-id", status_code=status.HTTP_201_CREATED, response_model=DigitalIdView)
    async def create_digital_id(
        journey_id: JourneyId, form: PinForm, once: Annotated[Once, Depends(idempotency.once)]
    ) -> Response:
        async def create() -> DigitalIdView:
            return DigitalIdView(citizen_id=await service.create_digital_id(journey_id, form.pin))

        return await once(create)

    @router.post("/cancel", status_code=status.HTTP_202_ACCEPTED)
    async def cancel(journey_id: JourneyId) -> None:
        await service.cancel(journey_id)

    return router


def account_routes(accounts: Accounts, auth: Authenticator) -> APIRouter:
    """Make the routes of a citizen's account.

    Signing in takes no Idempotency-Key: each try counts, and a remembered answer would be a password of its own.
    """
    signed_in = Depends(auth.citizen())
    router = APIRouter(prefix="/v1", tags=["accounts"])

    @router.post("/sessions", status_code=status.HTTP_201_CREATED)
    async def sign_in(form: SignInForm) -> SessionView:
        session = await accounts.sign_in(form.iin, form.pin)
        return SessionView(token=session.token, citizen_id=session.citizen_id, expires_at=session.expires_at)

    @router.get("/cabinet")
    async def cabinet(claims: Annotated[Claims, signed_in]) -> CabinetView:
        citizen = await accounts.cabinet(claims.sub)
        return CabinetView(
            citizen_id=claims.sub,
            certificates=certificate_views(citizen.certificates, citizen.revoked, citizen.expiring),
            applications=tuple(
                ApplicationView(
                    application_id=each.application_id,
                    status=each.status,
                    updated_at=each.updated_at,
                    persons=each.outcomes,
                )
                for each in citizen.applications
            ),
        )

    return router


def revocation_routes(revocations: Revocations, auth: Authenticator, idempotency: Idempotency) -> APIRouter:
    """Make the route by which a citizen who lost the keys has a certificate revoked."""
    router = APIRouter(prefix="/v1/cabinet/certificates", tags=["accounts"])

    @router.post("/{serial}/revocation", status_code=status.HTTP_201_CREATED, response_model=ConfirmationView)
    async def revoke(
        serial: Serial,
        form: RevocationForm,
        claims: Annotated[Claims, Depends(auth.citizen())],
        once: Annotated[Once, Depends(idempotency.once)],
    ) -> Response:
        async def request() -> ConfirmationView:
            asked = await revocations.request(once.id, claims.sub, serial, form.reason)
            return ConfirmationView(request_id=asked.request_id, token=asked.token, expires_at=asked.expires_at)

        return await once(request)

    return router


def key_routes(jwks: dict[str, Any]) -> APIRouter:
    """Make the route by which everybody learns the public keys of our tokens (RFC 7517)."""
    router = APIRouter(prefix="/v1/.well-known", tags=["keys"])

    @router.get("/jwks.json")
    async def keys() -> dict[str, Any]:
        return jwks

    return router
