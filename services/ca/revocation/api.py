"""HTTP: how certificates are revoked. See `services.ca.revocation.service` for who may."""

from typing import Annotated

from fastapi import APIRouter, Depends, status
from pydantic import BaseModel, ConfigDict

from libs.common.web.tokens import Authenticator, Claims
from services.ca.model.certificate import Reason
from services.ca.model.ids import Serial
from services.ca.revocation.service import Revocations
from services.ca.verification.api import Octets


class RevocationForm(BaseModel):
    """Why a certificate is to be revoked."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason = "unspecified"


class SignedForm(BaseModel):
    """A holder's request (JSON, see `services.ca.revocation.service.Order`) and its detached CMS, both in base64."""

    model_config = ConfigDict(extra="forbid")

    request: Octets
    cms: Octets


def revocation_routes(revocations: Revocations, auth: Authenticator) -> APIRouter:
    """Make the routes by which clerks revoke, and holders by a signature.

    Neither needs an Idempotency-Key: revoking twice is revoking once.
    """
    router = APIRouter(prefix="/v1", tags=["revocation"])

    @router.post("/certificates/{serial}/revoke", status_code=status.HTTP_202_ACCEPTED)
    async def revoke(
        serial: Serial, form: RevocationForm, claims: Annotated[Claims, Depends(auth.staff("clerk"))]
    ) -> None:
        await revocations.by_clerk(serial, form.reason, claims.sub)

    @router.post("/revocations", status_code=status.HTTP_202_ACCEPTED)
    async def revoke_signed(form: SignedForm) -> None:
        await revocations.by_signature(form.request, form.cms)

    return router
