"""Blobs in memory. The contract test of `libs.common.storage.blobs` holds them to the real ones."""

from dataclasses import dataclass
from datetime import datetime

from typing_extensions import override

from libs.common.core.sealing import Box, Keyring
from libs.common.storage.blobs import BlobMissing, Blobs, check_blob, check_prefix, sealed_place


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """A blob at rest."""

    box: Box
    size: int
    purge_at: datetime | None


class MemoryBlobs(Blobs):
    """The blobs of one service in a dictionary, sealed as the real ones are.

    Args:
        kept: where they are: whoever opens the same dictionary finds the same blobs.
    """

    def __init__(self, kept: dict[str, StoredBlob], keyring: Keyring, audience: str = "media") -> None:
        self.kept = kept
        self._keyring = keyring
        self._audience = audience

    @override
    async def put(self, name: str, data: bytes, *, purge_at: datetime | None = None) -> None:
        check_blob(name, data)
        self.kept[name] = StoredBlob(self._keyring.seal(self._audience, data, sealed_place(name)), len(data), purge_at)

    @override
    async def get(self, name: str) -> bytes:
        if name not in self.kept:
            raise BlobMissing(f"there is no blob {name!r}")
        return self._keyring.open(self.kept[name].box, sealed_place(name))

    @override
    async def sizes(self, prefix: str) -> dict[str, int]:
        check_prefix(prefix)
        return {name: blob.size for name, blob in self.kept.items() if name.startswith(prefix)}

    @override
    async def delete(self, name: str) -> None:
        self.kept.pop(name, None)

    @override
    async def delete_prefix(self, prefix: str) -> int:
        check_prefix(prefix)
        return self._remove([name for name in self.kept if name.startswith(prefix)])

    @override
    async def purge(self, now: datetime) -> int:
        return self._remove([name for name, blob in self.kept.items() if blob.purge_at and blob.purge_at <= now])

    def _remove(self, names: list[str]) -> int:
        for name in names:
            del self.kept[name]
        return len(names)
