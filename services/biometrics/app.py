"""How biometrics is put together."""

from datetime import timedelta
from typing import Final

from libs.common.core.background import Repeating
from libs.common.core.values import Clock, NewId, new_id, utc_now
from libs.common.web.backend import Backend
from libs.common.web.service import App, build_base
from services.biometrics.analysis.analyser import Analyser, open_analyser
from services.biometrics.analysis.known_faces import KnownFaces
from services.biometrics.analysis.pipeline import Pipeline
from services.biometrics.analysis.queue import AnalysisQueue
from services.biometrics.analysis.replay_check import ReplayCheck
from services.biometrics.analysis.service import ANALYSIS_LEASE, CheckAnalysis
from services.biometrics.audit.api import audit_routes
from services.biometrics.audit.service import Audit
from services.biometrics.capture.api import capture_routes
from services.biometrics.capture.pre_checks import PreChecks
from services.biometrics.capture.service import Captures
from services.biometrics.capture.uploads import Uploads
from services.biometrics.check.challenges import random_challenge
from services.biometrics.check.domain import NewChallenge
from services.biometrics.check.service import FaceChecks
from services.biometrics.collections import CHECKS, FACES, MEDIA_KEY
from services.biometrics.handlers import BiometricsEvents, NextStep
from services.biometrics.liveness.pad import detector
from services.biometrics.liveness.pad_result import NOT_CONFIGURED
from services.biometrics.metrics import FaceMetrics
from services.biometrics.problems import PROBLEMS
from services.biometrics.review.api import review_routes
from services.biometrics.review.links import Links
from services.biometrics.review.service import Reviews
from services.biometrics.settings import BiometricsSettings
from services.biometrics.texts import TEXTS

PURGE_EVERY_S: Final = 600.0
COUNT_EVERY_S: Final = 15.0
PAD_ROLE: Final = "presentation-attack-detection"
REGISTER_ROLE: Final = "register-portrait"
"""No register gives one: numbers, dates or a clerk (`CheckRules.review_documents`) tie documents to it."""


def build(
    settings: BiometricsSettings,
    *,
    clock: Clock = utc_now,
    new_id: NewId = new_id,
    backend: Backend | None = None,
    new_challenge: NewChallenge = random_challenge,
    analyser: Analyser | None = None,
) -> App:
    """Make the application, with every collaborator in sight."""
    base = build_base("biometrics", settings, clock, new_id, answers_key=MEDIA_KEY, backend=backend)
    rules = settings.rules
    checks, faces = base.engine.open(CHECKS), base.engine.open(FACES)
    uploads = Uploads(base.blobs(MEDIA_KEY))
    analyser = analyser or open_analyser(settings)
    queue = AnalysisQueue(checks.aggregates, clock)
    kept = timedelta(days=settings.same_face_days)
    metrics = FaceMetrics(base.metrics)
    known_faces = KnownFaces(faces.aggregates, kept, settings.same_face_most, clock)
    pipeline = Pipeline(
        uploads,
        analyser,
        clock,
        replays=ReplayCheck(base.reservations, base.keyring),
        reviewed=rules.review_documents,
        faces=known_faces if kept else None,
    )
    analysis = CheckAnalysis(
        checks.aggregates,
        pipeline,
        queue,
        rules=rules,
        clock=clock,
        new_challenge=new_challenge,
        metrics=metrics,
    )
    face_checks = FaceChecks(checks.aggregates, rules=rules, clock=clock, new_challenge=new_challenge)
    captures = Captures(checks.aggregates, uploads, queue, clock=clock, backlog=settings.backlog)
    pre_checks = PreChecks(checks.aggregates, analyser, clock)
    reviews = Reviews(
        checks.aggregates,
        uploads,
        Links(base.keyring, MEDIA_KEY, clock),
        rules=rules,
        clock=clock,
        new_challenge=new_challenge,
        metrics=metrics,
    )
    next_step = NextStep(
        checks.aggregates, face_checks=face_checks, captures=captures, analysis=analysis, reviews=reviews
    )
    lease_s, parallel = ANALYSIS_LEASE.total_seconds(), 2 * settings.workers
    for role, name in ((PAD_ROLE, detector(settings.pad_card)), (REGISTER_ROLE, NOT_CONFIGURED)):
        base.health.notes[role] = name
        metrics.models.labels(role, name).set(1)
    return base.app(
        "Face checks",
        problems=PROBLEMS,
        routers=[
            capture_routes(captures, pre_checks, base.auth),
            review_routes(reviews, base.auth),
            audit_routes(Audit(checks.aggregates), base.auth),
        ],
        routes=BiometricsEvents(face_checks).routes(),
        kinds=[checks, faces],
        timers=[
            base.engine.timers(checks, next_step, lease_s=lease_s, parallel=parallel),
            base.engine.timers(faces, known_faces.wake),  # also what was remembered under other settings
        ],
        components=[
            analyser,
            Repeating("blobs.purge", PURGE_EVERY_S, captures.purge),
            Repeating("face_checks.count", COUNT_EVERY_S, analysis.count_waiting),
        ],
        texts=TEXTS,
    )
