"""HTTP: a citizen's requests in, certificates out."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response, status

from libs.common.contracts.http.ca import CertificateRequestForm, CertificatesPending, CertificatesView
from libs.common.core.values import JourneyId
from libs.common.web.idempotency import Idempotency, Once
from libs.common.web.tokens import Authenticator
from services.ca.enrolment.csr_intake import CsrIntake
from services.ca.enrolment.schemas import certificates_view
from services.ca.enrolment.service import EnrolmentService


def journey_routes(
    service: EnrolmentService, intake: CsrIntake, auth: Authenticator, idempotency: Idempotency
) -> APIRouter:
    """Make the routes of a citizen's journey."""
    own_journey = Depends(auth.journey_of("journey_id"))
    router = APIRouter(
        prefix="/v1/journeys/{journey_id}/certificates", dependencies=[own_journey], tags=["certificates"]
    )

    @router.post("", status_code=status.HTTP_202_ACCEPTED, response_model=CertificatesPending)
    async def request(
        journey_id: JourneyId, form: CertificateRequestForm, once: Annotated[Once, Depends(idempotency.once)]
    ) -> Response:
        async def take() -> CertificatesPending:
            await intake.take(journey_id, {"SIGN": form.sign_csr, "AUTH": form.auth_csr}, form.signature)
            return CertificatesPending()

        return await once(take, status.HTTP_202_ACCEPTED)

    @router.get("")
    async def show(journey_id: JourneyId) -> CertificatesView:
        return certificates_view(*await service.certificates(journey_id))

    return router
