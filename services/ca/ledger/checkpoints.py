"""Checkpoints of the ledger: from time to time its head is time-stamped, recorded and published.

Whoever keeps one (a subscriber, a relying party, the operator's vault) can publish later whether the ledger still holds
that very entry. Without a witness outside, entries missing at its end would not show.
"""

import base64
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from libs.common.contracts.ca import LedgerCheckpointed
from libs.common.core.model import Model, evolve
from libs.common.core.values import Clock
from libs.common.delivery.aggregates import Aggregates
from libs.common.delivery.decisions import Decision
from services.ca.ledger.acts import Checkpointed, Configuration
from services.ca.ledger.chain import ChainLedger
from services.ca.timestamp.stamping import TimeStampRefused

KEY: Final = "ledger"
AGAIN_AFTER: Final = timedelta(minutes=1)
"""How long to wait for a clock that is in doubt."""

log = structlog.get_logger()

Stamp = Callable[[bytes], bytes]
"""Time-stamps a SHA-256 digest; gives the response in DER. TimeStampRefused while it cannot."""


class Checkpoint(Model):
    """The newest checkpoint that was published (position 0: none yet), and when the next is due."""

    due_at: datetime
    position: int = 0
    hash: str = ""
    token: str = ""


def wake_at(state: Checkpoint) -> datetime:
    """Return when the next checkpoint is due."""
    return state.due_at


def begin(state: Checkpoint | None, now: datetime) -> Decision[Checkpoint] | None:
    """Ask for the first checkpoint; what was begun goes on."""
    return Decision(Checkpoint(due_at=now)) if state is None else None


def publish(state: Checkpoint | None, newest: Checkpointed | None, again_at: datetime) -> Decision[Checkpoint] | None:
    """Publish a checkpoint on record, unless it was published; and come back later."""
    known = evolve(state, Checkpoint, due_at=again_at) if state is not None else Checkpoint(due_at=again_at)
    if newest is None or newest.position <= known.position:
        return Decision(known)
    after = evolve(newest, Checkpoint, due_at=again_at)
    return Decision(after, (LedgerCheckpointed(position=newest.position, hash=newest.hash, token=newest.token),))


class Checkpoints:
    """Makes checkpoints, and notes at the start what the authority works with.

    Args:
        every: how often; a ledger that stands still gets none.
    """

    def __init__(
        self,
        states: Aggregates[Checkpoint],
        ledger: ChainLedger,
        stamp: Stamp,
        *,
        configuration: Configuration,
        every: timedelta,
        clock: Clock,
    ) -> None:
        self._states = states
        self._ledger = ledger
        self._stamp = stamp
        self._configuration = configuration
        self._every = every
        self._clock = clock

    async def start(self) -> None:
        """Record what the authority works with, and ask for the first checkpoint."""
        await self._ledger.configure(self._configuration)
        await self._states.apply(KEY, lambda state: begin(state, self._clock()))

    async def stop(self) -> None:
        """Nothing to do: the timer is the engine's."""

    async def newest(self) -> Checkpoint | None:
        """Return the newest checkpoint that was published, or None."""
        state = await self._states.get(KEY)
        return state if state is not None and state.position else None

    async def wake(self, key: str, now: datetime) -> None:
        """Time-stamp the head, if there is something new in it, and publish."""
        try:
            await self._checkpoint()
        except TimeStampRefused as refusal:
            log.warning("checkpoint.waiting", reason=str(refusal))
            await self._states.apply(key, lambda state: publish(state, None, now + AGAIN_AFTER))
            return
        last = await self._ledger.last("ledger.checkpointed")
        newest = last.act if last is not None and isinstance(last.act, Checkpointed) else None
        await self._states.apply(key, lambda state: publish(state, newest, now + self._every))

    async def _checkpoint(self) -> None:
        head = await self._ledger.head()
        last = await self._ledger.last("ledger.checkpointed")
        if head.position == (0 if last is None else last.entry.position):
            return
        token = base64.b64encode(self._stamp(bytes.fromhex(head.hash))).decode()
        await self._ledger.record("authority", Checkpointed(position=head.position, hash=head.hash, token=token))
