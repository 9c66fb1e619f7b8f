"""HTTP for clerks: the queue of face checks that the numbers do not decide, and the cases in it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, StringConstraints

from libs.common.core.values import JourneyId
from libs.common.web.tokens import Authenticator, Claims
from services.biometrics.media.kinds import HEAD_BYTES, kind_of
from services.biometrics.records import Examined
from services.biometrics.review.service import Link, Reviews
from services.biometrics.states import InReview
from services.biometrics.verdicts import Band, Part

PAGE: Final = 50
LARGEST_PAGE: Final = 200


class ReviewOut(BaseModel):
    """A face check that waits for a clerk. ``decisions``: how many clerks have said what they think."""

    journey_id: str
    due_at: datetime
    tries_left: int
    model: str
    pictures: list[Part]
    signals: list[str] = []
    decisions: int = 0


class PictureOut(BaseModel):
    """Where a capture is shown, to the clerk who opened the case, until then."""

    part: Part
    url: str
    expires_at: datetime


class CaseOut(ReviewOut):
    """A case, opened: the pictures, and what was measured of them."""

    links: list[PictureOut]
    distances: Mapping[str, float] = {}
    bands: Mapping[str, Band] = {}
    examined: Mapping[str, Examined] = {}


class ReviewForm(BaseModel):
    """A clerk's decision."""

    model_config = ConfigDict(extra="forbid")

    match: bool
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=500)]


class DecisionOut(BaseModel):
    """What became of a decision. Not ``ended``: another clerk is to decide as well."""

    ended: bool


def review_routes(reviews: Reviews, auth: Authenticator) -> APIRouter:
    """Make the clerks' routes."""
    clerk = auth.staff("clerk")
    router = APIRouter(prefix="/v1/reviews", tags=["reviews"])

    @router.get("", dependencies=[Depends(clerk)])
    async def queue(
        response: Response,
        limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = PAGE,
        after: Annotated[str, Query(max_length=100, pattern=r"^[0-9TZ:.-]+,[0-9a-f-]+$")] | None = None,
    ) -> list[ReviewOut]:
        """Give the most urgent first. A header ``Link`` with ``rel="next"`` (RFC 8288) leads to the next page."""
        due_at, _, journey_id = (after or "").partition(",")
        found = await reviews.queue(limit, (due_at, journey_id) if after else None)
        shown = [ReviewOut(**_summary(each, state)) for each, state in found]
        if len(found) == limit:
            last = f"{found[-1][1].model_dump(mode='json', include={'due_at'})['due_at']},{found[-1][0]}"
            response.headers["Link"] = f'</v1/reviews?{urlencode({"limit": limit, "after": last})}>; rel="next"'
        return shown

    @router.get("/pictures/{link}", response_class=Response)
    async def picture(link: str, claims: Annotated[Claims, Depends(clerk)]) -> Response:
        """Show a capture. The address works for the clerk who opened the case alone; the look is put on record."""
        content = await reviews.picture(link, claims.sub)
        kind = kind_of(content[:HEAD_BYTES]) or "application/octet-stream"
        return Response(content, media_type=kind, headers={"Cache-Control": "no-store"})

    @router.get("/{journey_id}")
    async def case(journey_id: JourneyId, claims: Annotated[Claims, Depends(clerk)]) -> CaseOut:
        state, links = await reviews.case(journey_id, claims.sub)
        last = state.tries[-1]
        return CaseOut(
            **_summary(journey_id, state),
            links=[_picture(link, reviews.address(link)) for link in links.values()],
            distances=last.distances,
            bands=last.bands,
            examined=last.examined,
        )

    @router.post("/{journey_id}/decision")
    async def decide(journey_id: JourneyId, form: ReviewForm, claims: Annotated[Claims, Depends(clerk)]) -> DecisionOut:
        ended = await reviews.decide(journey_id, matched=form.match, clerk=claims.sub, reason=form.reason)
        return DecisionOut(ended=ended)

    return router


def _summary(journey_id: str, state: InReview) -> dict[str, object]:
    return {
        "journey_id": journey_id,
        "due_at": state.due_at,
        "tries_left": state.tries_left,
        "model": state.model,
        "pictures": list(state.captures),
        "signals": list(state.tries[-1].signals),
        "decisions": len(state.votes),
    }


def _picture(link: Link, text: str) -> PictureOut:
    return PictureOut(part=link.part, url=f"/v1/reviews/pictures/{text}", expires_at=link.until)
