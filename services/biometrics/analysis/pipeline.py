"""From captures to an outcome: analyses, comparison of faces, judgement, and what is kept of them."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from libs.common.contracts.http.biometrics import Band
from libs.common.core.model import evolve
from libs.common.core.sealing import Sealed
from libs.common.core.values import Clock
from libs.common.storage.blobs import BlobMissing
from services.biometrics.analysis.analyser import Analyser
from services.biometrics.analysis.known_faces import KnownFaces
from services.biometrics.analysis.replay_check import USED_BEFORE, ReplayCheck
from services.biometrics.analysis.reports import AnalysisReport, ClipReport, DocumentReport, MatchResult
from services.biometrics.analysis.workers import AnalysisBroken, AnalysisTimeout
from services.biometrics.check.decision import DocumentFacts, Findings, Reviewed, judge, unconfirmed
from services.biometrics.check.parts import PARTS, SOURCES, Part, Source, document_of
from services.biometrics.check.records import AnalysisOutcome, Examined, Try
from services.biometrics.check.states import CheckAnalysing
from services.biometrics.check.templates import Template
from services.biometrics.media.decode import GuidanceKey

BeginStage = Callable[[Source], Awaitable[None]]
"""Called with what is analysed next."""
SEEN_BEFORE: Final = "face.seen_under_another_person"


class Media(Protocol):
    """Captures, as `services.biometrics.capture.uploads.Uploads` keeps them."""

    async def whole(self, place: str) -> bytes:
        """Return a capture's content; raises `BlobMissing` if there is none."""


class AnalysisFailed(Exception):
    """Analysing these parts gave no result, which says nothing about them; the cause says why."""

    def __init__(self, parts: tuple[Part, ...]) -> None:
        super().__init__(f"the analysis of {', '.join(parts)} gave no result")
        self.parts = parts


@dataclass(frozen=True, slots=True)
class _Analysed:
    """The results of the analyses. ``templates`` hold also what had passed in an earlier try."""

    parts: Mapping[Source, tuple[Part, ...]]
    hashes: Mapping[Part, str]
    reports: Mapping[Source, AnalysisReport]
    templates: Mapping[Source, Template]

    @property
    def kept(self) -> dict[Source, Sealed[Template]]:
        """What need not be analysed again. What raised doubts must be, or they would be forgotten."""
        doubtful = {source for source, report in self.reports.items() if report.doubts}
        return {source: Sealed(each) for source, each in self.templates.items() if source not in doubtful}

    @property
    def model(self) -> str:
        """The model that is loaded."""
        models = (report.model for report in self.reports.values())
        return next(filter(None, models), "") or next((each.model for each in self.templates.values()), "")


class Pipeline:
    """Analyses the captures of a try.

    Args:
        replays: notices what came before.
        reviewed: which documents clerks confirm.
        faces: of recent journeys, where they are to be searched.
        today_offset: hours that the country is ahead of UTC, for the expiry of documents.
    """

    def __init__(
        self,
        media: Media,
        analyser: Analyser,
        clock: Clock,
        *,
        replays: ReplayCheck,
        reviewed: Reviewed,
        faces: KnownFaces | None = None,
        today_offset: timedelta = timedelta(hours=5),
    ) -> None:
        self._media = media
        self._analyser = analyser
        self._clock = clock
        self._replays = replays
        self._reviewed = reviewed
        self._faces = faces
        self._today_offset = today_offset

    async def run(self, journey_id: str, state: CheckAnalysing, begin_stage: BeginStage) -> AnalysisOutcome:
        """Analyse what was captured and has not passed yet, compare faces if every part is good, and judge.

        What takes too long is for the citizen to capture otherwise; analysed again, it would take as long.

        Raises:
            AnalysisFailed: an analysis gave no result, or a capture is gone.
        """
        known = {source: each.value for source, each in state.templates.items()}
        analysed = await self._reports(journey_id, state, known, begin_stage)
        if any(each.model != analysed.model for each in analysed.templates.values()):
            # Another model was mounted since: what the older one made is not compared, but made anew.
            analysed = await self._reports(journey_id, state, {}, begin_stage)
        return await self._outcome(journey_id, state, analysed)

    async def _outcome(self, journey_id: str, state: CheckAnalysing, analysed: _Analysed) -> AnalysisOutcome:
        findings = _findings(analysed)
        match: MatchResult | None = None
        if not findings.faults and set(analysed.templates) == set(SOURCES):
            match = await self._match(analysed)
            seen = await self._seen_before(journey_id, state, analysed, match)
            signals = (*findings.signals, *seen, *unconfirmed(state.person.value, self._reviewed))
            findings = evolve(findings, Findings, band=match.band, signals=signals)
        today = (self._clock() + self._today_offset).date()
        verdict = judge(findings, state.person.value, today)
        record = Try(
            at=self._clock(),
            band=verdict.band,
            reasons=verdict.reasons,
            model=analysed.model,
            hashes=analysed.hashes,
            examined={source: _examined(report) for source, report in analysed.reports.items()},
            distances={} if match is None else dict[str, float](match.distances.items()),
            bands={} if match is None else dict[str, Band](match.bands.items()),
            signals=findings.signals,
        )
        return AnalysisOutcome(state.captures, verdict, record, analysed.kept)

    async def _reports(
        self, journey_id: str, state: CheckAnalysing, known: Mapping[Source, Template], begin_stage: BeginStage
    ) -> _Analysed:
        parts = _parts(state)
        hashes: dict[Part, str] = {}
        reports: dict[Source, AnalysisReport] = {}
        for source in SOURCES:
            if source in known:
                continue
            await begin_stage(source)
            with _analysing(parts[source]):
                media = [await self._media.whole(state.captures[part]) for part in parts[source]]
                for part, content in zip(parts[source], media, strict=True):
                    hashes[part] = (await asyncio.to_thread(hashlib.sha256, content)).hexdigest()
                copied = await self._copied(journey_id, state, source, hashes)
                reports[source] = copied or await self._report(source, media, state.challenge.actions)
        fresh = {source: template for source, report in reports.items() if (template := _template(report))}
        return _Analysed(parts, hashes, reports, {**known, **fresh})

    async def _copied(
        self, journey_id: str, state: CheckAnalysing, source: Source, hashes: Mapping[Part, str]
    ) -> AnalysisReport | None:
        """Send back, without an analysis, a selfie or a clip that came before."""
        if source == "document":
            return None
        used = await self._replays.used_before(source, hashes[source], journey_id, state.challenge)
        return _not_analysed(USED_BEFORE[source]) if used else None

    async def _report(self, source: Source, media: list[bytes], challenge: tuple[str, ...]) -> AnalysisReport:
        try:
            match source:
                case "selfie":
                    return await self._analyser.selfie(media[0])
                case "clip":
                    return await self._analyser.clip(media[0], challenge)
                case "document":
                    return await self._analyser.document(media)
        except AnalysisTimeout:
            return _not_analysed(GuidanceKey(f"{source}.takes_too_long"))

    async def _match(self, analysed: _Analysed) -> MatchResult:
        faces = analysed.templates
        with _analysing(PARTS):
            return await self._analyser.match(faces["selfie"], faces["clip"], faces["document"])

    async def _seen_before(
        self, journey_id: str, state: CheckAnalysing, analysed: _Analysed, match: MatchResult
    ) -> tuple[str, ...]:
        """Search for the face under other persons, and remember it for those who come after."""
        if self._faces is None or match.band == "no_match":
            return ()
        face = analysed.templates["selfie"]
        others = await self._faces.of_others(state.person_ref, face.model)
        with _analysing(PARTS):
            alike = await self._analyser.alike(face, face.model, [each.embedding for each in others]) if others else 0
        await self._faces.remember(journey_id, state.person_ref, face)
        return (SEEN_BEFORE,) if alike else ()


@contextmanager
def _analysing(parts: tuple[Part, ...]) -> Iterator[None]:
    """Name the parts of what breaks here."""
    try:
        yield
    except (AnalysisBroken, BlobMissing) as error:
        raise AnalysisFailed(parts) from error


def _parts(state: CheckAnalysing) -> dict[Source, tuple[Part, ...]]:
    return {"selfie": ("selfie",), "clip": ("clip",), "document": document_of(state.captures)}


def _findings(analysed: _Analysed) -> Findings:
    faults: dict[Part, tuple[str, ...]] = {
        part: tuple(report.guidance)
        for source, report in analysed.reports.items()
        for part in analysed.parts[source]
        if not report.ok
    }
    document = analysed.reports.get("document")
    facts = _facts(document) if document is not None else analysed.templates["document"].document
    signals = tuple(dict.fromkeys(key for report in analysed.reports.values() for key in report.doubts))
    parts = analysed.parts["document"]
    return Findings(faults=faults, parts=parts, document=facts, model=analysed.model, signals=signals)


def _facts(report: AnalysisReport) -> DocumentFacts | None:
    if not isinstance(report, DocumentReport) or report.mrz is None:
        return None
    zone = report.mrz
    return DocumentFacts(
        iin=zone.iin,
        document_number=zone.document_number,
        birth_date=zone.birth_date,
        expiry_date=zone.expiry_date,
    )


def _not_analysed(key: GuidanceKey) -> AnalysisReport:
    """Report on what was not analysed, or not to the end."""
    return AnalysisReport(guidance=(key,), measures={}, profile="", model="")


def _template(report: AnalysisReport) -> Template | None:
    if not report.ok or report.embedding is None:
        return None
    return Template(model=report.model, embedding=report.embedding, document=_facts(report))


def _examined(report: AnalysisReport) -> Examined:
    return Examined(
        profile=report.profile,
        model=report.model,
        measures=report.measures,
        limits=report.limits,
        guidance=tuple(report.guidance),
        doubts=tuple(report.doubts),
        pad=report.pad if isinstance(report, ClipReport) else None,
    )
