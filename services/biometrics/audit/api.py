"""HTTP for auditors: how every face check was judged, and who decided and saw pictures."""

from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Response

from libs.common.core.values import JourneyId
from libs.common.web.tokens import Authenticator, Claims
from services.biometrics.audit.schemas import AuditRecord
from services.biometrics.audit.service import Audit

PAGE: Final = 50
LARGEST_PAGE: Final = 200
PATH: Final = "/v1/audit/face-checks"


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
    ) -> list[AuditRecord]:
        """List records in the order of their journeys. A header ``Link`` with ``rel="next"`` leads to the next page."""
        records, last = await audit.page(claims.sub, limit, after or "")
        if last is not None:
            response.headers["Link"] = f'<{PATH}?{urlencode({"limit": limit, "after": last})}>; rel="next"'
        return [AuditRecord.of(key, kind, kept) for key, kind, kept in records]

    @router.get("/{journey_id}")
    async def record(journey_id: JourneyId, claims: auditor) -> AuditRecord:
        return AuditRecord.of(*await audit.record(claims.sub, journey_id))

    return router
