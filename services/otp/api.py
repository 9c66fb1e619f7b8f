"""HTTP: the citizen types a code, or asks for another."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, status
from pydantic import BaseModel, ConfigDict, StringConstraints

from libs.common.core.values import JourneyId
from libs.common.web.tokens import Authenticator
from services.otp.service import OtpService
from services.otp.sms import DevelopmentInbox

Digits = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[0-9]{4,10}$")]


class CodeForm(BaseModel):
    """What the citizen typed."""

    model_config = ConfigDict(extra="forbid")

    code: Digits


class Verified(BaseModel):
    """The code was right."""

    verified: bool = True


class InboxMessage(BaseModel):
    """An SMS in the developers' inbox."""

    at: datetime
    text: str


def routes(service: OtpService, auth: Authenticator) -> APIRouter:
    """Make the citizens' routes."""
    own_journey = Depends(auth.journey_of("journey_id"))
    router = APIRouter(prefix="/v1/journeys/{journey_id}/code", dependencies=[own_journey], tags=["codes"])

    @router.post("")
    async def check(journey_id: JourneyId, form: CodeForm) -> Verified:
        await service.check(journey_id, form.code)
        return Verified()

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
