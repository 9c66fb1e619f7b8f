"""How biometrics is put together."""

import secrets
from typing import Final

from libs.common.background import Repeating
from libs.common.blobs import Blobs
from libs.common.platform import App, lay_out
from libs.common.values import Clock, NewId, new_id, utc_now
from services.biometrics import analysis, api, domain
from services.biometrics.analyser import Analyser, StubAnalyser, WorkerAnalyser
from services.biometrics.challenge import Action
from services.biometrics.domain import Challenge
from services.biometrics.handlers import Handlers
from services.biometrics.pad import NOT_CONFIGURED, read_card
from services.biometrics.service import BiometricsService
from services.biometrics.settings import Settings
from services.biometrics.workers import Workers

MEDIA_KEY: Final = "biometrics"
PURGE_EVERY_S: Final = 600.0
ANALYSIS_LEASE_S: Final = 120.0
PAD_ROLE: Final = "presentation-attack-detection"


def build(settings: Settings, *, clock: Clock = utc_now, new_id: NewId = new_id) -> App:
    """Make the application, with every collaborator in sight."""
    platform = lay_out("biometrics", settings, clock, new_id, answers_key=MEDIA_KEY)
    checks = platform.engine.kind(domain.Check, "checks", searched=("kind",))
    blobs = Blobs(platform.database, platform.keyring, clock, MEDIA_KEY)
    analyser, workers = _analyser(settings)
    detector = NOT_CONFIGURED if settings.pad_card is None else read_card(settings.pad_card).id
    platform.health.notes[PAD_ROLE] = detector
    platform.metrics.models.labels(PAD_ROLE, detector).set(1)
    service = BiometricsService(
        checks.aggregates, blobs, analyser, rules=settings.rules, clock=clock, new_challenge=random_challenge
    )

    async def purge() -> None:
        await blobs.purge(clock())

    return platform.app(
        "Face checks",
        routers=[api.capture_routes(service, platform.auth), api.review_routes(service, platform.auth)],
        routes=Handlers(service).routes(),
        kinds=[checks],
        timers=[platform.engine.timers(checks, service.wake, lease_s=ANALYSIS_LEASE_S, parallel=2 * settings.workers)],
        components=[*workers, Repeating("blobs.purge", PURGE_EVERY_S, purge)],
    )


def _analyser(settings: Settings) -> tuple[Analyser, list[Workers]]:
    if settings.analyser == "stub":
        return StubAnalyser(settings.profile), []
    workers = Workers(settings.workers, analysis.load, settings.models, settings.pad_card)
    return WorkerAnalyser(workers), [workers]


def random_challenge() -> Challenge:
    """Draw a challenge: both turns in a random order, and a blink or coming closer in a random place."""
    generator = secrets.SystemRandom()
    actions: list[Action] = ["left", "right", generator.choice(("blink", "closer"))]
    generator.shuffle(actions)
    return Challenge(actions=tuple(actions), nonce=secrets.token_urlsafe(16))
