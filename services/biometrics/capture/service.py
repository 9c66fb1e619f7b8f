"""Captures on their way in: uploads, how far they are, and their deletion at the end."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from libs.common.core.errors import Refused
from libs.common.core.values import Clock
from libs.common.delivery.aggregates import Aggregates
from libs.common.storage.blobs import BlobMissing
from services.biometrics.analysis.queue import AnalysisQueue
from services.biometrics.capture.uploads import IncomingUpload, Uploads, wrong_offset
from services.biometrics.check import domain
from services.biometrics.check.parts import Part
from services.biometrics.check.states import (
    MEDIA_KEPT_AT_MOST,
    CheckAnalysing,
    CheckPending,
    CheckSession,
    CheckState,
)
from services.biometrics.refusals import BiometricsRefusal

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
class AnalysisProgress:
    """How far the analysis of captures is: how many citizens are before this one, and what is being analysed."""

    ahead: int
    stage: str | None


class Captures:
    """The citizens' side of face checks.

    Args:
        checks: per journey.
        backlog: how many face checks may wait for analysis before uploads are asked to come back.
    """

    def __init__(
        self,
        checks: Aggregates[CheckState],
        uploads: Uploads,
        queue: AnalysisQueue,
        *,
        clock: Clock,
        backlog: int = 500,
    ) -> None:
        self._checks = checks
        self._uploads = uploads
        self._queue = queue
        self._clock = clock
        self._backlog = backlog

    async def check(self, journey_id: str) -> CheckState:
        """Return where a face check stands.

        Raises:
            Refused: `CAPTURE_NOT_OPEN`: the phone is not confirmed yet.
        """
        state = await self._checks.get(journey_id)
        if state is None or isinstance(state, CheckPending):
            raise Refused(BiometricsRefusal.CAPTURE_NOT_OPEN)
        return state

    async def progress(self, state: CheckAnalysing) -> AnalysisProgress:
        """Return how far the analysis of captures is."""
        if state.stage is not None:
            return AnalysisProgress(0, state.stage)
        return AnalysisProgress(await self._queue.before(state.since), None)

    async def offset(self, journey_id: str, part: Part, upload: str, nonce: str) -> tuple[int, bool]:
        """Return how many bytes of an upload are there, and whether it is whole.

        Raises:
            Refused: see `services.biometrics.check.domain.may_receive`.
        """
        state, place = await self._checks.get(journey_id), _place(journey_id, part, upload)
        taken = domain.holds(state, part, nonce, place)
        if not taken:
            domain.may_receive(state, nonce, self._clock())
        return await self._uploads.offset(place), taken

    async def receive(self, journey_id: str, chunks: Chunks) -> tuple[int, bool]:
        """Keep what a request brings of a capture, and note a capture that is whole; the last one starts the analysis.

        Returns what `offset` returns.

        Raises:
            Refused: see `domain.receive` and `Uploads.keep`; `CAPTURE_BUSY` while too many wait for analysis.
        """
        place = _place(journey_id, chunks.part, chunks.upload)
        state = await self._checks.get(journey_id)
        if domain.holds(state, chunks.part, chunks.nonce, place):  # its last answer was lost
            return await self._uploads.offset(place), True
        session = domain.may_receive(state, chunks.nonce, self._clock())
        await self._require_room()
        if chunks.offset == 0:  # also what is there of this very upload: it begins anew
            await self._uploads.drop_others(_folder(journey_id, chunks.part), session.captures.get(chunks.part))
        kept, whole = await self._keep(place, chunks)
        if not whole:
            return kept, False
        after = await self._checks.apply(
            journey_id, lambda state: domain.receive(state, chunks.part, chunks.nonce, place, self._clock())
        )
        if isinstance(after, CheckSession):
            for replaced in set(session.captures.values()) - set(after.captures.values()):
                await self._uploads.drop(replaced)
        return kept, True

    async def drop(self, journey_id: str, part: Part, upload: str) -> None:
        """Delete what came of an upload that will not go on."""
        await self._uploads.drop(_place(journey_id, part, upload))

    async def delete(self, journey_id: str) -> None:
        """Delete all captures of a journey that ended."""
        await self._uploads.drop(f"captures/{journey_id}")
        await self._checks.apply(journey_id, lambda state: domain.media_deleted(state, self._clock()))

    async def purge(self) -> None:
        """Delete captures whose time is over, whether or not the end of their journey was published."""
        await self._uploads.purge(self._clock())

    async def _keep(self, place: str, chunks: Chunks) -> tuple[int, bool]:
        """Store what a request brings; return how many bytes are there then, and whether that is all."""
        purge_at = self._clock() + MEDIA_KEPT_AT_MOST
        incoming = IncomingUpload(chunks.part, place, chunks.offset, chunks.length, purge_at)
        try:
            kept = await self._uploads.keep(incoming, chunks.content)
        except BlobMissing:
            raise Refused(BiometricsRefusal.CAPTURE_CLOSED) from None  # the journey ended during the upload
        if chunks.length is not None and kept < chunks.length:
            return kept, False
        if (there := await self._uploads.offset(place)) != kept:  # another upload of this part began meanwhile
            raise wrong_offset(there)
        return kept, True

    async def _require_room(self) -> None:
        """Ask to come back while too many wait."""
        if await self._queue.length() >= self._backlog:
            raise Refused(BiometricsRefusal.CAPTURE_BUSY, retry_at=self._clock() + COME_BACK_AFTER)


def _folder(journey_id: str, part: Part) -> str:
    return f"captures/{journey_id}/{part}"


def _place(journey_id: str, part: Part, upload: str) -> str:
    return f"{_folder(journey_id, part)}/{upload}"
