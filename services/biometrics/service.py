"""What biometrics does: load, look, decide, save with what follows."""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from libs.common.aggregates import Aggregates
from libs.common.blobs import BlobMissing, Blobs
from libs.common.contracts.people import Person
from libs.common.errors import Refused
from libs.common.events import Meta
from libs.common.sealing import Sealed
from libs.common.values import Clock
from services.biometrics import domain
from services.biometrics.analyser import Analyser
from services.biometrics.domain import (
    Analysing,
    CheckState,
    Closed,
    InReview,
    Remark,
    Review,
    Rules,
)
from services.biometrics.reports import Report
from services.biometrics.verdicts import DocumentFacts, Findings, Part, document_of, judge
from services.biometrics.workers import AnalysisTimeout, JobFailed, WorkerDied

log = structlog.get_logger()

MEDIA_KEPT_AT_MOST = timedelta(days=8)
"""A day more than a journey may last: if nobody says that it ended, media go all the same."""


class BiometricsService:
    """Face checks.

    Args:
        checks: per journey.
        analyser: looks at pictures, in processes of its own.
        today_offset: hours that the country is ahead of UTC, for the expiry of documents.
    """

    def __init__(
        self,
        checks: Aggregates[CheckState],
        blobs: Blobs,
        analyser: Analyser,
        *,
        rules: Rules,
        clock: Clock,
        new_challenge: domain.NewChallenge,
        today_offset: timedelta = timedelta(hours=5),
    ) -> None:
        self._checks = checks
        self._blobs = blobs
        self._analyser = analyser
        self._rules = rules
        self._clock = clock
        self._new_challenge = new_challenge
        self._today_offset = today_offset

    async def note(self, meta: Meta, *, person: Sealed[Person] | None = None, phone_proven: bool = False) -> None:
        """Add what an event told about a journey."""
        await self._checks.apply(
            meta.subject,
            lambda state: domain.note(
                state, self._new_challenge, self._rules, self._clock(), person=person, phone_proven=phone_proven
            ),
            cause=meta,
        )

    async def close(self, meta: Meta) -> None:
        """The journey ended."""
        await self._checks.apply(meta.subject, lambda state: domain.close(state, self._clock()), cause=meta)

    async def check(self, journey_id: str) -> CheckState:
        """Give where a face check stands.

        Raises:
            Refused: ``capture.not_open``: the phone is not confirmed yet.
        """
        state = await self._checks.get(journey_id)
        if state is None or isinstance(state, domain.Waiting):
            raise Refused("capture.not_open", "The face check begins once your phone is confirmed.", 404)
        return state

    async def receive(self, journey_id: str, part: Part, nonce: str, content: bytes) -> None:
        """Keep one capture, encrypted, and note it; the last one starts the analysis.

        Raises:
            Refused: see `services.biometrics.domain.receive`.
        """
        now = self._clock()
        domain.may_receive(await self._checks.get(journey_id), nonce, now)
        blob = f"{_media(journey_id)}{part}/{hashlib.sha256(content).hexdigest()}"
        try:
            await self._blobs.put(blob, content, purge_at=now + MEDIA_KEPT_AT_MOST)
        except BlobMissing:
            raise domain.over() from None  # the journey ended during the upload
        await self._checks.apply(journey_id, lambda state: domain.receive(state, part, nonce, blob, self._clock()))

    async def reviews(self) -> Sequence[tuple[str, InReview]]:
        """Give the face checks that wait for a clerk, the most urgent first."""
        found = await self._checks.find({"kind": "in_review"})
        waiting = [(key, state) for key, state in found if isinstance(state, InReview)]
        return sorted(waiting, key=lambda pair: pair[1].due_at)

    async def review(self, journey_id: str, *, matched: bool, clerk: str, reason: str) -> None:
        """Take in a clerk's decision. Its reason, which may speak of anybody, is kept sealed and never logged.

        Raises:
            Refused: ``review.not_waiting``: there is nothing to decide, or it was decided.
        """
        remark = Sealed(Remark(text=reason))
        decision = Review(clerk=clerk, matched=matched, at=self._clock(), remark=remark)
        await self._checks.apply(
            journey_id, lambda state: domain.review(state, decision, self._new_challenge, self._rules)
        )
        log.info("review.decided", subject=journey_id, matched=matched, clerk=clerk)

    async def picture(self, journey_id: str, part: Part, clerk: str) -> bytes:
        """Show a capture to the clerk who reviews it; every look is logged.

        Raises:
            Refused: ``review.not_waiting``: nobody may look outside a review.
        """
        state = await self._checks.get(journey_id)
        if not isinstance(state, InReview):
            raise Refused("review.not_waiting", "This face check does not wait for a decision.")
        log.info("review.looked", subject=journey_id, part=part, clerk=clerk)
        return await self._blobs.get(state.captures[part])

    async def wake(self, journey_id: str, now: datetime) -> None:
        """Do the next step of a face check that has one."""
        match await self._checks.get(journey_id):
            case Analysing() as state:
                await self._analyse(journey_id, state)
            case InReview():
                await self._checks.apply(
                    journey_id, lambda state: domain.review_overdue(state, self._new_challenge, self._rules, now)
                )
            case Closed():
                await self._blobs.delete_prefix(_media(journey_id))
                await self._checks.apply(journey_id, lambda state: domain.deleted(state, self._clock()))

    async def _analyse(self, journey_id: str, state: Analysing) -> None:
        try:
            findings = await self._look(state)
        except (WorkerDied, AnalysisTimeout, JobFailed) as error:
            log.warning("analysis.broke", subject=journey_id, failure=type(error).__name__, times=state.analyses + 1)
            await self._checks.apply(
                journey_id,
                lambda state: domain.analysis_broke(state, self._new_challenge, self._rules, self._clock()),
            )
            return
        today = (self._clock() + self._today_offset).date()
        verdict = judge(findings, state.person.value, today)
        log.info("analysis.done", subject=journey_id, band=verdict.band, reasons=verdict.reasons)
        await self._checks.apply(
            journey_id,
            lambda present: domain.conclude(
                present, state, verdict, self._new_challenge, rules=self._rules, now=self._clock()
            ),
        )

    async def _look(self, state: Analysing) -> Findings:
        """Analyse what was captured, and compare the faces if every part is good."""
        pictures = {part: await self._blobs.get(blob) for part, blob in state.captures.items()}
        selfie = await self._analyser.selfie(pictures["selfie"])
        clip = await self._analyser.clip(pictures["clip"], state.challenge.actions)
        parts = document_of(pictures)
        document = await self._analyser.document([pictures[part] for part in parts])
        reports: dict[Part, Report] = {"selfie": selfie, "clip": clip, **dict.fromkeys(parts, document)}
        faults = {part: tuple(report.guidance) for part, report in reports.items() if not report.ok}
        facts = document.mrz and DocumentFacts(
            iin=document.mrz.iin,
            document_number=document.mrz.document_number,
            birth_date=document.mrz.birth_date,
            expiry_date=document.mrz.expiry_date,
        )
        if faults:
            return Findings(faults=faults, parts=parts, document=facts, model=selfie.model)
        match = await self._analyser.match(selfie, clip, document)
        return Findings(parts=parts, document=facts, band=match.band, model=match.model)


def _media(journey_id: str) -> str:
    return f"captures/{journey_id}/"
