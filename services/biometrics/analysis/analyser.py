"""The port through which the service has media analysed: its real implementation, and one for benchmarks."""

from typing import Protocol

from services.biometrics.analysis import analyses
from services.biometrics.analysis.reports import ClipReport, DocumentReport, Embedded, MatchResult, SelfieReport
from services.biometrics.analysis.workers import Workers
from services.biometrics.document.mrz import Mrz
from services.biometrics.models.model_card import DLIB_RESNET_V1
from services.biometrics.settings import BiometricsSettings


class Analyser(Protocol):
    """Analyses media. Raises `AnalysisBroken` where it gives no result."""

    async def start(self) -> None:
        """Make ready; called once, before the first analysis."""

    async def stop(self) -> None:
        """End."""

    async def selfie(self, data: bytes) -> SelfieReport:
        """See `analyses.analyse_selfie`."""

    async def precheck(self, data: bytes) -> SelfieReport:
        """See `analyses.precheck_selfie`."""

    async def clip(self, data: bytes, challenge: tuple[str, ...]) -> ClipReport:
        """See `analyses.analyse_clip`."""

    async def document(self, pictures: list[bytes]) -> DocumentReport:
        """See `analyses.analyse_document`."""

    async def match(self, selfie: Embedded, clip: Embedded, document: Embedded) -> MatchResult:
        """See `analyses.match`."""

    async def alike(self, face: Embedded, model: str, others: list[bytes]) -> int:
        """See `analyses.alike`."""


class WorkerAnalyser:
    """Analyses in worker processes that were prepared with `analyses.load`."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    async def start(self) -> None:
        """Start the workers; see `Workers.start`."""
        await self._workers.start()

    async def stop(self) -> None:
        """Stop the workers; see `Workers.stop`."""
        await self._workers.stop()

    async def selfie(self, data: bytes) -> SelfieReport:
        """Judge and embed a selfie."""
        return await self._workers.run(analyses.analyse_selfie, data)

    async def precheck(self, data: bytes) -> SelfieReport:
        """Judge a selfie without embedding it."""
        return await self._workers.run(analyses.precheck_selfie, data)

    async def clip(self, data: bytes, challenge: tuple[str, ...]) -> ClipReport:
        """Judge a clip against its challenge."""
        return await self._workers.run(analyses.analyse_clip, data, challenge)

    async def document(self, pictures: list[bytes]) -> DocumentReport:
        """Read an identity document."""
        return await self._workers.run(analyses.analyse_document, pictures)

    async def match(self, selfie: Embedded, clip: Embedded, document: Embedded) -> MatchResult:
        """Compare three faces."""
        return await self._workers.run(analyses.match, selfie, clip, document)

    async def alike(self, face: Embedded, model: str, others: list[bytes]) -> int:
        """Count faces that match."""
        return await self._workers.run(analyses.alike, face, model, others)


def open_analyser(settings: BiometricsSettings) -> Analyser:
    """Make the analyser that the settings name."""
    if settings.analyser == "stub":
        return StubAnalyser(settings.profile)
    return WorkerAnalyser(
        Workers(settings.workers, analyses.load, settings.models, settings.pad_card, timeout=settings.look_s)
    )


def stub_picture(comment: bytes) -> bytes:
    """Make a JPEG that is nothing but a comment (ITU-T T.81, B.2.4.5), of at most 65,533 bytes."""
    return b"\xff\xd8\xff\xfe" + (len(comment) + 2).to_bytes(2) + comment + b"\xff\xd9"


def _comment(picture: bytes) -> bytes:
    return picture[6:-2]


class StubAnalyser:
    """Analyses nothing and passes everyone, so that a benchmark measures messaging and not vision.

    In place of pictures the benchmark uploads what `stub_picture` makes: for the back of a card, of the JSON of the
    `Mrz` that would be read off it.
    """

    def __init__(self, profile: str) -> None:
        """Refuse, with a ValueError, to exist under any profile but `bench`."""
        if profile != "bench":
            raise ValueError(f"StubAnalyser passes everyone: it serves the profile 'bench' only, not {profile!r}.")

    async def start(self) -> None:
        """Do nothing: there is nothing to start."""

    async def stop(self) -> None:
        """Do nothing."""

    _EMBEDDING = bytes(4 * DLIB_RESNET_V1.dimensions)

    async def selfie(self, data: bytes) -> SelfieReport:  # noqa: ARG002 - analyses nothing
        """Pass."""
        return SelfieReport(guidance=(), measures={}, profile="stub", model="stub", embedding=self._EMBEDDING)

    async def precheck(self, data: bytes) -> SelfieReport:  # noqa: ARG002 - analyses nothing
        """Pass."""
        return SelfieReport(guidance=(), measures={}, profile="stub", model="stub")

    async def clip(self, data: bytes, challenge: tuple[str, ...]) -> ClipReport:  # noqa: ARG002 - analyses nothing
        """Pass."""
        return ClipReport(guidance=(), measures={}, profile="stub", model="stub", embedding=self._EMBEDDING)

    async def document(self, pictures: list[bytes]) -> DocumentReport:
        """Pass, with the zone that the last upload holds as JSON."""
        mrz = Mrz.model_validate_json(_comment(pictures[-1]))
        return DocumentReport(
            guidance=(), measures={}, profile="stub", model="stub", embedding=self._EMBEDDING, mrz=mrz
        )

    async def match(self, selfie: Embedded, clip: Embedded, document: Embedded) -> MatchResult:  # noqa: ARG002 - as above
        """Match."""
        return MatchResult(
            distances={"selfie-clip": 0.0, "selfie-document": 0.0, "clip-document": 0.0},
            bands={"selfie-clip": "match", "selfie-document": "match", "clip-document": "match"},
            model="stub",
        )

    async def alike(self, face: Embedded, model: str, others: list[bytes]) -> int:  # noqa: ARG002 - analyses nothing
        """Find nobody."""
        return 0
