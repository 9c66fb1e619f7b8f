"""HTTP for auditors: how every face check was judged, and who decided and looked. Nothing personal is in it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final, Self
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel

from libs.common.core.values import JourneyId
from libs.common.web.tokens import Authenticator, Claims
from services.biometrics.audit.service import Audit
from services.biometrics.records import Look, Review, Try
from services.biometrics.states import Audited

PAGE: Final = 50
LARGEST_PAGE: Final = 200
PATH: Final = "/v1/audit/face-checks"


class DecisionOut(BaseModel):
    """What a clerk decided. The reason in words may speak of anybody: it stays sealed."""

    clerk: str
    matched: bool
    at: datetime

    @classmethod
    def of(cls, review: Review) -> Self:
        """Leave the remark out."""
        return cls(clerk=review.clerk, matched=review.matched, at=review.at)


class RecordOut(BaseModel):
    """The record of one face check. ``state`` is where it stands, ``tries`` the latest of them."""

    journey_id: str
    state: str
    tries: Sequence[Try]
    decisions: Sequence[DecisionOut]
    looks: Sequence[Look]

    @classmethod
    def of(cls, journey_id: str, state: str, kept: Audited) -> Self:
        """Take what is for auditors, and nothing else of the state."""
        decisions = [DecisionOut.of(each) for each in kept.reviews]
        return cls(journey_id=journey_id, state=state, tries=kept.tries, decisions=decisions, looks=kept.looks)


def audit_routes(audit: Audit, auth: Authenticator) -> APIRouter:
    """Make the auditors' routes."""
    auditor = Annotated[Claims, Depends(auth.staff("auditor"))]
    router = APIRouter(prefix=PATH, tags=["audit"])

    @router.get("")
    async def page(
        response: Response,
        claims: auditor,
        limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = PAGE,
        after: Annotated[JourneyId | None, Query()] = None,
    ) -> list[RecordOut]:
        """Give records in the order of their journeys. A header ``Link`` with ``rel="next"`` leads to the next page."""
        records, last = await audit.page(claims.sub, limit, after or "")
        if last is not None:
            response.headers["Link"] = f'<{PATH}?{urlencode({"limit": limit, "after": last})}>; rel="next"'
        return [RecordOut.of(key, kind, kept) for key, kind, kept in records]

    @router.get("/{journey_id}")
    async def record(journey_id: JourneyId, claims: auditor) -> RecordOut:
        return RecordOut.of(*await audit.record(claims.sub, journey_id))

    return router
