"""HTTP for citizens, and for anybody who verifies a document."""

from datetime import date, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Response, status
from pydantic import BaseModel, ConfigDict

from libs.common.contracts.kandas import Service
from libs.common.core.values import ApplicationId
from libs.common.web.http import raw_body
from libs.common.web.idempotency import Idempotency, Once
from libs.common.web.tokens import Authenticator, Claims
from services.kandas.attachments import MAX_BYTES
from services.kandas.domain import Order
from services.kandas.people import ApplicantForm, MemberForm
from services.kandas.rules import DocumentKind, RefusalReason
from services.kandas.service import KandasService
from services.kandas.states import Held, Outcome
from services.kandas.views import ApplicationView, view

_MAX_CMS_BYTES: Final = 64 * 1024


class ApplicationForm(BaseModel):
    """What a citizen applies for, and for whom."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    service: Service
    region: str
    applicant: ApplicantForm
    family: tuple[MemberForm, ...] = ()


class PersonEntry(BaseModel):
    """A person of the application, by the id within it."""

    person: str
    role: str


class DocumentNeeded(BaseModel):
    """A document that is still to be attached."""

    person: str
    kind: DocumentKind


class Created(BaseModel):
    """A draft, and what it lacks."""

    application_id: str
    persons: list[PersonEntry]
    documents_needed: list[DocumentNeeded]


class Submission(BaseModel):
    """What became of a signature."""

    status: str


class Verification(BaseModel):
    """What a document's number stands for. The hash is of the sealed file; nothing personal is told."""

    application_id: str
    person: str
    outcome: Outcome
    reasons: list[RefusalReason]
    region: str
    decided_at: datetime
    valid_until: date | None
    rules: str
    document_sha256: str


def applying_routes(service: KandasService, auth: Authenticator, idempotency: Idempotency) -> APIRouter:
    """Make the routes by which a citizen applies: open, attach, read, sign."""
    citizen = Annotated[Claims, Depends(auth.citizen())]
    router = APIRouter(prefix="/v1/applications", tags=["applications"])

    @router.post("", status_code=status.HTTP_201_CREATED, response_model=Created)
    async def apply(
        claims: citizen, form: ApplicationForm, once: Annotated[Once, Depends(idempotency.once)]
    ) -> Response:
        order = Order(claims.sub, form.service, form.region, form.applicant, form.family)

        async def opened() -> Created:
            return _created(await service.open(once.id, order))

        return await once(opened)

    @router.put("/{application_id}/attachments/{person}/{kind}", status_code=status.HTTP_204_NO_CONTENT)
    async def attach(
        claims: citizen,
        application_id: ApplicationId,
        person: str,
        kind: DocumentKind,
        data: Annotated[bytes, Depends(raw_body(MAX_BYTES, too_large="attachment.too_large"))],
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
            Depends(raw_body(_MAX_CMS_BYTES, "application/pkcs7-signature", too_large="signature.too_large")),
        ],
    ) -> Submission:
        return Submission(status=(await service.sign(claims.sub, application_id, cms)).status)

    return router


def following_routes(service: KandasService, auth: Authenticator) -> APIRouter:
    """Make the routes by which a citizen follows an application and fetches what was decided."""
    citizen = Annotated[Claims, Depends(auth.citizen())]
    router = APIRouter(prefix="/v1/applications", tags=["applications"])

    @router.get("/{application_id}")
    async def follow(claims: citizen, application_id: ApplicationId) -> ApplicationView:
        return view(await service.follow(claims.sub, application_id))

    @router.get("/{application_id}/persons/{person}/document.pdf")
    async def sealed(claims: citizen, application_id: ApplicationId, person: str) -> Response:
        pdf = await service.sealed_document(claims.sub, application_id, person)
        headers = {"Content-Disposition": f'attachment; filename="kandas-{application_id}-{person}.pdf"'}
        return Response(pdf, media_type="application/pdf", headers=headers)

    return router


def public_routes(service: KandasService) -> APIRouter:
    """Make the route that a document's QR code points to."""
    router = APIRouter(prefix="/v1/documents", tags=["verification"])

    @router.get("/{application_id}/{person}")
    async def verify(application_id: ApplicationId, person: str) -> Verification:
        application, decision = await service.verify(application_id, person)
        return Verification(
            application_id=application.id,
            region=application.region,
            **decision.model_dump(
                include={"person", "outcome", "reasons", "decided_at", "valid_until", "rules", "document_sha256"}
            ),
        )

    return router


def _created(application: Held) -> Created:
    return Created(
        application_id=application.id,
        persons=[PersonEntry(person=person.id, role=person.role) for person in application.persons],
        documents_needed=[DocumentNeeded(person=person, kind=kind) for person, kind in application.missing()],
    )
