"""How kandas is put together."""

import logging
from functools import partial
from typing import Final

from libs.common.core.background import Repeating
from libs.common.core.values import Clock, NewId, new_id, utc_now
from libs.common.pki.trust import TrustAnchors
from libs.common.storage.blobs import Blobs
from libs.common.web.backend import Backend
from libs.common.web.service import App, build_base
from services.kandas.application.api import application_routes
from services.kandas.application.deadlines import Deadlines
from services.kandas.application.people import Particulars
from services.kandas.application.revocations import SignatureRevocations
from services.kandas.application.service import ApplicationService
from services.kandas.certificates.service import KnownCertificates
from services.kandas.collections import APPLICATIONS, CERTIFICATES
from services.kandas.documents.api import document_routes
from services.kandas.documents.renderer import DocumentRenderer
from services.kandas.documents.seal import Seal
from services.kandas.documents.service import SealedDocuments
from services.kandas.handlers import Handlers, Wakes
from services.kandas.ministry.client import DevelopmentMinistry, HttpMinistry, MinistrySystem
from services.kandas.ministry.service import MinistryChecks
from services.kandas.office.api import officer_routes
from services.kandas.office.service import OfficerService
from services.kandas.problems import PROBLEMS
from services.kandas.settings import Settings
from services.kandas.texts import TEXTS

_PURGE_EVERY_S: Final = 600.0
_MINISTRY_TIMEOUT_S: Final = 15.0
_WAKE_LEASE_S: Final = 60.0  # a large family's documents take a while


def build(settings: Settings, *, clock: Clock = utc_now, new_id: NewId = new_id, backend: Backend | None = None) -> App:
    """Make the application, with every collaborator in sight."""
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # at INFO it logs each table of each embedded font
    base = build_base("kandas", settings, clock, new_id, answers_key=Particulars.audience, backend=backend)
    law = settings.law
    trust = TrustAnchors.from_pem(settings.root_certificates.read_bytes(), settings.issuing_certificates.read_bytes())
    seal = Seal.from_file(
        settings.seal_file, settings.seal_passphrase.get_secret_value(), settings.revoked_certificates
    )
    blobs = base.blobs(Particulars.audience)

    known = base.engine.open(CERTIFICATES)
    stored = base.engine.open(APPLICATIONS)
    applications = stored.aggregates
    certificates = KnownCertificates(known.aggregates, clock)
    revocations = SignatureRevocations(applications, certificates, law=law, clock=clock)
    renderer = DocumentRenderer(seal, settings.fonts, settings.verify_url)
    documents = SealedDocuments(applications, blobs, renderer, law=law, clock=clock)
    citizens = ApplicationService(applications, certificates, blobs, law=law, trust=trust, clock=clock)
    officers = OfficerService(applications, revocations, blobs, law=law, clock=clock)
    checks = MinistryChecks(applications, revocations, _ministry(settings, base.backend), law=law, clock=clock)
    wakes = Wakes(applications, checks, documents, Deadlines(applications, blobs, law))

    return base.app(
        "Kandas status",
        routers=[
            application_routes(citizens, base.auth, base.idempotency),
            document_routes(documents, base.auth),
            officer_routes(officers, base.auth, base.idempotency),
        ],
        routes=Handlers(certificates, revocations).routes(),
        kinds=[stored, known],
        timers=[base.engine.timers(stored, wakes.wake, lease_s=_WAKE_LEASE_S, parallel=4)],
        components=[Repeating("blobs.purge", _PURGE_EVERY_S, partial(_purge, blobs, clock))],
        problems=PROBLEMS,
        texts=TEXTS,
    )


def _ministry(settings: Settings, backend: Backend) -> MinistrySystem:
    if settings.ministry_url is None or settings.ministry_token is None:
        return DevelopmentMinistry()
    headers = {"Authorization": f"Bearer {settings.ministry_token.get_secret_value()}"}
    return HttpMinistry(backend.http_client(settings.ministry_url, headers, _MINISTRY_TIMEOUT_S))


async def _purge(blobs: Blobs, clock: Clock) -> None:
    await blobs.purge(clock())
