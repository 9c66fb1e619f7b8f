"""How biometrics is put together."""

import secrets
from datetime import timedelta
from typing import Any, Final

from libs.common.core.background import Repeating
from libs.common.core.values import Clock, NewId, new_id, utc_now
from libs.common.delivery.engine import Collection
from libs.common.storage.blobs import Blobs
from libs.common.web.backend import Backend
from libs.common.web.service import App, ServiceBase, build_base
from services.biometrics import states
from services.biometrics.analysis import analyses
from services.biometrics.analysis.analyser import Analyser, StubAnalyser, WorkerAnalyser
from services.biometrics.analysis.workers import Workers
from services.biometrics.audit.api import audit_routes
from services.biometrics.audit.service import Audit
from services.biometrics.capture.api import capture_routes
from services.biometrics.capture.originals import Originals
from services.biometrics.capture.prechecks import PreChecks
from services.biometrics.capture.uploads import Uploads
from services.biometrics.examination import Examination
from services.biometrics.face import faces
from services.biometrics.face.faces import Faces
from services.biometrics.handlers import Handlers
from services.biometrics.liveness.challenge import STEADY
from services.biometrics.liveness.pad import read_card
from services.biometrics.liveness.pad_result import NOT_CONFIGURED
from services.biometrics.review.api import review_routes
from services.biometrics.review.service import Links, Reviews
from services.biometrics.service import ANALYSIS_LEASE, BiometricsService
from services.biometrics.settings import Settings
from services.biometrics.states import Challenge

MEDIA_KEY: Final = "biometrics"
PURGE_EVERY_S: Final = 600.0
COUNT_EVERY_S: Final = 15.0
PAD_ROLE: Final = "presentation-attack-detection"
REGISTER_ROLE: Final = "register-portrait"
"""No register gives one: documents are tied to it by numbers and dates, or by a clerk (`Rules.review_documents`)."""
SEARCHED: Final = (("kind", "since"), ("kind", "due_at"))


def build(settings: Settings, *, clock: Clock = utc_now, new_id: NewId = new_id, backend: Backend | None = None) -> App:
    """Make the application, with every collaborator in sight."""
    base = build_base("biometrics", settings, clock, new_id, answers_key=MEDIA_KEY, backend=backend)
    checks = base.engine.kind(states.Check, "checks", searched=SEARCHED)
    seen = base.engine.kind(faces.Face, "faces", searched=(("kind", "model", "at"),))
    blobs = base.blobs(MEDIA_KEY)
    uploads = Uploads(blobs)
    analyser, workers = _analyser(settings)
    _show_roles(base, settings)
    kept = timedelta(days=settings.same_face_days)
    # The timers run even if nothing is remembered any more: what was remembered before is still to be forgotten.
    remembered = Faces(seen.aggregates, kept, settings.same_face_most, clock)
    examination = Examination(
        uploads,
        analyser,
        clock,
        originals=Originals(base.reservations, base.keyring),
        reviewed=settings.rules.review_documents,
        faces=remembered if kept else None,
    )
    service = _service(base, settings, checks, uploads, examination)
    return base.app(
        "Face checks",
        routers=[
            capture_routes(service, PreChecks(checks.aggregates, analyser, clock), base.auth),
            review_routes(_reviews(base, settings, checks, uploads), base.auth),
            audit_routes(Audit(checks.aggregates), base.auth),
        ],
        routes=Handlers(service).routes(),
        kinds=[checks, seen],
        timers=[
            base.engine.timers(
                checks, service.wake, lease_s=ANALYSIS_LEASE.total_seconds(), parallel=2 * settings.workers
            ),
            base.engine.timers(seen, remembered.wake),
        ],
        components=[
            *workers,
            _purging(blobs, clock),
            Repeating("face_checks.count", COUNT_EVERY_S, service.count_waiting),
        ],
    )


def _service(
    base: ServiceBase, settings: Settings, checks: Collection[Any], uploads: Uploads, examination: Examination
) -> BiometricsService:
    return BiometricsService(
        checks.aggregates,
        uploads,
        examination,
        rules=settings.rules,
        clock=base.clock,
        new_challenge=random_challenge,
        metrics=base.metrics,
        backlog=settings.backlog,
    )


def _reviews(base: ServiceBase, settings: Settings, checks: Collection[Any], uploads: Uploads) -> Reviews:
    return Reviews(
        checks.aggregates,
        uploads,
        Links(base.keyring, MEDIA_KEY, base.clock),
        rules=settings.rules,
        clock=base.clock,
        new_challenge=random_challenge,
        metrics=base.metrics,
    )


def _purging(blobs: Blobs, clock: Clock) -> Repeating:
    """Delete media whose time is over, whether or not anybody said that their journey ended."""

    async def purge() -> None:
        await blobs.purge(clock())

    return Repeating("blobs.purge", PURGE_EVERY_S, purge)


def _show_roles(base: ServiceBase, settings: Settings) -> None:
    """Say in health and metrics which model serves a role that may be left open."""
    detector = NOT_CONFIGURED if settings.pad_card is None else read_card(settings.pad_card).id
    for role, name in ((PAD_ROLE, detector), (REGISTER_ROLE, NOT_CONFIGURED)):
        base.health.notes[role] = name
        base.metrics.models.labels(role, name).set(1)


def _analyser(settings: Settings) -> tuple[Analyser, list[Workers]]:
    if settings.analyser == "stub":
        return StubAnalyser(settings.profile), []
    workers = Workers(settings.workers, analyses.load, settings.models, settings.pad_card, timeout=settings.look_s)
    return WorkerAnalyser(workers), [workers]


def random_challenge() -> Challenge:
    """Draw one of `STEADY`, each as likely as the other, and mostly a blink in a random place; and 128 random bits.

    People blink of themselves: whoever replays a clip with blinks in it has one chance in as many as `STEADY` has.
    """
    chance = secrets.SystemRandom()
    actions = list(chance.choice(STEADY))
    if "closer" not in actions or chance.choice((True, False)):  # turns alone are few movements
        actions.insert(chance.randrange(len(actions) + 1), "blink")
    return Challenge(actions=tuple(actions), nonce=secrets.token_urlsafe(16))
