"""HTTP: a citizen who signed in asks that a certificate be revoked."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response, status

from libs.common.contracts.http.identity import CabinetRevocationForm, RevocationTicket, Serial
from libs.common.web.idempotency import Idempotency, Once
from libs.common.web.tokens import Authenticator, Claims
from services.identity.revocations.service import RevocationService


def revocation_routes(revocations: RevocationService, auth: Authenticator, idempotency: Idempotency) -> APIRouter:
    """Make the route by which a citizen who lost the keys has a certificate revoked."""
    router = APIRouter(prefix="/v1/cabinet/certificates", tags=["accounts"])

    @router.post("/{serial}/revocation", status_code=status.HTTP_201_CREATED, response_model=RevocationTicket)
    async def revoke(
        serial: Serial,
        form: CabinetRevocationForm,
        claims: Annotated[Claims, Depends(auth.citizen())],
        once: Annotated[Once, Depends(idempotency.once)],
    ) -> Response:
        async def request() -> RevocationTicket:
            return await revocations.request(once.id, claims.sub, serial, form.reason)

        return await once(request)

    return router
