"""What all aggregates of one service share, put together once."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from libs.common.core.metrics import Metrics
from libs.common.core.sealing import Keyring
from libs.common.core.values import Clock, NewId
from libs.common.delivery.aggregates import Aggregates
from libs.common.delivery.documents import Documents, Searched
from libs.common.delivery.outbox import Outbox, Publisher
from libs.common.delivery.timers import Nudges, Timers, Wake

S = TypeVar("S")

OpenDocuments = Callable[[str, Searched], Documents]
WakeAt = Callable[[S], datetime | None]
"""Returns when an aggregate in this state wants to be woken. A time that is not in the future means: now."""


@dataclass(frozen=True)  # with slots, Python 3.11 cannot make a `Kind[S](…)`
class Kind(Generic[S]):
    """One kind of aggregate, as data. A service declares each of its kinds once, in its ``collections.py``.

    Args:
        name: of the collection.
        schema: the type of the state as pydantic reads it: a model, or a discriminated union of models.
        wake_at: when a state wants to be woken; None where the kind has no timers.
        searched: paths of the state that are searched; see `Searched`.
    """

    name: str
    schema: Any
    wake_at: WakeAt[S] | None = None
    searched: Searched = ()


@dataclass(frozen=True, slots=True)
class Collection(Generic[S]):
    """All aggregates of a kind, with the machinery that serves them. Start the outbox, and the timers if it has any."""

    name: str
    documents: Documents
    aggregates: Aggregates[S]
    outbox: Outbox
    nudges: Nudges


@dataclass(frozen=True, slots=True)
class Engine:
    """Opens the collections of a service.

    Args:
        source: the service's name, the CloudEvents source of all it publishes.
        documents: opens a collection by name, with the paths of the state that are searched.
        outbox_grace_s: how long an event may wait before the sweeper publishes it.
    """

    source: str
    documents: OpenDocuments
    publisher: Publisher
    keyring: Keyring
    metrics: Metrics
    clock: Clock
    new_id: NewId
    outbox_grace_s: float = 5.0

    def open(self, kind: Kind[S]) -> Collection[S]:
        """Open the collection of a kind."""
        documents = self.documents(kind.name, kind.searched)
        outbox = Outbox(
            documents,
            self.publisher,
            name=kind.name,
            clock=self.clock,
            metrics=self.metrics,
            grace_s=self.outbox_grace_s,
        )
        nudges = Nudges()
        aggregates = Aggregates[S](
            kind.schema,
            documents,
            name=kind.name,
            source=self.source,
            wake_at=kind.wake_at,
            keyring=self.keyring,
            outbox=outbox,
            nudges=nudges,
            metrics=self.metrics,
            clock=self.clock,
            new_id=self.new_id,
        )
        return Collection(kind.name, documents, aggregates, outbox, nudges)

    def timers(self, collection: Collection[Any], wake: Wake, *, lease_s: float = 30.0, parallel: int = 8) -> Timers:
        """Make the timers of a collection: ``wake`` is called with a key and the time when an aggregate is due."""
        return Timers(
            collection.documents,
            collection.nudges,
            wake,
            name=collection.name,
            clock=self.clock,
            metrics=self.metrics,
            lease_s=lease_s,
            parallel=parallel,
        )
