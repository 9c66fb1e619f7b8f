"""HTTP: the citizen types a code, or asks for another."""

from fastapi import APIRouter, Depends, status

from libs.common.contracts.http.otp import CodeAccepted, CodeForm, InboxMessage
from libs.common.core.values import JourneyId
from libs.common.web.tokens import Authenticator
from services.otp.service import OtpService
from services.otp.sms import DevelopmentInbox


def code_routes(service: OtpService, auth: Authenticator) -> APIRouter:
    """Make the citizens' routes."""
    own_journey = Depends(auth.journey_of("journey_id"))
    router = APIRouter(prefix="/v1/journeys/{journey_id}/code", dependencies=[own_journey], tags=["codes"])

    @router.post("")
    async def check(journey_id: JourneyId, form: CodeForm) -> CodeAccepted:
        await service.check(journey_id, form.code)
        return CodeAccepted()

    @router.post("/resend", status_code=status.HTTP_202_ACCEPTED)
    async def resend(journey_id: JourneyId) -> None:
        await service.resend(journey_id)

    return router


def inbox_routes(inbox: DevelopmentInbox) -> APIRouter:
    """Make the route by which developers read SMS. Never part of a production application."""
    router = APIRouter(prefix="/dev", tags=["development"])

    @router.get("/inbox")
    async def read(journey_id: JourneyId) -> list[InboxMessage]:
        return [InboxMessage(at=message.at, text=message.text) for message in await inbox.read(journey_id)]

    return router
