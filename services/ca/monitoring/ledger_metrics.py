"""Metrics of the ledger: when the check last ran, what it found, and since when no checkpoint covers the ledger.

The check is a job that ends; the service serves metrics. So the job leaves a record, and every replica shows the
newest one.
"""

from datetime import datetime, timedelta
from typing import Final

from libs.common.core.background import Repeating
from libs.common.core.values import Clock, from_millis, to_millis
from libs.common.storage.chain import ChainStore
from libs.common.storage.records import Records
from libs.common.web.backend import Backend
from libs.common.web.service import ServiceBase
from services.ca.audit.evidence import appended_at
from services.ca.collections import CHECKS, LEDGER
from services.ca.ledger.acts import Checkpointed
from services.ca.ledger.chain import ChainLedger
from services.ca.metrics import AuthorityMetrics

EVERY_S: Final = 60.0
_REMEMBERED: Final = timedelta(days=60)
_PAGE: Final = 20


async def note_check(checks: Records, at: datetime, errors: int, warnings: int) -> None:
    """Note that a check came to its end: when it began, and how much it found."""
    millis = to_millis(at)
    await checks.add({str(millis): {"at": millis, "errors": errors, "warnings": warnings}})


def notes(backend: Backend) -> Records:
    """Open what `note_check` writes."""
    return backend.records(CHECKS, ("at",))


def ledger_metrics(base: ServiceBase, ledger: ChainLedger, metrics: AuthorityMetrics) -> Repeating:
    """Return what sets the metrics once a minute."""
    chain = base.backend.chain(LEDGER)
    gauges = LedgerMetrics(notes(base.backend), chain, ledger, metrics=metrics, clock=base.clock)
    return Repeating("ledger.metrics", EVERY_S, gauges.update)


class LedgerMetrics:
    """Shows a check that fails or stays away, and a ledger without checkpoints.

    Args:
        checks: what `note_check` wrote.
    """

    def __init__(
        self, checks: Records, chain: ChainStore, ledger: ChainLedger, *, metrics: AuthorityMetrics, clock: Clock
    ) -> None:
        self._checks = checks
        self._chain = chain
        self._ledger = ledger
        self._metrics = metrics
        self._clock = clock

    async def update(self) -> None:
        """Set the gauges. Before the first check, its age is the ledger's."""
        now = self._clock()
        checks = [fields for _, fields in await self._checks.since("at", to_millis(now - _REMEMBERED))]
        newest = max(checks, key=lambda each: int(each["at"]), default=None)
        if newest is None:
            checked = await self._first_after((await self._chain.start()).position)
        else:
            checked = from_millis(newest["at"])
        self._metrics.ledger_check_age_seconds.set(_age(checked, now))
        self._metrics.ledger_check_errors.set(0 if newest is None else newest["errors"])
        last = await self._ledger.last("ledger.checkpointed")
        covered = last.act.position if last is not None and isinstance(last.act, Checkpointed) else 0
        self._metrics.ledger_uncovered_seconds.set(_age(await self._first_after(covered), now))

    async def _first_after(self, position: int) -> datetime | None:
        """Return when the first act behind a position was recorded; checkpoints themselves need none."""
        for entry in await self._chain.read(position, _PAGE):
            if entry.fact.kind != "ledger.checkpointed":
                return appended_at(entry)
        return None


def _age(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())
