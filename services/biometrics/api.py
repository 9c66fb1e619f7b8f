"""HTTP: captures of the citizen, and the clerks' queue."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Response, status
from pydantic import BaseModel, ConfigDict, StringConstraints

from libs.common.http import MB, raw_body
from libs.common.tokens import Authenticator, Claims
from libs.common.values import JourneyId
from services.biometrics.domain import Analysing, CheckState, Failed, InReview, Matched, Open
from services.biometrics.service import BiometricsService
from services.biometrics.verdicts import PARTS, Part

UPLOAD_LIMIT = 20 * MB


class CaptureOut(BaseModel):
    """Where a face check stands, and what is wanted now."""

    state: Literal["open", "analysing", "review", "matched", "failed", "closed"]
    challenge: list[str] = []
    nonce: str = ""
    expires_at: datetime | None = None
    tries_left: int | None = None
    received: dict[str, bool] = {}
    guidance: list[str] = []
    pending: bool = False


class Pending(BaseModel):
    """The capture was kept."""

    pending: Literal[True] = True


class ReviewOut(BaseModel):
    """A face check that waits for a clerk."""

    journey_id: str
    due_at: datetime
    tries_left: int
    model: str
    pictures: list[Part]


class ReviewForm(BaseModel):
    """A clerk's decision."""

    model_config = ConfigDict(extra="forbid")

    match: bool
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=500)]


def capture_routes(service: BiometricsService, auth: Authenticator) -> APIRouter:
    """Make the citizens' routes."""
    own_journey = Depends(auth.journey_of("journey_id"))
    router = APIRouter(prefix="/v1/journeys/{journey_id}/capture", dependencies=[own_journey], tags=["captures"])

    @router.get("")
    async def show(journey_id: JourneyId) -> CaptureOut:
        return _shown(await service.check(journey_id))

    @router.put("/{part}", status_code=status.HTTP_202_ACCEPTED)
    async def upload(
        journey_id: JourneyId,
        part: Part,
        x_capture_nonce: Annotated[str, Header(max_length=64)],
        content: Annotated[bytes, Depends(raw_body(UPLOAD_LIMIT, too_large="picture.too_large"))],
    ) -> Pending:
        await service.receive(journey_id, part, x_capture_nonce, content)
        return Pending()

    return router


def review_routes(service: BiometricsService, auth: Authenticator) -> APIRouter:
    """Make the clerks' routes."""
    clerk = auth.staff("clerk")
    router = APIRouter(prefix="/v1/reviews", tags=["reviews"])

    @router.get("", dependencies=[Depends(clerk)])
    async def queue() -> list[ReviewOut]:
        return [
            ReviewOut(
                journey_id=journey_id,
                due_at=state.due_at,
                tries_left=state.tries_left,
                model=state.model,
                pictures=list(state.captures),
            )
            for journey_id, state in await service.reviews()
        ]

    @router.get("/{journey_id}/pictures/{part}", response_class=Response)
    async def picture(journey_id: JourneyId, part: Part, claims: Annotated[Claims, Depends(clerk)]) -> Response:
        content = await service.picture(journey_id, part, claims.sub)
        return Response(content, media_type="application/octet-stream", headers={"Cache-Control": "no-store"})

    @router.post("/{journey_id}/decision")
    async def decide(journey_id: JourneyId, form: ReviewForm, claims: Annotated[Claims, Depends(clerk)]) -> None:
        await service.review(journey_id, matched=form.match, clerk=claims.sub, reason=form.reason)

    return router


def _shown(state: CheckState) -> CaptureOut:
    match state:
        case Open():
            return CaptureOut(
                state="open",
                challenge=list(state.challenge.actions),
                nonce=state.challenge.nonce,
                expires_at=state.expires_at,
                tries_left=state.tries_left,
                received=_received(state),
                guidance=list(state.guidance),
            )
        case Analysing():
            return CaptureOut(state="analysing", tries_left=state.tries_left, received=_received(state), pending=True)
        case InReview():
            return CaptureOut(
                state="review", tries_left=state.tries_left, received=_received(state), expires_at=state.due_at
            )
        case Matched():
            return CaptureOut(state="matched")
        case Failed():
            return CaptureOut(state="failed", tries_left=0)
        case _:
            return CaptureOut(state="closed")


def _received(state: Open | Analysing | InReview) -> dict[str, bool]:
    return {part.replace("-", "_"): part in state.captures for part in PARTS}
