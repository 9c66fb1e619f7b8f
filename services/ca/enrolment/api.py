"""HTTP: a citizen's requests in, certificates out."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response, status
from pydantic import Base64Bytes, BaseModel, ConfigDict

from libs.common.core.values import JourneyId
from libs.common.web.idempotency import Idempotency, Once
from libs.common.web.tokens import Authenticator
from services.ca.enrolment.csr_intake import CsrIntake
from services.ca.enrolment.schemas import Accepted, EnrolmentOut, shown
from services.ca.enrolment.service import EnrolmentService


class RequestForm(BaseModel):
    """Two certificate requests (PKCS#10, PEM), for a key each.

    ``signature`` comes with a renewal: detached CMS (DER, base64) by the present SIGN key, over the text of
    `libs.common.pki.renewal_statement.renewal_statement`.
    """

    model_config = ConfigDict(extra="forbid")

    sign_csr: str
    auth_csr: str
    signature: Base64Bytes | None = None


def journey_routes(
    service: EnrolmentService, intake: CsrIntake, auth: Authenticator, idempotency: Idempotency
) -> APIRouter:
    """Make the routes of a citizen's journey."""
    own_journey = Depends(auth.journey_of("journey_id"))
    router = APIRouter(
        prefix="/v1/journeys/{journey_id}/certificates", dependencies=[own_journey], tags=["certificates"]
    )

    @router.post("", status_code=status.HTTP_202_ACCEPTED, response_model=Accepted)
    async def request(
        journey_id: JourneyId, form: RequestForm, once: Annotated[Once, Depends(idempotency.once)]
    ) -> Response:
        async def take() -> Accepted:
            await intake.take(journey_id, {"SIGN": form.sign_csr, "AUTH": form.auth_csr}, form.signature)
            return Accepted()

        return await once(take, status.HTTP_202_ACCEPTED)

    @router.get("")
    async def show(journey_id: JourneyId) -> EnrolmentOut:
        return shown(*await service.certificates(journey_id))

    return router
