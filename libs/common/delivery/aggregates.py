"""Aggregates that take in a message exactly once in effect, and tell what follows from it at least once.

One document holds state, inbox, outbox and timer, and one conditional write stores them all: that write is the only
commit point. Everything before it may be repeated, everything after it is made good by a sweeper.

    load -> already handled? -> decide (pure) -> write if the version still is what was loaded -> publish -> trim
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Generic, TypeVar, overload

import orjson
from pydantic import TypeAdapter

from libs.common.contracts.events import Event, Meta, encode
from libs.common.core.errors import Retryable
from libs.common.core.metrics import Metrics
from libs.common.core.sealing import Keyring, Sealing
from libs.common.core.tracing import current_traceparent
from libs.common.core.values import Clock, NewId, to_millis, to_millis_up
from libs.common.delivery.decisions import Answer, Decide, Decision
from libs.common.delivery.documents import Document, Documents, Outgoing
from libs.common.delivery.outbox import Outbox
from libs.common.delivery.timers import Nudge, Nudges

S = TypeVar("S")
A = TypeVar("A")

MAX_RACES: Final = 20
INBOX_LIMIT: Final = 1000


class LostRaces(Retryable):
    """Others wrote the same aggregate again and again; a later try will get through."""


class Aggregates(Generic[S]):
    """All aggregates of one kind.

    Args:
        kind: the type of the state, a union of frozen pydantic models with a discriminator, or one such model.
        name: names the kind in the place that sealed fields of a state are bound to.
        source: the CloudEvents source of what these aggregates tell: the service's name.
        outbox: publishes what was decided, over the same documents.
        nudges: where work that is due at once is announced, so that it need not wait for the next sweep.
        wake_at: when a state wants to be woken; without it none does.
    """

    def __init__(
        self,
        kind: Any,
        documents: Documents,
        *,
        name: str,
        source: str,
        keyring: Keyring,
        outbox: Outbox,
        nudges: Nudges,
        metrics: Metrics,
        clock: Clock,
        new_id: NewId,
        wake_at: Callable[[S], datetime | None] | None = None,
    ) -> None:
        self._adapter: TypeAdapter[S] = TypeAdapter(kind)
        self._documents = documents
        self._name = name
        self._source = source
        self._keyring = keyring
        self._outbox = outbox
        self._nudges = nudges
        self._metrics = metrics
        self._clock = clock
        self._new_id = new_id
        self._wake_at = wake_at

    async def get(self, key: str, *, fresh: bool = True) -> S | None:
        """Return the present state, or None where there is no such aggregate.

        Not ``fresh``: one this process knows will do, even if others wrote since. `apply` tells when it counts.
        """
        document = await self._documents.load(key, fresh=fresh)
        return None if document is None else self._state(document)

    async def find(
        self,
        where: Mapping[str, Any],
        limit: int = 100,
        *,
        order: str | None = None,
        after: tuple[Any, str] | None = None,
    ) -> Sequence[tuple[str, S]]:
        """Return keys and states of aggregates; see `Documents.find`. Values are given as JSON has them."""
        found = await self._documents.find(where, limit, order=order, after=after)
        return [(document.key, self._state(document)) for document in found]

    async def count(self, where: Mapping[str, Any]) -> int:
        """Count aggregates; see `Documents.count`."""
        return await self._documents.count(where)

    async def values(self, where: Mapping[str, Any], path: str) -> Sequence[Any]:
        """Return one value of each such aggregate, as JSON has it; see `Documents.values`."""
        return await self._documents.values(where, path)

    async def all(self, page: int = 200) -> AsyncIterator[tuple[str, S]]:
        """Return keys and states of all aggregates, in the order of their keys, a page of them in memory at a time."""
        after = ""
        while found := await self.page(after, page):
            for each in found:
                yield each
            after = found[-1][0]

    async def page(self, after: str, limit: int) -> Sequence[tuple[str, S]]:
        """Return keys and states of aggregates in the order of their keys, those behind ``after``."""
        return [(document.key, self._state(document)) for document in await self._documents.page(after, limit)]

    async def apply(self, key: str, decide: Decide[S], *, cause: Meta | None = None) -> S | None:
        """Take in one message or command, and return the state after it.

        ``decide`` is pure: it may be called again after a lost race. Where it returns None, nothing is written. What it
        raises passes through, and nothing is written. A ``cause`` that was taken in before is not decided again.

        Raises:
            LostRaces: others won every time.
            Unavailable: the store does not answer; whether the write happened is unknown, so try again with the cause.
        """
        state, _ = await self._decided(key, lambda before: (decide(before), None), cause)
        return state

    @overload
    async def ask(self, key: str, decide: Callable[[S | None], Answer[S, A]]) -> A: ...

    @overload
    async def ask(self, key: str, decide: Callable[[S | None], Answer[S, A]], *, cause: Meta | None) -> A | None: ...

    async def ask(self, key: str, decide: Callable[[S | None], Answer[S, A]], *, cause: Meta | None = None) -> A | None:
        """Take in a command or message, and return what ``decide`` answers beside its decision. Otherwise like `apply`.

        A ``cause`` that was taken in before gets no answer: None.
        """
        _, answer = await self._decided(key, decide, cause)
        return None if answer is None else answer[0]

    async def _decided(
        self, key: str, decide: Callable[[S | None], Answer[S, A]], cause: Meta | None
    ) -> tuple[S | None, tuple[A] | None]:
        """Return the state after a decision, and the answer; none where the cause was taken in before."""
        for race in range(MAX_RACES):
            fresh = race > 0
            before = await self._documents.load(key, fresh=fresh)
            state = None if before is None else self._state(before)
            if before is not None and cause is not None and cause.id in before.handled:
                self._metrics.duplicates.labels(self._name).inc()
                await self._outbox.publish(before)
                return state, None
            try:
                decision, answer = decide(state)
            except Exception:
                if fresh:
                    raise
                continue  # a refusal stands only on the present state, not on a remembered one
            if decision is None and fresh:
                return state, (answer,)
            if decision is not None:
                if await self._written(key, before, decision, cause):
                    return decision.state, (answer,)
                self._metrics.lost_races.labels(self._name).inc()
        raise LostRaces(f"{self._name}: lost {MAX_RACES} races for one aggregate")

    async def _written(self, key: str, before: Document | None, decision: Decision[S], cause: Meta | None) -> bool:
        """Store a decision unless somebody else stored meanwhile, publish it, and see to what is due at once."""
        now = self._clock()
        wake_at = None if self._wake_at is None else self._wake_at(decision.state)
        due = wake_at is not None and wake_at <= now
        held_until = self._nudges.hold(to_millis(now)) if due else None
        after = self._after(key, before, decision, cause, now)
        after = replace(after, wake_at=held_until or (None if wake_at is None else to_millis_up(wake_at)))
        if not await self._documents.store(after):
            return False
        await self._outbox.publish(after)
        if due and after.wake_at is not None:
            self._nudges.add(Nudge(key, after.wake_at, held=held_until is not None))
        return True

    def _after(
        self, key: str, before: Document | None, decision: Decision[S], cause: Meta | None, now: datetime
    ) -> Document:
        waiting = () if before is None else self._outbox.remaining(before)
        outbox = waiting + tuple(self._outgoing(key, event, now, cause) for event in decision.events)
        oldest = before.outbox_at if before is not None and waiting else to_millis(now)
        handled = () if before is None else before.handled
        return Document(
            key=key,
            version=1 if before is None else before.version + 1,
            state=self._adapter.dump_python(decision.state, mode="json", context=self._sealing(key)),
            outbox=outbox,
            handled=(*handled, cause.id)[-INBOX_LIMIT:] if cause is not None else handled,
            outbox_at=oldest if outbox else None,
        )

    def _outgoing(self, key: str, event: Event, now: datetime, cause: Meta | None) -> Outgoing:
        meta = Meta(
            id=self._new_id(),
            type=event.type(),
            source=self._source,
            time=now,
            subject=key,
            correlation_id=key if cause is None else cause.correlation_id,
            causation_id=None if cause is None else cause.id,
            traceparent=(cause and cause.traceparent) or current_traceparent(),
        )
        return Outgoing(event.topic, meta, encode(event, meta, self._keyring).decode())

    def _state(self, document: Document) -> S:
        # Through JSON, because only there pydantic reads dates, tuples and sealed boxes the way it wrote them.
        return self._adapter.validate_json(orjson.dumps(document.state), context=self._sealing(document.key))

    def _sealing(self, key: str) -> Sealing:
        return Sealing(self._keyring, f"{self._name}/{key}")
