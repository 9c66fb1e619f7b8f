"""HTTP for clerks: the queue of face checks that the numbers do not decide, and the cases in it."""

from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Response

from libs.common.contracts.http.biometrics import PictureLink, ReviewForm, ReviewResult, ReviewSummary
from libs.common.core.model import evolve
from libs.common.core.values import JourneyId
from libs.common.web.tokens import Authenticator, Claims
from services.biometrics.check.states import CheckInReview
from services.biometrics.media.kinds import HEAD_BYTES, kind_of
from services.biometrics.review.links import CaptureLink
from services.biometrics.review.schemas import ExaminedCase
from services.biometrics.review.service import Reviews

PAGE: Final = 50
LARGEST_PAGE: Final = 200


def review_routes(reviews: Reviews, auth: Authenticator) -> APIRouter:
    """Make the clerks' routes."""
    clerk = auth.staff("clerk")
    router = APIRouter(prefix="/v1/reviews", tags=["reviews"])

    @router.get("", dependencies=[Depends(clerk)])
    async def queue(
        response: Response,
        limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = PAGE,
        after: Annotated[str, Query(max_length=100, pattern=r"^[0-9TZ:.-]+,[0-9a-f-]+$")] | None = None,
    ) -> list[ReviewSummary]:
        """List the most urgent first. A header ``Link`` with ``rel="next"`` (RFC 8288) leads to the next page."""
        due_at, _, journey_id = (after or "").partition(",")
        found = await reviews.queue(limit, (due_at, journey_id) if after else None)
        if len(found) == limit:
            last = f"{found[-1][1].model_dump(mode='json', include={'due_at'})['due_at']},{found[-1][0]}"
            response.headers["Link"] = f'</v1/reviews?{urlencode({"limit": limit, "after": last})}>; rel="next"'
        return [_summary(each, state) for each, state in found]

    @router.get("/pictures/{link}", response_class=Response)
    async def picture(link: str, claims: Annotated[Claims, Depends(clerk)]) -> Response:
        """Show a capture. The address works for the clerk who opened the case alone; the view is put on record."""
        content = await reviews.picture(link, claims.sub)
        kind = kind_of(content[:HEAD_BYTES]) or "application/octet-stream"
        return Response(content, media_type=kind, headers={"Cache-Control": "no-store"})

    @router.get("/{journey_id}")
    async def case(journey_id: JourneyId, claims: Annotated[Claims, Depends(clerk)]) -> ExaminedCase:
        state, links = await reviews.case(journey_id, claims.sub)
        last = state.tries[-1]
        return evolve(
            _summary(journey_id, state),
            ExaminedCase,
            links=tuple(_picture(link, reviews.address(link)) for link in links.values()),
            distances=last.distances,
            bands=last.bands,
            examined=last.examined,
        )

    @router.post("/{journey_id}/decision")
    async def decide(
        journey_id: JourneyId, form: ReviewForm, claims: Annotated[Claims, Depends(clerk)]
    ) -> ReviewResult:
        ended = await reviews.decide(journey_id, matched=form.match, clerk=claims.sub, reason=form.reason)
        return ReviewResult(ended=ended)

    return router


def _summary(journey_id: str, state: CheckInReview) -> ReviewSummary:
    return ReviewSummary(
        journey_id=journey_id,
        due_at=state.due_at,
        tries_left=state.tries_left,
        model=state.model,
        pictures=tuple(state.captures),
        signals=state.tries[-1].signals,
        decisions=len(state.votes),
    )


def _picture(link: CaptureLink, text: str) -> PictureLink:
    return PictureLink(part=link.part, url=f"/v1/reviews/pictures/{text}", expires_at=link.until)
