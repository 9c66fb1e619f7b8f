"""HTTP for citizens: apply, attach, sign, follow."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Response, status

from libs.common.contracts.http.kandas import (
    ApplicationCreated,
    ApplicationForm,
    KandasApplicationView,
    SubmissionStatus,
)
from libs.common.contracts.kandas import DocumentKind
from libs.common.core.values import ApplicationId
from libs.common.pki.cms_refusals import SignatureRefusal
from libs.common.web.bodies import binary, raw_body
from libs.common.web.http import Wanted
from libs.common.web.idempotency import Idempotency, Once
from libs.common.web.problems import language_headers
from libs.common.web.tokens import Authenticator, Claims
from services.kandas.application.attachments import MAX_BYTES
from services.kandas.application.domain import ApplicationRequest
from services.kandas.application.schemas import created, view
from services.kandas.application.service import ApplicationService
from services.kandas.refusals import KandasRefusal

_MAX_CMS_BYTES: Final = 64 * 1024


def application_routes(service: ApplicationService, auth: Authenticator, idempotency: Idempotency) -> APIRouter:
    """Make the routes by which a citizen applies and follows an application."""
    citizen = Annotated[Claims, Depends(auth.citizen())]
    router = APIRouter(prefix="/v1/applications", tags=["applications"])

    @router.post("", status_code=status.HTTP_201_CREATED, response_model=ApplicationCreated)
    async def apply(
        claims: citizen, form: ApplicationForm, language: Wanted, once: Annotated[Once, Depends(idempotency.once)]
    ) -> Response:
        async def opened() -> ApplicationCreated:
            return created(await service.open(once.id, ApplicationRequest.of(claims.sub, form)), language)

        return await once(opened)

    @router.get("/{application_id}")
    async def follow(
        claims: citizen, application_id: ApplicationId, language: Wanted, response: Response
    ) -> KandasApplicationView:
        response.headers.update(language_headers(language))
        return view(await service.follow(claims.sub, application_id), language)

    @router.put(
        "/{application_id}/attachments/{person}/{kind}",
        status_code=status.HTTP_204_NO_CONTENT,
        openapi_extra=binary("application/pdf", "image/jpeg"),
    )
    async def attach(
        claims: citizen,
        application_id: ApplicationId,
        person: str,
        kind: DocumentKind,
        data: Annotated[bytes, Depends(raw_body(MAX_BYTES, too_large=KandasRefusal.ATTACHMENT_TOO_LARGE))],
    ) -> None:
        await service.attach(claims.sub, application_id, person, kind, data)

    @router.get("/{application_id}/document")
    async def document(claims: citizen, application_id: ApplicationId) -> Response:
        return Response(await service.document(claims.sub, application_id), media_type="application/json")

    @router.post("/{application_id}/signature", status_code=status.HTTP_202_ACCEPTED)
    async def sign(
        claims: citizen,
        application_id: ApplicationId,
        cms: Annotated[
            bytes,
            Depends(raw_body(_MAX_CMS_BYTES, "application/pkcs7-signature", too_large=SignatureRefusal.TOO_LARGE)),
        ],
    ) -> SubmissionStatus:
        return SubmissionStatus(status=(await service.sign(claims.sub, application_id, cms)).status)

    return router
