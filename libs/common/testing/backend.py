"""A service's whole surroundings in memory: fulfils `libs.common.web.backend.Backend`."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar, cast

import httpx
from typing_extensions import override

from libs.common.contracts.signatures import EventSigner
from libs.common.core.health import Health
from libs.common.core.metrics import Metrics
from libs.common.core.sealing import Keyring
from libs.common.core.values import Clock, from_millis
from libs.common.delivery.consumption import Consumption
from libs.common.delivery.documents import Documents, Searched
from libs.common.storage.blobs import Blobs
from libs.common.storage.chain import ChainStore
from libs.common.storage.records import Records
from libs.common.storage.reservations import Reservations
from libs.common.testing.blobs import MemoryBlobs, StoredBlob
from libs.common.testing.broker import MemoryBroker, MemoryPublisher, MemorySubscription
from libs.common.testing.chain import MemoryChain
from libs.common.testing.event_keys import KEYS
from libs.common.testing.faults import Faults, faulty
from libs.common.testing.idempotency import MemoryIdempotencyStore
from libs.common.testing.memory import MemoryDocuments, MemoryReservations
from libs.common.testing.records import MemoryRecords
from libs.common.web.backend import Backend, Connection, EventPublisher
from libs.common.web.idempotency import IdempotencyStore

T = TypeVar("T")
Answering = Callable[[httpx.Request], httpx.Response]
"""A system that is not ours: answers a request, or raises what a client may raise."""


class MovableClock:
    """The present moment, which tests move. Serves as the machine's steady clock too."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """Return the present moment."""
        return self.now

    def advance(self, by: timedelta) -> None:
        """Let time pass, without anybody noticing."""
        self.now += by


@dataclass
class MemoryStore:
    """One service's database. It outlives the processes that open it; what has the same name is the same."""

    documents: dict[str, MemoryDocuments] = field(default_factory=lambda: defaultdict(MemoryDocuments))
    records: dict[str, MemoryRecords] = field(default_factory=lambda: defaultdict(MemoryRecords))
    chains: dict[str, MemoryChain] = field(default_factory=lambda: defaultdict(MemoryChain))
    blobs: dict[str, StoredBlob] = field(default_factory=dict)
    reservations: MemoryReservations = field(default_factory=MemoryReservations)
    idempotency: MemoryIdempotencyStore = field(default_factory=MemoryIdempotencyStore)

    def next_wake(self) -> datetime | None:
        """Return when the next aggregate wants to be woken."""
        rows = [row for kept in self.documents.values() for row in kept.rows.values()]
        return min((from_millis(row.wake_at) for row in rows if row.wake_at is not None), default=None)

    def everything(self) -> str:
        """Return all that is stored, as text: for tests of what must not stand there."""
        contents = [
            {name: each.rows for name, each in self.documents.items()},
            {name: each.rows for name, each in self.records.items()},
            {name: each.entries for name, each in self.chains.items()},
        ]
        return repr([*contents, self.blobs, self.reservations.owners, self.idempotency.entries])


class MemoryConnection:
    """A connection to what is in memory: it always answers."""

    async def start(self) -> None:
        """Do nothing."""

    async def stop(self) -> None:
        """Do nothing."""

    async def ping(self) -> None:
        """Do nothing: it answers."""


class MemoryBackend(Backend):
    """Everything a service stands on, in memory.

    Args:
        service: the service's name, which is its consumer group.
        store: its database; give the one of an earlier process to go on with what that left.
        broker: shared by all services of a test.
        clock: serves as the steady clock too.
        outside: systems that are not ours, by the beginning of their address.
        faults: ends the process at given steps; see `libs.common.testing.faults`.
    """

    def __init__(
        self,
        service: str,
        store: MemoryStore,
        broker: MemoryBroker,
        clock: Clock,
        *,
        outside: Mapping[str, Answering] | None = None,
        faults: Faults | None = None,
    ) -> None:
        self._service = service
        self._kept = store
        self._broker = broker
        self._clock = clock
        self._outside = outside or {}
        self._faults = faults
        self._began = clock()
        self._publisher = self._at_risk(cast("EventPublisher", MemoryPublisher(broker, EventSigner(KEYS[service]))))
        self.subscriptions: list[MemorySubscription] = []

    @property
    @override
    def store(self) -> Connection:
        return MemoryConnection()

    @property
    @override
    def publisher(self) -> EventPublisher:
        return self._publisher

    @override
    def subscription(self, consumption: Consumption, health: Health, metrics: Metrics) -> Connection:
        made = MemorySubscription(self._broker, consumption, self._service)
        self.subscriptions.append(made)
        return made

    @override
    def documents(self, name: str, searched: Searched = ()) -> Documents:
        return self._at_risk(cast("Documents", self._kept.documents[name]))

    @override
    def records(self, name: str, indexed: Sequence[str] = ()) -> Records:
        return self._at_risk(cast("Records", self._kept.records[name]))

    @override
    def chain(self, name: str) -> ChainStore:
        return self._at_risk(cast("ChainStore", self._kept.chains[name]))

    @override
    def blobs(self, keyring: Keyring, clock: Clock, audience: str) -> Blobs:
        return self._at_risk(cast("Blobs", MemoryBlobs(self._kept.blobs, keyring, audience)))

    @override
    def reservations(self) -> Reservations:
        return self._at_risk(cast("Reservations", self._kept.reservations))

    @override
    def idempotency(self) -> IdempotencyStore:
        return self._at_risk(cast("IdempotencyStore", self._kept.idempotency))

    @override
    def http_client(self, base_url: str, headers: Mapping[str, str], timeout_s: float) -> httpx.AsyncClient:
        transport = httpx.MockTransport(self._answer)
        return httpx.AsyncClient(base_url=base_url, headers=headers, timeout=timeout_s, transport=transport)

    @override
    def monotonic(self) -> float:
        return (self._clock() - self._began).total_seconds()

    def _answer(self, request: httpx.Request) -> httpx.Response:
        for beginning, answer in self._outside.items():
            if str(request.url).startswith(beginning):
                return answer(request)
        raise httpx.ConnectError(f"nobody listens at {request.url}", request=request)

    def _at_risk(self, port: T) -> T:
        return port if self._faults is None else faulty(port, self._faults)
