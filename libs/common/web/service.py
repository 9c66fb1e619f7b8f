"""What every service's `app.py` begins with and ends with, so that in between only its own parts stand."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, FastAPI

from libs.common.core.background import Repeating
from libs.common.core.health import Component, Health
from libs.common.core.metrics import Metrics
from libs.common.core.sealing import Keyring
from libs.common.core.settings import ServiceSettings
from libs.common.core.values import Clock, NewId
from libs.common.delivery.consumption import Consumption, Route
from libs.common.delivery.document_cache import CachedDocuments
from libs.common.delivery.engine import Collection, Engine
from libs.common.delivery.kafka import KafkaPublisher, KafkaSettings, Subscription
from libs.common.delivery.mongo_documents import MongoDocuments
from libs.common.delivery.timers import Timers
from libs.common.storage.mongo import Database
from libs.common.storage.reservations import MongoReservations, Reservations
from libs.common.web.fast_path import Endpoint
from libs.common.web.http import create_app
from libs.common.web.idempotency import Idempotency
from libs.common.web.mongo_idempotency import FORGET_EVERY_S, MongoIdempotency
from libs.common.web.tokens import STAFF_ALGORITHMS, STAFF_ROLES, Authenticator, TokenVerifier


@dataclass(frozen=True, slots=True)
class App:
    """A service, ready to be served."""

    name: str
    http: FastAPI
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class ServiceBase:
    """The collaborators that every service has, each of them its own."""

    name: str
    settings: ServiceSettings
    clock: Clock
    new_id: NewId
    metrics: Metrics
    health: Health
    keyring: Keyring
    database: Database
    publisher: KafkaPublisher
    reservations: Reservations
    engine: Engine
    idempotency_store: MongoIdempotency
    idempotency: Idempotency
    auth: Authenticator

    def app(
        self,
        title: str,
        *,
        routers: Sequence[APIRouter],
        routes: Iterable[Route],  # type: ignore[type-arg]  # each takes in an event of its own
        kinds: Sequence[Collection[Any]],
        timers: Sequence[Timers] = (),
        components: Sequence[Component] = (),
        direct: Sequence[Endpoint] = (),
    ) -> App:
        """Put a service together: the store first, then what publishes, then what reads, and HTTP around it all."""
        subscription = self._subscription(routes)
        self.health.check("store", self.database.ping)
        self.health.check("broker", subscription.ping)
        forgetting = Repeating("idempotency.forget", FORGET_EVERY_S, self.idempotency_store.forget_expired)
        outboxes = [kind.outbox for kind in kinds]
        web = create_app(
            title,
            metrics=self.metrics,
            health=self.health,
            components=[self.database, self.publisher, *outboxes, *components, *timers, forgetting, subscription],
            routers=routers,
            direct=direct,
        )
        return App(self.name, web, self.settings.http_host, self.settings.http_port)

    def _subscription(self, routes: Iterable[Route]) -> Subscription:  # type: ignore[type-arg]  # as in `app`
        """Read the topics that the routes name."""
        consumption = Consumption(
            self.name,
            routes,
            keyring=self.keyring,
            publisher=self.publisher,
            metrics=self.metrics,
            clock=self.clock,
        )
        probe = self.health.probe("consumption")
        kafka = _kafka(self.name, self.settings)
        return Subscription(kafka, consumption, self.name, probe=probe, metrics=self.metrics)


def build_base(name: str, settings: ServiceSettings, clock: Clock, new_id: NewId, *, answers_key: str) -> ServiceBase:
    """Make the common collaborators of a service.

    Args:
        name: the service's name: consumer group, CloudEvents source, name in logs and metrics.
        answers_key: the audience whose key seals remembered HTTP answers.
    """
    metrics = Metrics(name, clock=clock)
    database = Database(settings.mongo_uri.get_secret_value(), settings.mongo_database)
    publisher = KafkaPublisher(_kafka(name, settings))
    keyring = settings.keyring
    engine = Engine(
        source=name,
        documents=lambda collection, searched: CachedDocuments(MongoDocuments(database, collection, searched)),
        publisher=publisher,
        keyring=keyring,
        metrics=metrics,
        clock=clock,
        new_id=new_id,
    )
    remembered = MongoIdempotency(database, clock)
    return ServiceBase(
        name=name,
        settings=settings,
        clock=clock,
        new_id=new_id,
        metrics=metrics,
        health=Health(),
        keyring=keyring,
        database=database,
        publisher=publisher,
        reservations=MongoReservations(database),
        engine=engine,
        idempotency_store=remembered,
        idempotency=Idempotency(remembered, keyring, answers_key, clock, new_id),
        auth=_authenticator(settings, clock),
    )


def _kafka(name: str, settings: ServiceSettings) -> KafkaSettings:
    return KafkaSettings(settings.kafka_access, name, settings.kafka_idempotence, settings.kafka_fetch_wait_ms)


def _authenticator(settings: ServiceSettings, clock: Clock) -> Authenticator:
    verifiers = [TokenVerifier(settings.identity_jwks, settings.identity_issuer, clock)]
    if settings.staff_jwks is not None and settings.staff_issuer is not None:
        verifiers.append(
            TokenVerifier(
                settings.staff_jwks,
                settings.staff_issuer,
                clock,
                roles=STAFF_ROLES,
                algorithms=STAFF_ALGORITHMS,
                audience=settings.staff_audience,
            )
        )
    return Authenticator(*verifiers)
