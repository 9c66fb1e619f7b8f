"""HTTP: how certificates are revoked. See `services.ca.revocation.service` for who may."""

from typing import Annotated

from fastapi import APIRouter, Depends, status

from libs.common.contracts.http.ca import ClerksRevocationForm, SignedRevocationForm
from libs.common.web.tokens import Authenticator, Claims
from services.ca.model.ids import Serial
from services.ca.revocation.service import Revocations


def revocation_routes(revocations: Revocations, auth: Authenticator) -> APIRouter:
    """Make the routes by which clerks revoke, and holders by a signature.

    Neither needs an Idempotency-Key: revoking twice is revoking once.
    """
    router = APIRouter(prefix="/v1", tags=["revocation"])

    @router.post("/certificates/{serial}/revoke", status_code=status.HTTP_202_ACCEPTED)
    async def revoke(
        serial: Serial, form: ClerksRevocationForm, claims: Annotated[Claims, Depends(auth.staff("clerk"))]
    ) -> None:
        await revocations.by_clerk(serial, form.reason, claims.sub)

    @router.post("/revocations", status_code=status.HTTP_202_ACCEPTED)
    async def revoke_signed(form: SignedRevocationForm) -> None:
        await revocations.by_signature(form.request, form.cms)

    return router
