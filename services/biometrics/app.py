"""How biometrics is put together."""

import secrets
from datetime import timedelta
from typing import Final

from libs.common.background import Repeating
from libs.common.blobs import Blobs
from libs.common.engine import Kind
from libs.common.platform import App, Platform, lay_out
from libs.common.values import Clock, NewId, new_id, utc_now
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


def build(settings: Settings, *, clock: Clock = utc_now, new_id: NewId = new_id) -> App:
    """Make the application, with every collaborator in sight."""
    platform = lay_out("biometrics", settings, clock, new_id, answers_key=MEDIA_KEY)
    checks = platform.engine.kind(states.Check, "checks", searched=SEARCHED)
    seen = platform.engine.kind(faces.Face, "faces", searched=(("kind", "model", "at"),))
    blobs = Blobs(platform.database, platform.keyring, clock, MEDIA_KEY)
    uploads = Uploads(blobs)
    analyser, workers = _analyser(settings)
    _show_roles(platform, settings)
    kept = timedelta(days=settings.same_face_days)
    # The timers run even if nothing is remembered any more: what was remembered before is still to be forgotten.
    remembered = Faces(seen.aggregates, kept, settings.same_face_most, clock)
    examination = Examination(
        uploads,
        analyser,
        clock,
        originals=Originals(platform.reservations, platform.keyring),
        reviewed=settings.rules.review_documents,
        faces=remembered if kept else None,
    )
    service = _service(platform, settings, checks, uploads, examination)
    return platform.app(
        "Face checks",
        routers=[
            capture_routes(service, PreChecks(checks.aggregates, analyser, clock), platform.auth),
            review_routes(_reviews(platform, settings, checks, uploads), platform.auth),
            audit_routes(Audit(checks.aggregates), platform.auth),
        ],
        routes=Handlers(service).routes(),
        kinds=[checks, seen],
        timers=[
            platform.engine.timers(
                checks, service.wake, lease_s=ANALYSIS_LEASE.total_seconds(), parallel=2 * settings.workers
            ),
            platform.engine.timers(seen, remembered.wake),
        ],
        components=[
            *workers,
            _purging(blobs, clock),
            Repeating("face_checks.count", COUNT_EVERY_S, service.count_waiting),
        ],
    )


def _service(
    platform: Platform, settings: Settings, checks: Kind, uploads: Uploads, examination: Examination
) -> BiometricsService:
    return BiometricsService(
        checks.aggregates,
        uploads,
        examination,
        rules=settings.rules,
        clock=platform.clock,
        new_challenge=random_challenge,
        metrics=platform.metrics,
        backlog=settings.backlog,
    )


def _reviews(platform: Platform, settings: Settings, checks: Kind, uploads: Uploads) -> Reviews:
    return Reviews(
        checks.aggregates,
        uploads,
        Links(platform.keyring, MEDIA_KEY, platform.clock),
        rules=settings.rules,
        clock=platform.clock,
        new_challenge=random_challenge,
        metrics=platform.metrics,
    )


def _purging(blobs: Blobs, clock: Clock) -> Repeating:
    """Delete media whose time is over, whether or not anybody said that their journey ended."""

    async def purge() -> None:
        await blobs.purge(clock())

    return Repeating("blobs.purge", PURGE_EVERY_S, purge)


def _show_roles(platform: Platform, settings: Settings) -> None:
    """Say in health and metrics which model serves a role that may be left open."""
    detector = NOT_CONFIGURED if settings.pad_card is None else read_card(settings.pad_card).id
    for role, name in ((PAD_ROLE, detector), (REGISTER_ROLE, NOT_CONFIGURED)):
        platform.health.notes[role] = name
        platform.metrics.models.labels(role, name).set(1)


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
