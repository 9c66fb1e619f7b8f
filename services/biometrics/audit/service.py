"""The records of face checks, for auditors. Who read what is logged before it is shown."""

from collections.abc import Sequence

import structlog

from libs.common.core.errors import Refused
from libs.common.delivery.aggregates import Aggregates
from services.biometrics.check.states import CheckRecord, CheckState
from services.biometrics.refusals import BiometricsRefusal

log = structlog.get_logger()

Kept = tuple[str, str, CheckRecord]
"""A journey, the state of its face check, and the record."""


class Audit:
    """Reads the records of face checks."""

    def __init__(self, checks: Aggregates[CheckState]) -> None:
        self._checks = checks

    async def page(self, auditor: str, limit: int, after: str) -> tuple[Sequence[Kept], str | None]:
        """Return the records of the next face checks behind a journey, and where the page after them begins, if any."""
        found = await self._checks.page(after, limit)
        records = [(key, state.kind, state) for key, state in found if isinstance(state, CheckRecord)]
        log.info("audit.read", auditor=auditor, after=after or None, records=len(records))
        return records, found[-1][0] if len(found) == limit else None

    async def record(self, auditor: str, journey_id: str) -> Kept:
        """Return the record of one face check.

        Raises:
            Refused: `RECORD_UNKNOWN`: there is none.
        """
        state = await self._checks.get(journey_id)
        if not isinstance(state, CheckRecord):
            raise Refused(BiometricsRefusal.RECORD_UNKNOWN)
        log.info("audit.read", auditor=auditor, subject=journey_id, records=1)
        return journey_id, state.kind, state
