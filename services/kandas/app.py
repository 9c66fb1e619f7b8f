"""How kandas is put together."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from libs.common.core.background import Repeating
from libs.common.core.values import Clock, NewId, new_id, utc_now
from libs.common.pki.trust import TrustAnchors
from libs.common.storage.blobs import Blobs
from libs.common.web.backend import Backend
from libs.common.web.service import App, build_base
from services.kandas import api
from services.kandas.certificate_view import CertificateView
from services.kandas.certificates import Certificate
from services.kandas.effects import Effects, Press
from services.kandas.handlers import Handlers
from services.kandas.ministry import DevelopmentMinistry, HttpMinistry, MinistrySystem
from services.kandas.office import Office
from services.kandas.officer_api import officer_routes
from services.kandas.people import PersonForm
from services.kandas.seal import Seal
from services.kandas.service import KandasService
from services.kandas.settings import Settings
from services.kandas.states import State

_PURGE_EVERY_S: Final = 600.0
_MINISTRY_TIMEOUT_S: Final = 15.0
_WAKE_LEASE_S: Final = 60.0  # a large family's documents take a while


def build(settings: Settings, *, clock: Clock = utc_now, new_id: NewId = new_id, backend: Backend | None = None) -> App:
    """Make the application, with every collaborator in sight."""
    # It tells each table of each font it embeds, at the level of information.
    logging.getLogger("fontTools").setLevel(logging.WARNING)
    base = build_base("kandas", settings, clock, new_id, answers_key=PersonForm.audience, backend=backend)
    law = settings.law
    trust = TrustAnchors.from_pem(settings.root_certificates.read_bytes(), settings.issuing_certificates.read_bytes())
    press = Press(
        Seal.from_file(settings.seal_file, settings.seal_passphrase.get_secret_value(), settings.revoked_certificates),
        settings.fonts,
        settings.verify_url,
    )
    blobs = base.blobs(PersonForm.audience)
    applications = base.engine.kind(State, "applications", searched=("region", "status"))
    certificates = base.engine.kind(Certificate, "certificates")
    view = CertificateView(certificates.aggregates, applications.aggregates, law=law, clock=clock)
    service = KandasService(applications.aggregates, view, blobs, law=law, trust=trust, clock=clock)
    office = Office(applications.aggregates, view, blobs, law=law, clock=clock)
    effects = Effects(
        applications.aggregates, view, blobs, _ministry(settings, base.backend), press, law=law, clock=clock
    )
    return base.app(
        "Kandas status",
        routers=[
            api.applying_routes(service, base.auth, base.idempotency),
            api.following_routes(service, base.auth),
            api.public_routes(service),
            officer_routes(office, base.auth, base.idempotency),
        ],
        routes=Handlers(view).routes(),
        kinds=[applications, certificates],
        timers=[base.engine.timers(applications, effects.wake, lease_s=_WAKE_LEASE_S, parallel=4)],
        components=[Repeating("blobs.purge", _PURGE_EVERY_S, _purging(blobs, clock))],
    )


def _ministry(settings: Settings, backend: Backend) -> MinistrySystem:
    if settings.ministry_url is None or settings.ministry_token is None:
        return DevelopmentMinistry()
    headers = {"Authorization": f"Bearer {settings.ministry_token.get_secret_value()}"}
    return HttpMinistry(backend.http_client(settings.ministry_url, headers, _MINISTRY_TIMEOUT_S))


def _purging(blobs: Blobs, clock: Clock) -> Callable[[], Awaitable[None]]:
    async def purge() -> None:
        await blobs.purge(clock())

    return purge
