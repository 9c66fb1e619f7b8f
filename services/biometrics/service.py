"""What biometrics does for citizens: load, look, decide, save with what follows."""

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog

from libs.common.contracts.events import Meta
from libs.common.core.errors import Refused, Retryable
from libs.common.core.metrics import Metrics
from libs.common.core.values import Clock
from libs.common.delivery.aggregates import Aggregates
from libs.common.storage.blobs import BlobMissing
from services.biometrics import domain
from services.biometrics.analysis.line import Line
from services.biometrics.capture.uploads import Sending, Uploads, wrong_offset
from services.biometrics.examination import Examination, LookBroken
from services.biometrics.face.templates import Source
from services.biometrics.states import Analysing, CheckState, Closed, InReview, Open, Rules, Session, Waiting
from services.biometrics.verdicts import Part

log = structlog.get_logger()

ANALYSIS_LEASE: Final = timedelta(minutes=2)
"""How long a look at all captures of a try may take before another process begins it anew."""
COME_BACK_AFTER: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Chunks:
    """A request that brings bytes of a capture.

    Args:
        upload: names the upload among those of its part.
        nonce: of the challenge that it was captured for.
        offset: of the first byte.
        length: of the whole upload; None: it is whole when this request is.
    """

    part: Part
    upload: str
    nonce: str
    content: AsyncIterator[bytes]
    offset: int = 0
    length: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the look at captures is: how many citizens are before this one, and what is being looked at."""

    ahead: int
    stage: str | None


class BiometricsService:
    """Face checks.

    Args:
        checks: per journey.
        backlog: how many face checks may wait to be looked at before uploads are asked to come back.
    """

    def __init__(
        self,
        checks: Aggregates[CheckState],
        uploads: Uploads,
        examination: Examination,
        *,
        rules: Rules,
        clock: Clock,
        new_challenge: domain.NewChallenge,
        metrics: Metrics,
        backlog: int = 500,
    ) -> None:
        self._checks = checks
        self._uploads = uploads
        self._examination = examination
        self._rules = rules
        self._clock = clock
        self._new_challenge = new_challenge
        self._metrics = metrics
        self._backlog = backlog
        self._line = Line(checks, clock)

    async def note(self, meta: Meta, news: Waiting) -> None:
        """Add what an event told about a journey."""
        await self._checks.apply(
            meta.subject,
            lambda state: domain.note(state, self._new_challenge, self._rules, self._clock(), news=news),
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
        if state is None or isinstance(state, Waiting):
            raise Refused("capture.not_open", "The face check begins once your phone is confirmed.", 404)
        return state

    async def progress(self, state: Analysing) -> Progress:
        """Tell how far the look at captures is."""
        if state.looking_at is not None:
            return Progress(0, state.looking_at)
        return Progress(await self._line.before(state.since), None)

    async def offset(self, journey_id: str, part: Part, upload: str, nonce: str) -> tuple[int, bool]:
        """Tell how many bytes of an upload are there, and whether it is whole.

        Raises:
            Refused: see `services.biometrics.domain.may_receive`.
        """
        state, place = await self._checks.get(journey_id), _place(journey_id, part, upload)
        taken = domain.holds(state, part, nonce, place)
        if not taken:
            domain.may_receive(state, nonce, self._clock())
        return await self._uploads.offset(place), taken

    async def receive(self, journey_id: str, chunks: Chunks) -> tuple[int, bool]:
        """Keep what a request brings of a capture, and note a capture that is whole; the last one starts the analysis.

        Gives what `offset` gives.

        Raises:
            Refused: see `domain.receive` and `Uploads.keep`; ``capture.busy``, 503, while too many wait for a look.
        """
        folder, place = _folder(journey_id, chunks.part), _place(journey_id, chunks.part, chunks.upload)
        state = await self._checks.get(journey_id)
        if domain.holds(state, chunks.part, chunks.nonce, place):  # its last answer was lost
            return await self._uploads.offset(place), True
        session = domain.may_receive(state, chunks.nonce, self._clock())
        await self._require_room()
        if chunks.offset == 0:  # also what is there of this very upload: it begins anew
            await self._uploads.drop_others(folder, session.captures.get(chunks.part))
        purge_at = self._clock() + domain.MEDIA_KEPT_AT_MOST
        sending = Sending(chunks.part, place, chunks.offset, chunks.length, purge_at)
        try:
            kept = await self._uploads.keep(sending, chunks.content)
        except BlobMissing:
            raise domain.over() from None  # the journey ended during the upload
        if chunks.length is not None and kept < chunks.length:
            return kept, False
        if (there := await self._uploads.offset(place)) != kept:  # another upload of this part began meanwhile
            raise wrong_offset(there)
        after = await self._checks.apply(
            journey_id, lambda state: domain.receive(state, chunks.part, chunks.nonce, place, self._clock())
        )
        if isinstance(after, Session):
            for replaced in set(session.captures.values()) - set(after.captures.values()):
                await self._uploads.drop(replaced)
        return kept, True

    async def drop(self, journey_id: str, part: Part, upload: str) -> None:
        """Delete what came of an upload that will not go on."""
        await self._uploads.drop(_place(journey_id, part, upload))

    async def wake(self, journey_id: str, now: datetime) -> None:
        """Do the next step of a face check that has one."""
        match await self._checks.get(journey_id):
            case Analysing() as state:
                await self._analyse(journey_id, state)
            case Waiting() | Open():
                await self._checks.apply(journey_id, lambda state: domain.left(state, now))
            case InReview():
                await self._end_review(journey_id, now)
            case Closed():
                await self._uploads.drop(f"captures/{journey_id}")
                await self._checks.apply(journey_id, lambda state: domain.deleted(state, self._clock()))

    async def count_waiting(self) -> None:
        """Let the metrics show how many face checks wait for a look, and how many for a clerk."""
        self._metrics.face_checks_waiting.labels("worker").set(await self._line.length())
        self._metrics.face_checks_waiting.labels("clerk").set(await self._checks.count({"kind": "in_review"}))

    async def _analyse(self, journey_id: str, state: Analysing) -> None:
        decide: Callable[[CheckState | None], domain.Result | None]
        try:
            outcome = await self._examination.look(journey_id, state, partial(self._looking, journey_id, state))
        except LookBroken as broken:
            failure, again = type(broken.__cause__).__name__, broken.parts
            log.warning("analysis.broke", subject=journey_id, failure=failure, times=state.analyses + 1)
            self._metrics.face_looks.labels("broken").inc()

            def decide(present: CheckState | None) -> domain.Result | None:
                return domain.analysis_broke(present, again, self._new_challenge, rules=self._rules, now=self._clock())
        else:
            log.info("analysis.done", subject=journey_id, band=outcome.record.band, reasons=outcome.record.reasons)
            self._metrics.face_looks.labels(outcome.record.band).inc()

            def decide(present: CheckState | None) -> domain.Result | None:
                return domain.conclude(present, outcome, self._new_challenge, rules=self._rules, now=self._clock())

        await self._checks.apply(journey_id, decide)

    async def _end_review(self, journey_id: str, now: datetime) -> None:
        after = await self._checks.apply(
            journey_id, lambda state: domain.review_overdue(state, self._new_challenge, self._rules, now)
        )
        if not isinstance(after, InReview):
            log.warning("review.overdue", subject=journey_id)
            self._metrics.face_reviews.labels("overdue").inc()

    async def _looking(self, journey_id: str, looked_at: Analysing, source: Source) -> None:
        """Let the citizen see what is being looked at, at whichever instance they ask."""
        until = self._clock() + ANALYSIS_LEASE
        with suppress(Retryable):  # what is shown meanwhile is not worth an analysis
            await self._checks.apply(journey_id, lambda state: domain.looking(state, looked_at.captures, source, until))

    async def _require_room(self) -> None:
        """Ask to come back while too many wait."""
        if await self._line.length() >= self._backlog:
            detail = "Very many pictures wait to be looked at. Nothing is lost; please send yours a little later."
            raise Refused("capture.busy", detail, 503, retry_at=self._clock() + COME_BACK_AFTER)


def _folder(journey_id: str, part: Part) -> str:
    return f"captures/{journey_id}/{part}"


def _place(journey_id: str, part: Part, upload: str) -> str:
    return f"{_folder(journey_id, part)}/{upload}"
