"""Selfies and clips that came before: nobody takes the same one twice, bit for bit. What comes again is a copy.

Only the very same file is noticed. One that was cut or encoded anew is another file; against it stands the challenge.
"""

from collections.abc import Mapping
from typing import Final, Protocol

from libs.common.core.sealing import Keyring
from libs.common.storage.reservations import Taken
from services.biometrics.face.templates import Source
from services.biometrics.media.decode import GuidanceKey
from services.biometrics.states import Challenge

USED_BEFORE: Final[Mapping[Source, GuidanceKey]] = {
    "selfie": GuidanceKey("selfie.used_before"),
    "clip": GuidanceKey("clip.used_before"),
}
"""What is asked for anew. A document may be a file that its holder keeps: it is taken as often as it comes."""


class Book(Protocol):
    """Unique facts, as `libs.common.storage.reservations.Reservations` keeps them."""

    async def take(self, kind: str, value: str, owner: str) -> None:
        """Reserve a value for an owner; raises `libs.common.storage.reservations.Taken` if it is somebody else's."""


class Originals:
    """Remembers every selfie and clip by a keyed hash: for good, as the record of face checks does their hashes."""

    def __init__(self, book: Book, keyring: Keyring) -> None:
        self._book = book
        self._keyring = keyring

    async def used_before(self, source: Source, sha256: str, journey_id: str, challenge: Challenge) -> bool:
        """Tell whether a capture came in another journey or, if a clip, for another challenge; else note it for this.

        Asking again for the same is harmless: a look that broke is made anew.
        """
        owner = challenge.nonce if source == "clip" else journey_id
        try:
            await self._book.take("capture", self._keyring.blind("capture", sha256), owner)
        except Taken:
            return True
        return False
