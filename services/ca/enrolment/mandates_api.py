"""HTTP: mandates to act for a legal entity, and their certificates."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Response, status
from pydantic import Base64Bytes, BaseModel, ConfigDict, StringConstraints

from libs.common.contracts.ca import EntityRole
from libs.common.core.values import JourneyId
from libs.common.web.idempotency import Idempotency, Once
from libs.common.web.tokens import Authenticator, Claims
from services.ca.enrolment.mandates import Confirmation, Mandates
from services.ca.enrolment.schemas import Accepted, EnrolmentOut, shown
from services.ca.model.entities import LegalEntity
from services.ca.model.ids import Serial


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid")


class MandateForm(_Form):
    """Who acts for whom, and by what that was confirmed; ``basis`` holds nothing personal."""

    person_serial: Serial
    entity_name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    entity_bin: Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")]
    role: EntityRole
    basis: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=200)]


class MandateOut(BaseModel):
    """A mandate was confirmed; its certificate has to be asked for until it lapses."""

    mandate_id: str
    lapses_at: datetime


class MandateRequestForm(_Form):
    """A certificate request (PKCS#10, PEM), and a signature over `libs.common.pki.renewal_statement.vouching_document`.

    The signature is detached CMS (DER, base64) by the citizen's own SIGN key.
    """

    csr: str
    signature: Base64Bytes


def mandate_routes(mandates: Mandates, auth: Authenticator, idempotency: Idempotency) -> APIRouter:
    """Make the routes by which clerks confirm and withdraw, and citizens get their certificates."""
    router = APIRouter(prefix="/v1/mandates", tags=["legal entities"])
    clerk, citizen = Depends(auth.staff("clerk")), Depends(auth.citizen())

    @router.post("", status_code=status.HTTP_201_CREATED, response_model=MandateOut)
    async def confirm(
        form: MandateForm, claims: Annotated[Claims, clerk], once: Annotated[Once, Depends(idempotency.once)]
    ) -> Response:
        async def take() -> MandateOut:
            entity = LegalEntity(name=form.entity_name, bin=form.entity_bin)
            said = Confirmation(form.person_serial, entity, form.role, form.basis, claims.sub)
            return MandateOut(mandate_id=once.id, lapses_at=await mandates.confirm(once.id, said))

        return await once(take)

    @router.post("/{mandate_id}/withdraw", status_code=status.HTTP_202_ACCEPTED)
    async def withdraw(mandate_id: JourneyId, claims: Annotated[Claims, clerk]) -> None:
        await mandates.withdraw(mandate_id, claims.sub)

    @router.post("/{mandate_id}/certificates", status_code=status.HTTP_202_ACCEPTED, response_model=Accepted)
    async def request(
        mandate_id: JourneyId,
        form: MandateRequestForm,
        claims: Annotated[Claims, citizen],
        once: Annotated[Once, Depends(idempotency.once)],
    ) -> Response:
        async def take() -> Accepted:
            await mandates.request(mandate_id, claims.sub, form.csr, form.signature)
            return Accepted()

        return await once(take, status.HTTP_202_ACCEPTED)

    @router.get("/{mandate_id}/certificates")
    async def show(mandate_id: JourneyId, claims: Annotated[Claims, citizen]) -> EnrolmentOut:
        return shown(*await mandates.certificates(mandate_id, claims.sub))

    return router
