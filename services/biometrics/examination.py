"""Looking at what was captured: analyses, comparison, and what is kept of them."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from libs.common.core.sealing import Sealed
from libs.common.core.values import Clock
from libs.common.storage.blobs import BlobMissing
from services.biometrics.analysis.analyser import Analyser
from services.biometrics.analysis.reports import ClipReport, DocumentReport, MatchResult, Report
from services.biometrics.analysis.workers import AnalysisBroken, AnalysisTimeout
from services.biometrics.capture.originals import USED_BEFORE, Originals
from services.biometrics.capture.uploads import Uploads
from services.biometrics.face.faces import Faces
from services.biometrics.face.templates import SOURCES, Source, Template
from services.biometrics.media.decode import GuidanceKey
from services.biometrics.records import Examined, Outcome, Try
from services.biometrics.states import Analysing
from services.biometrics.verdicts import PARTS, DocumentFacts, Findings, Part, Reviewed, document_of, judge, unconfirmed

Announce = Callable[[Source], Awaitable[None]]
"""Told what is looked at next."""
SEEN_BEFORE: Final = "face.seen_under_another_person"


class LookBroken(Exception):
    """Looking at these parts gave no result, which says nothing about them; the cause says why."""

    def __init__(self, parts: tuple[Part, ...]) -> None:
        super().__init__(f"the look at {', '.join(parts)} gave no result")
        self.parts = parts


@dataclass(frozen=True, slots=True)
class _Looked:
    """What the analyses told. ``templates`` hold also what had passed in an earlier try."""

    parts: Mapping[Source, tuple[Part, ...]]
    hashes: Mapping[Part, str]
    reports: Mapping[Source, Report]
    templates: Mapping[Source, Template]

    @property
    def kept(self) -> dict[Source, Sealed[Template]]:
        """What need not be looked at again. What raised doubts must be, or they would be forgotten."""
        doubtful = {source for source, report in self.reports.items() if report.doubts}
        return {source: Sealed(each) for source, each in self.templates.items() if source not in doubtful}

    @property
    def model(self) -> str:
        """The model that is loaded."""
        models = (report.model for report in self.reports.values())
        return next(filter(None, models), "") or next((each.model for each in self.templates.values()), "")


class Examination:
    """Examines captures.

    Args:
        originals: what came before.
        reviewed: which documents clerks confirm.
        faces: of recent journeys, where they are to be searched.
        today_offset: hours that the country is ahead of UTC, for the expiry of documents.
    """

    def __init__(
        self,
        uploads: Uploads,
        analyser: Analyser,
        clock: Clock,
        *,
        originals: Originals,
        reviewed: Reviewed,
        faces: Faces | None = None,
        today_offset: timedelta = timedelta(hours=5),
    ) -> None:
        self._uploads = uploads
        self._analyser = analyser
        self._clock = clock
        self._originals = originals
        self._reviewed = reviewed
        self._faces = faces
        self._today_offset = today_offset

    async def look(self, journey_id: str, state: Analysing, announce: Announce) -> Outcome:
        """Announce and look at what was captured and not yet examined, compare faces if every part is good, and judge.

        What takes too long to look at is for the citizen to capture otherwise; looked at again, it would take as long.

        Raises:
            LookBroken: an analysis gave no result, or a capture is gone.
        """
        known = {source: each.value for source, each in state.templates.items()}
        looked = await self._reports(journey_id, state, known, announce)
        if any(each.model != looked.model for each in looked.templates.values()):
            # Another model was mounted since: what the older one made is not compared, but made anew.
            looked = await self._reports(journey_id, state, {}, announce)
        return await self._outcome(journey_id, state, looked)

    async def _outcome(self, journey_id: str, state: Analysing, looked: _Looked) -> Outcome:
        findings = _findings(looked)
        match: MatchResult | None = None
        if not findings.faults and set(looked.templates) == set(SOURCES):
            match = await self._match(looked)
            seen = await self._seen_before(journey_id, state, looked, match)
            signals = (*findings.signals, *seen, *unconfirmed(state.person.value, self._reviewed))
            findings = findings.model_copy(update={"band": match.band, "signals": signals})
        today = (self._clock() + self._today_offset).date()
        verdict = judge(findings, state.person.value, today)
        record = Try(
            at=self._clock(),
            band=verdict.band,
            reasons=verdict.reasons,
            model=looked.model,
            hashes=looked.hashes,
            examined={source: _examined(report) for source, report in looked.reports.items()},
            distances={} if match is None else dict(match.distances),
            bands={} if match is None else dict(match.bands),
            signals=findings.signals,
        )
        return Outcome(state.captures, verdict, record, looked.kept)

    async def _reports(
        self, journey_id: str, state: Analysing, known: Mapping[Source, Template], announce: Announce
    ) -> _Looked:
        parts = _parts(state)
        hashes: dict[Part, str] = {}
        reports: dict[Source, Report] = {}
        for source in SOURCES:
            if source in known:
                continue
            await announce(source)
            with _looking_at(parts[source]):
                media = [await self._uploads.whole(state.captures[part]) for part in parts[source]]
                for part, content in zip(parts[source], media, strict=True):
                    hashes[part] = (await asyncio.to_thread(hashlib.sha256, content)).hexdigest()
                copied = await self._copied(journey_id, state, source, hashes)
                reports[source] = copied or await self._report(source, media, state.challenge.actions)
        fresh = {source: template for source, report in reports.items() if (template := _template(report))}
        return _Looked(parts, hashes, reports, {**known, **fresh})

    async def _copied(
        self, journey_id: str, state: Analysing, source: Source, hashes: Mapping[Part, str]
    ) -> Report | None:
        """Send back, without a look, a selfie or a clip that came before."""
        if source == "document":
            return None
        used = await self._originals.used_before(source, hashes[source], journey_id, state.challenge)
        return _unseen(USED_BEFORE[source]) if used else None

    async def _report(self, source: Source, media: list[bytes], challenge: tuple[str, ...]) -> Report:
        try:
            match source:
                case "selfie":
                    return await self._analyser.selfie(media[0])
                case "clip":
                    return await self._analyser.clip(media[0], challenge)
                case "document":
                    return await self._analyser.document(media)
        except AnalysisTimeout:
            return _unseen(GuidanceKey(f"{source}.takes_too_long"))

    async def _match(self, looked: _Looked) -> MatchResult:
        faces = looked.templates
        with _looking_at(PARTS):
            return await self._analyser.match(faces["selfie"], faces["clip"], faces["document"])

    async def _seen_before(
        self, journey_id: str, state: Analysing, looked: _Looked, match: MatchResult
    ) -> tuple[str, ...]:
        """Look for the face under other persons, and remember it for those who come after."""
        if self._faces is None or match.band == "no_match":
            return ()
        face = looked.templates["selfie"]
        others = await self._faces.of_others(state.person_ref, face.model)
        with _looking_at(PARTS):
            alike = await self._analyser.alike(face, face.model, [each.embedding for each in others]) if others else 0
        await self._faces.remember(journey_id, state.person_ref, face)
        return (SEEN_BEFORE,) if alike else ()


@contextmanager
def _looking_at(parts: tuple[Part, ...]) -> Iterator[None]:
    """Say of what breaks here which parts were looked at."""
    try:
        yield
    except (AnalysisBroken, BlobMissing) as error:
        raise LookBroken(parts) from error


def _parts(state: Analysing) -> dict[Source, tuple[Part, ...]]:
    return {"selfie": ("selfie",), "clip": ("clip",), "document": document_of(state.captures)}


def _findings(looked: _Looked) -> Findings:
    faults: dict[Part, tuple[str, ...]] = {
        part: tuple(report.guidance)
        for source, report in looked.reports.items()
        for part in looked.parts[source]
        if not report.ok
    }
    document = looked.reports.get("document")
    facts = _facts(document) if document is not None else looked.templates["document"].document
    signals = tuple(dict.fromkeys(key for report in looked.reports.values() for key in report.doubts))
    parts = looked.parts["document"]
    return Findings(faults=faults, parts=parts, document=facts, model=looked.model, signals=signals)


def _facts(report: Report) -> DocumentFacts | None:
    if not isinstance(report, DocumentReport) or report.mrz is None:
        return None
    zone = report.mrz
    return DocumentFacts(
        iin=zone.iin,
        document_number=zone.document_number,
        birth_date=zone.birth_date,
        expiry_date=zone.expiry_date,
    )


def _unseen(key: GuidanceKey) -> Report:
    """Report on what was not looked at, or not to the end."""
    return Report(guidance=(key,), measures={}, profile="", model="")


def _template(report: Report) -> Template | None:
    if not report.ok or report.embedding is None:
        return None
    return Template(model=report.model, embedding=report.embedding, document=_facts(report))


def _examined(report: Report) -> Examined:
    return Examined(
        profile=report.profile,
        model=report.model,
        measures=report.measures,
        limits=report.limits,
        guidance=tuple(report.guidance),
        doubts=tuple(report.doubts),
        pad=report.pad if isinstance(report, ClipReport) else None,
    )
