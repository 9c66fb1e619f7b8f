"""HTTP for officers of local executive bodies."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response, status

from libs.common.contracts.http.kandas import DecisionAccepted, DecisionForm, OfficerItem, OfficerView, ReturnForm
from libs.common.contracts.kandas import DocumentKind
from libs.common.core.errors import Refused
from libs.common.core.values import ApplicationId
from libs.common.web.http import Wanted
from libs.common.web.idempotency import Idempotency, Once
from libs.common.web.problems import language_headers
from libs.common.web.tokens import Authenticator, Claims
from services.kandas.office.domain import OfficerDecision
from services.kandas.office.schemas import item, officer_view
from services.kandas.office.service import OfficerService
from services.kandas.refusals import KandasRefusal


def officer_routes(office: OfficerService, auth: Authenticator, idempotency: Idempotency) -> APIRouter:
    """Make the officers' routes."""
    officer = Annotated[Claims, Depends(auth.staff("officer"))]
    router = APIRouter(prefix="/v1/officer/applications", tags=["officers"])

    @router.get("")
    async def listed(
        claims: officer,
        language: Wanted,
        response: Response,
        status: Annotated[Literal["submitted", "checked", "returned", "decided"], Query()] = "checked",
    ) -> list[OfficerItem]:
        response.headers.update(language_headers(language))
        return [item(state, language) for state in await office.applications(_region(claims), status)]

    @router.get("/{application_id}")
    async def read(claims: officer, application_id: ApplicationId, language: Wanted, response: Response) -> OfficerView:
        response.headers.update(language_headers(language))
        return officer_view(await office.application(_region(claims), application_id), language)

    @router.get("/{application_id}/attachments/{person}/{kind}")
    async def attachment(claims: officer, application_id: ApplicationId, person: str, kind: DocumentKind) -> Response:
        described, data = await office.attachment(_region(claims), application_id, person, kind)
        return Response(data, media_type=described.media, headers={"Content-Disposition": "attachment"})

    @router.post("/{application_id}/decisions", status_code=status.HTTP_202_ACCEPTED, response_model=DecisionAccepted)
    async def decide(
        claims: officer,
        application_id: ApplicationId,
        form: DecisionForm,
        once: Annotated[Once, Depends(idempotency.once)],
    ) -> Response:
        async def decided() -> DecisionAccepted:
            decision = OfficerDecision(form.person, form.outcome, form.reasons, claims.sub)
            await office.decide(_region(claims), application_id, decision)
            return DecisionAccepted()

        return await once(decided, status.HTTP_202_ACCEPTED)

    @router.post("/{application_id}/return", status_code=status.HTTP_202_ACCEPTED)
    async def send_back(claims: officer, application_id: ApplicationId, form: ReturnForm) -> DecisionAccepted:
        documents = [(place.person, place.kind) for place in form.documents]
        await office.send_back(_region(claims), application_id, documents)
        return DecisionAccepted()

    return router


def _region(claims: Claims) -> str:
    if claims.region is None:
        raise Refused(KandasRefusal.TOKEN_NO_REGION)
    return claims.region
