"""What all aggregates of one service share, put together once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from libs.common.core.metrics import Metrics
from libs.common.core.sealing import Keyring
from libs.common.core.values import Clock, NewId
from libs.common.delivery.aggregates import Aggregates
from libs.common.delivery.documents import Documents, Searched
from libs.common.delivery.outbox import Outbox, Publisher
from libs.common.delivery.timers import Nudges, Timers, Wake

OpenDocuments = Callable[[str, Searched], Documents]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of aggregate with the machinery that serves it. Start the outbox; start timers only where there are."""

    name: str
    documents: Documents
    aggregates: Aggregates[Any]
    outbox: Outbox
    nudges: Nudges


@dataclass(frozen=True, slots=True)
class Engine:
    """Makes kinds of aggregates.

    Args:
        source: the service's name, the CloudEvents source of all it tells.
        documents: opens a collection by name, with the paths of the state that are searched.
    """

    source: str
    documents: OpenDocuments
    publisher: Publisher
    keyring: Keyring
    metrics: Metrics
    clock: Clock
    new_id: NewId
    outbox_grace_s: float = 5.0

    def kind(self, state: Any, name: str, *, searched: Searched = ()) -> Kind:
        """Make a kind of aggregate: its state type (a model, or a discriminated union of them) and its name."""
        documents = self.documents(name, searched)
        outbox = Outbox(
            documents,
            self.publisher,
            name=name,
            clock=self.clock,
            metrics=self.metrics,
            grace_s=self.outbox_grace_s,
        )
        nudges = Nudges()
        aggregates: Aggregates[Any] = Aggregates(
            state,
            documents,
            name=name,
            source=self.source,
            keyring=self.keyring,
            outbox=outbox,
            nudges=nudges,
            metrics=self.metrics,
            clock=self.clock,
            new_id=self.new_id,
        )
        return Kind(name, documents, aggregates, outbox, nudges)

    def timers(self, kind: Kind, wake: Wake, *, lease_s: float = 30.0, parallel: int = 8) -> Timers:
        """Make the timers of a kind: ``wake`` is called with a key and the time whenever an aggregate asked for it."""
        return Timers(
            kind.documents,
            kind.nudges,
            wake,
            name=kind.name,
            clock=self.clock,
            metrics=self.metrics,
            lease_s=lease_s,
            parallel=parallel,
        )
