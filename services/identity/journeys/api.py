"""HTTP: citizens begin a journey, follow it, choose a PIN, give up."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Response, status

from libs.common.contracts.http.identity import (
    DigitalIdView,
    JourneyForm,
    JourneyTicket,
    JourneyView,
    PinForm,
    RenewalForm,
)
from libs.common.contracts.people import Contact
from libs.common.core.values import Clock, JourneyId
from libs.common.web.http import Wanted
from libs.common.web.idempotency import Idempotency, Once
from libs.common.web.tokens import Authenticator, Claims, TokenIssuer
from services.identity.journeys.service import JourneyService
from services.identity.journeys.states import JourneyState
from services.identity.journeys.wording import in_words
from services.identity.mcb.states import McbKnown


@dataclass(frozen=True, slots=True)
class Tickets:
    """Writes the tickets of journeys. A token is good for as long as its journey."""

    tokens: TokenIssuer
    clock: Clock

    def write(self, journey_id: str, state: JourneyState) -> JourneyTicket:
        """Return the ticket of a journey that has begun."""
        left = max(state.expires_at - self.clock(), timedelta(0))
        return JourneyTicket(
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

    @router.post("/journeys", status_code=status.HTTP_201_CREATED, response_model=JourneyTicket)
    async def start(form: JourneyForm, once: Annotated[Once, Depends(idempotency.once)]) -> Response:
        async def begin() -> JourneyTicket:
            contact = Contact(phone=form.phone, email=form.email)
            return tickets.write(once.id, await service.start(once.id, form.iin, contact))

        return await once(begin)

    @router.post("/renewals", status_code=status.HTTP_201_CREATED, response_model=JourneyTicket)
    async def renew(
        form: RenewalForm,
        claims: Annotated[Claims, Depends(auth.citizen())],
        once: Annotated[Once, Depends(idempotency.once)],
    ) -> Response:
        async def begin() -> JourneyTicket:
            contact = Contact(phone=form.phone, email=form.email)
            return tickets.write(once.id, await service.renew(once.id, claims.sub, contact))

        return await once(begin)

    return router


def journey_routes(service: JourneyService, auth: Authenticator, idempotency: Idempotency) -> APIRouter:
    """Make the routes of a journey that has begun."""
    own_journey = [Depends(auth.journey_of("journey_id"))]
    router = APIRouter(prefix="/v1/journeys/{journey_id}", tags=["journeys"], dependencies=own_journey)

    @router.get("")
    async def show(journey_id: JourneyId, language: Wanted) -> JourneyView:
        return in_words(await service.view(journey_id), language)

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
