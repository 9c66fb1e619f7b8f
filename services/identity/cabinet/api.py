"""HTTP: a citizen who signed in sees the cabinet."""

from typing import Annotated

from fastapi import APIRouter, Depends

from libs.common.contracts.http.identity import CabinetView
from libs.common.web.tokens import Authenticator, Claims
from services.identity.cabinet.service import CabinetService


def cabinet_routes(cabinet: CabinetService, auth: Authenticator) -> APIRouter:
    """Make the route of the cabinet."""
    router = APIRouter(prefix="/v1", tags=["accounts"])

    @router.get("/cabinet")
    async def show(claims: Annotated[Claims, Depends(auth.citizen())]) -> CabinetView:
        return await cabinet.view(claims.sub)

    return router
