"""HTTP for sealed documents: the citizen fetches them, anybody verifies them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from libs.common.contracts.http.kandas import DocumentVerification
from libs.common.core.values import ApplicationId
from libs.common.web.http import Wanted
from libs.common.web.problems import language_headers
from libs.common.web.tokens import Authenticator, Claims
from services.kandas.documents.schemas import verification
from services.kandas.documents.service import SealedDocuments


def document_routes(documents: SealedDocuments, auth: Authenticator) -> APIRouter:
    """Make the route by which a citizen fetches what was decided, and the one that a document's QR code points to."""
    citizen = Annotated[Claims, Depends(auth.citizen())]
    router = APIRouter(prefix="/v1")

    @router.get("/applications/{application_id}/persons/{person}/document.pdf", tags=["applications"])
    async def sealed(claims: citizen, application_id: ApplicationId, person: str) -> Response:
        pdf = await documents.fetch(claims.sub, application_id, person)
        headers = {"Content-Disposition": f'attachment; filename="kandas-{application_id}-{person}.pdf"'}
        return Response(pdf, media_type="application/pdf", headers=headers)

    @router.get("/documents/{application_id}/{person}", tags=["verification"])
    async def verify(
        application_id: ApplicationId, person: str, language: Wanted, response: Response
    ) -> DocumentVerification:
        response.headers.update(language_headers(language))
        return verification(*await documents.verify(application_id, person), language)

    return router
