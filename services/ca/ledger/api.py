"""The ledger over HTTP: its newest checkpoint, for whoever wants to be a witness."""

from fastapi import APIRouter

from libs.common.core.errors import Refused
from services.ca.ledger.checkpoints import Checkpoint, Checkpoints


def ledger_routes(checkpoints: Checkpoints) -> APIRouter:
    """Make the public route of the ledger."""
    router = APIRouter(tags=["relying parties"])

    @router.get("/v1/ca/ledger/checkpoint")
    async def checkpoint() -> Checkpoint:
        newest = await checkpoints.newest()
        if newest is None:
            raise Refused("checkpoint.none", "The ledger has no checkpoint yet. Please try again later.", 404)
        return newest

    return router
