"""The ledger over HTTP: its newest checkpoint, for whoever wants to be a witness."""

from fastapi import APIRouter

from libs.common.core.errors import Refused
from libs.common.core.model import Model, evolve
from services.ca.ledger.checkpoints import Checkpoints
from services.ca.refusals import CaRefusal


class CheckpointView(Model):
    """A checkpoint: ``token`` (base64) is a time-stamp response (RFC 3161) over ``hash``, the entry at ``position``."""

    position: int
    hash: str
    token: str


def ledger_routes(checkpoints: Checkpoints) -> APIRouter:
    """Make the public route of the ledger."""
    router = APIRouter(tags=["relying parties"])

    @router.get("/v1/ca/ledger/checkpoint")
    async def checkpoint() -> CheckpointView:
        newest = await checkpoints.newest()
        if newest is None:
            raise Refused(CaRefusal.CHECKPOINT_NONE)
        return evolve(newest, CheckpointView)

    return router
