"""What every service's `app.py` begins with and ends with, so that in between only its own parts stand."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from fastapi import APIRouter, FastAPI

from libs.common.contracts.signatures import EventKeys
from libs.common.contracts.topics import PRODUCERS
from libs.common.core.background import Repeating
from libs.common.core.health import Component, Health
from libs.common.core.metrics import Metrics
from libs.common.core.sealing import Keyring
from libs.common.core.settings import ServiceSettings
from libs.common.core.values import Clock, NewId
from libs.common.delivery.consumption import Consumption, Route
from libs.common.delivery.document_cache import CachedDocuments
from libs.common.delivery.engine import Collection, Engine
from libs.common.delivery.kafka import authentic
from libs.common.delivery.outbox import Outbox
from libs.common.delivery.timers import Timers
from libs.common.storage.blobs import Blobs
from libs.common.storage.reservations import Reservations
from libs.common.texts.catalogue import Catalogue
from libs.common.web.backend import Backend, Connection, RealBackend
from libs.common.web.fast_path import Endpoint
from libs.common.web.http import create_app
from libs.common.web.idempotency import Idempotency
from libs.common.web.problems import Statuses
from libs.common.web.tokens import STAFF_ALGORITHMS, STAFF_ROLES, Authenticator, TokenVerifier

FORGET_EVERY_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class App:
    """A service, ready to be served.

    Attributes:
        http: the application, which starts and stops everything else.
        outboxes, timers: what publishes and what wakes, for whoever drives the service by hand.
        components: what the service runs beside them.
    """

    name: str
    http: FastAPI
    host: str
    port: int
    outboxes: Sequence[Outbox]
    timers: Sequence[Timers]
    components: Sequence[Component]


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
    backend: Backend
    reservations: Reservations
    engine: Engine
    idempotency: Idempotency
    auth: Authenticator

    def blobs(self, audience: str) -> Blobs:
        """Open the service's blobs, sealed with the key of the audience."""
        return self.backend.blobs(self.keyring, self.clock, audience)

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
        problems: Statuses | None = None,
        texts: Catalogue | None = None,
    ) -> App:
        """Put a service together: the store first, then what publishes, then what reads, and HTTP around it all."""
        backend, subscription = self.backend, self._subscription(routes)
        self.health.check("store", backend.store.ping)
        self.health.check("broker", subscription.ping)
        forgetting = Repeating("idempotency.forget", FORGET_EVERY_S, self.idempotency.forget_expired)
        outboxes = [kind.outbox for kind in kinds]
        web = create_app(
            title,
            metrics=self.metrics,
            health=self.health,
            components=[backend.store, backend.publisher, *outboxes, *components, *timers, forgetting, subscription],
            routers=routers,
            direct=direct,
            problems=problems,
            texts=texts,
        )
        return App(self.name, web, self.settings.http_host, self.settings.http_port, outboxes, timers, components)

    def _subscription(self, routes: Iterable[Route]) -> Connection:  # type: ignore[type-arg]  # as in `app`
        """Read the topics that the routes name."""
        consumption = Consumption(
            self.name,
            routes,
            authenticate=partial(authentic, EventKeys.parse(self.settings.event_jwks), PRODUCERS),
            keyring=self.keyring,
            publisher=self.backend.publisher,
            metrics=self.metrics,
            clock=self.clock,
        )
        return self.backend.subscription(consumption, self.health, self.metrics)


def build_base(
    name: str,
    settings: ServiceSettings,
    clock: Clock,
    new_id: NewId,
    *,
    answers_key: str,
    backend: Backend | None = None,
) -> ServiceBase:
    """Make the common collaborators of a service.

    Args:
        name: the service's name: consumer group, CloudEvents source, name in logs and metrics.
        answers_key: the audience whose key seals remembered HTTP answers.
        backend: what the service stands on; None: MongoDB and Kafka, as the settings name them.
    """
    metrics = Metrics(name, clock=clock)
    backend = backend or RealBackend(name, settings)
    keyring = settings.keyring
    engine = Engine(
        source=name,
        documents=lambda collection, searched: CachedDocuments(backend.documents(collection, searched)),
        publisher=backend.publisher,
        keyring=keyring,
        metrics=metrics,
        clock=clock,
        new_id=new_id,
    )
    return ServiceBase(
        name=name,
        settings=settings,
        clock=clock,
        new_id=new_id,
        metrics=metrics,
        health=Health(backend.monotonic),
        keyring=keyring,
        backend=backend,
        reservations=backend.reservations(),
        engine=engine,
        idempotency=Idempotency(backend.idempotency(), keyring, answers_key, clock, new_id),
        auth=_authenticator(settings, clock),
    )


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
