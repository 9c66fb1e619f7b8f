"""What a service stands on outside its own process: its store, the broker, other systems, the machine's steady clock.

`build_base` opens all of it through this port, so a service is built the same way on MongoDB and Kafka (`RealBackend`)
and in memory (`libs.common.testing.backend.MemoryBackend`). Contract tests hold the two to one behaviour.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Protocol

import httpx
from typing_extensions import override

from libs.common.contracts.signatures import EventSigner
from libs.common.core.health import Component, Health
from libs.common.core.metrics import Metrics
from libs.common.core.sealing import Keyring
from libs.common.core.settings import ServiceSettings
from libs.common.core.values import Clock
from libs.common.delivery.consumption import Consumption, RawPublisher
from libs.common.delivery.documents import Documents, Searched
from libs.common.delivery.kafka import KafkaPublisher, KafkaSettings, Subscription
from libs.common.delivery.mongo_documents import MongoDocuments
from libs.common.delivery.outbox import Publisher
from libs.common.storage.blobs import Blobs, MongoBlobs
from libs.common.storage.chain import ChainStore
from libs.common.storage.mongo import Database
from libs.common.storage.mongo_chain import MongoChain
from libs.common.storage.records import MongoRecords, Records
from libs.common.storage.reservations import MongoReservations, Reservations
from libs.common.web.idempotency import IdempotencyStore
from libs.common.web.mongo_idempotency import MongoIdempotency


class Connection(Component, Protocol):
    """Something outside the process that is connected to at start, and asked whether it answers."""

    async def ping(self) -> None:
        """Return if it answers.

        Raises:
            Unavailable: it does not.
        """
        ...


class EventPublisher(Component, Publisher, RawPublisher, Protocol):
    """Writes events, and records as they are, to the broker."""


class Backend(Protocol):
    """Opens what one service keeps and talks to. Collections are opened before `store` is started."""

    @property
    def store(self) -> Connection:
        """The connection to the service's own database."""
        ...

    @property
    def publisher(self) -> EventPublisher:
        """The service's one producer."""
        ...

    def subscription(self, consumption: Consumption, health: Health, metrics: Metrics) -> Connection:
        """Make the reader of the service's topics. It shows its health: a pulse, and what it cannot read."""
        ...

    def documents(self, name: str, searched: Searched = ()) -> Documents:
        """Open a collection of aggregates, with the paths of the state that are searched."""
        ...

    def records(self, name: str, indexed: Sequence[str] = ()) -> Records:
        """Open a collection of records, with the fields that are searched."""
        ...

    def chain(self, name: str) -> ChainStore:
        """Open a chain of facts."""
        ...

    def blobs(self, keyring: Keyring, clock: Clock, audience: str) -> Blobs:
        """Open the service's blobs, sealed with the key of the audience."""
        ...

    def reservations(self) -> Reservations:
        """Open the facts of which there can be only one."""
        ...

    def idempotency(self) -> IdempotencyStore:
        """Open the answers to repeated requests."""
        ...

    def http_client(self, base_url: str, headers: Mapping[str, str], timeout_s: float) -> httpx.AsyncClient:
        """Make the client for a system that is not ours."""
        ...

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back."""
        ...


class RealBackend(Backend):
    """MongoDB and Kafka, as the settings name them.

    Args:
        service: the service's name: its consumer group and its name to the brokers.
    """

    def __init__(self, service: str, settings: ServiceSettings) -> None:
        self._service = service
        self._database = Database(settings.mongo_uri.get_secret_value(), settings.mongo_database)
        self._kafka = KafkaSettings(
            settings.kafka_access, service, settings.kafka_idempotence, settings.kafka_fetch_wait_ms
        )
        self._publisher = KafkaPublisher(self._kafka, EventSigner(settings.event_signing_key))

    @property
    @override
    def store(self) -> Connection:
        return self._database

    @property
    @override
    def publisher(self) -> EventPublisher:
        return self._publisher

    @override
    def subscription(self, consumption: Consumption, health: Health, metrics: Metrics) -> Connection:
        return Subscription(self._kafka, consumption, self._service, health=health, metrics=metrics)

    @override
    def documents(self, name: str, searched: Searched = ()) -> Documents:
        return MongoDocuments(self._database, name, searched)

    @override
    def records(self, name: str, indexed: Sequence[str] = ()) -> Records:
        return MongoRecords(self._database, name, indexed)

    @override
    def chain(self, name: str) -> ChainStore:
        return MongoChain(self._database, name)

    @override
    def blobs(self, keyring: Keyring, clock: Clock, audience: str) -> Blobs:
        return MongoBlobs(self._database, keyring, clock, audience)

    @override
    def reservations(self) -> Reservations:
        return MongoReservations(self._database)

    @override
    def idempotency(self) -> IdempotencyStore:
        return MongoIdempotency(self._database)

    @override
    def http_client(self, base_url: str, headers: Mapping[str, str], timeout_s: float) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=base_url, headers=headers, timeout=timeout_s)

    @override
    def monotonic(self) -> float:
        return time.monotonic()
