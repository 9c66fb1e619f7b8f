"""Uploads as they arrive: in sealed pieces, so that memory stays bounded and a lost connection costs one piece.

An upload lies at a place, ``captures/<journey>/<part>/<upload>``. Each of its pieces is a blob named by the offset of
its first byte, and bound to that name: pieces cannot be swapped, reordered or carried elsewhere. How much has arrived
is read off the names and lengths of the pieces, so nothing else has to be kept in step with them.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from libs.common.core.errors import Refused
from libs.common.storage.blobs import BlobMissing, Blobs
from services.biometrics.capture.content import (
    ACCEPTED,
    MOST_BYTES,
    is_recognised,
    require,
    require_coding,
    too_large,
)
from services.biometrics.check.parts import Part
from services.biometrics.media.kinds import HEAD_BYTES
from services.biometrics.refusals import BiometricsRefusal

PIECE_BYTES: Final = 1024 * 1024
MOST_PIECES: Final = 100
"""Of one upload: many tiny requests must not become many tiny blobs."""


@dataclass(frozen=True, slots=True)
class IncomingUpload:
    """One request of an upload.

    Args:
        part: what it is a capture of.
        place: where the upload lies.
        offset: of the request's first byte.
        length: of the whole upload, where it was announced; the upload is whole when so many bytes are there.
        purge_at: when the pieces go at the latest.
    """

    part: Part
    place: str
    offset: int
    length: int | None
    purge_at: datetime


class Uploads:
    """Keeps uploads, piece by piece."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    async def offset(self, place: str) -> int:
        """Return how many bytes are there, from the first one without a gap."""
        return sum(size for _, size in await self._pieces(place))

    async def keep(self, incoming: IncomingUpload, chunks: AsyncIterator[bytes]) -> int:
        """Keep what arrives, and return how many bytes are there then.

        What arrived before a connection broke is kept; what ``chunks`` raised then passes through.

        Raises:
            Refused: as `too_large` and `content.require`: nothing of the upload is kept. `UPLOAD_WRONG_OFFSET`: the
                fact ``offset`` says where to go on. `UPLOAD_TOO_MANY_PIECES`.
            BlobMissing: the upload was deleted meanwhile.
        """
        _check_length(incoming)
        if incoming.offset:
            await self._check_offset(incoming)
        try:
            return await self._keep(incoming, chunks)
        except Refused:
            await self.drop(incoming.place)
            raise

    async def whole(self, place: str) -> bytes:
        """Return an upload's content.

        Raises:
            BlobMissing: there is none.
        """
        pieces = await self._pieces(place)
        if not pieces:
            raise BlobMissing(f"there is no upload {place!r}")
        return b"".join([await self._blobs.get(name) for name, _ in pieces])

    async def drop(self, place: str) -> None:
        """Delete an upload."""
        await self._blobs.delete_prefix(f"{place}/")

    async def drop_others(self, folder: str, *kept: str | None) -> None:
        """Delete the uploads in a folder but those at the places to be kept."""
        found = {name.rpartition("/")[0] for name in await self._blobs.sizes(f"{folder}/")}
        for place in found - set(kept):
            await self.drop(place)

    async def purge(self, now: datetime) -> None:
        """Delete the pieces whose time is over."""
        await self._blobs.purge(now)

    async def _pieces(self, place: str) -> list[tuple[str, int]]:
        """Return names and sizes of the pieces that follow each other from the first byte on."""
        sizes = await self._blobs.sizes(f"{place}/")
        pieces, offset = [], 0
        while (name := _piece(place, offset)) in sizes and sizes[name]:
            pieces.append((name, sizes[name]))
            offset += sizes[name]
        return pieces

    async def _check_offset(self, incoming: IncomingUpload) -> None:
        pieces = await self._pieces(incoming.place)
        offset = sum(size for _, size in pieces)
        if offset != incoming.offset:
            raise wrong_offset(offset)
        if len(pieces) >= MOST_PIECES:
            raise Refused(BiometricsRefusal.UPLOAD_TOO_MANY_PIECES)

    async def _keep(self, incoming: IncomingUpload, chunks: AsyncIterator[bytes]) -> int:
        most = MOST_BYTES[incoming.part] if incoming.length is None else incoming.length
        kept, waiting = incoming.offset, bytearray()
        known = kept > 0
        try:
            async for chunk in chunks:
                waiting += chunk
                if kept + len(waiting) > most:
                    raise too_large(incoming.part, MOST_BYTES[incoming.part])
                known = known or is_recognised(bytes(waiting[:HEAD_BYTES]), ACCEPTED[incoming.part])
                while len(waiting) >= PIECE_BYTES:
                    kept += await self._put(incoming, kept, waiting, PIECE_BYTES)
        except Refused:
            waiting.clear()
            raise
        finally:
            # Also when the connection broke: what has come need not come again.
            if waiting and known:
                kept += await self._put(incoming, kept, waiting, len(waiting))
        if kept == 0 and incoming.length in (None, len(waiting)):  # all of it, and too short to have been recognised
            require(bytes(waiting), ACCEPTED[incoming.part])
            kept = await self._put(incoming, 0, waiting, len(waiting))
        return kept

    async def _put(self, incoming: IncomingUpload, offset: int, waiting: bytearray, size: int) -> int:
        piece = bytes(waiting[:size])
        if offset == 0 and incoming.part == "clip":
            require_coding(piece)
        del waiting[:size]
        await self._blobs.put(_piece(incoming.place, offset), piece, purge_at=incoming.purge_at)
        return len(piece)


def wrong_offset(offset: int) -> Refused:
    """Return the refusal of a request that does not go on where the upload stands."""
    return Refused(BiometricsRefusal.UPLOAD_WRONG_OFFSET, offset=offset)


def _check_length(incoming: IncomingUpload) -> None:
    most = MOST_BYTES[incoming.part]
    if incoming.length is not None and incoming.length > most:
        raise too_large(incoming.part, most)


def _piece(place: str, offset: int) -> str:
    return f"{place}/{offset:08d}"
