"""Selfies and clips that came before: nobody takes the same one twice, bit for bit. What comes again is a copy.

Only the very same file is noticed. One that was cut or encoded anew is another file; against it stands the challenge.
"""

from collections.abc import Mapping
from typing import Final

from libs.common.core.sealing import Keyring
from libs.common.storage.reservations import Reservations, Taken
from services.biometrics.check.parts import Source
from services.biometrics.check.states import Challenge
from services.biometrics.media.decode import GuidanceKey

USED_BEFORE: Final[Mapping[Source, GuidanceKey]] = {
    "selfie": GuidanceKey("selfie.used_before"),
    "clip": GuidanceKey("clip.used_before"),
}
"""The guidance for copies. A document may be a file that its holder keeps: it is taken as often as it comes."""


class ReplayCheck:
    """Remembers every selfie and clip by a keyed hash: for good, as the record of face checks does their hashes."""

    def __init__(self, reservations: Reservations, keyring: Keyring) -> None:
        self._reservations = reservations
        self._keyring = keyring

    async def used_before(self, source: Source, sha256: str, journey_id: str, challenge: Challenge) -> bool:
        """Return whether a capture came in another journey or, if a clip, for another challenge; else remember it.

        Asking again for the same is harmless: an analysis that broke is repeated.
        """
        owner = challenge.nonce if source == "clip" else journey_id
        try:
            await self._reservations.take("capture", self._keyring.blind("capture", sha256), owner)
        except Taken:
            return True
        return False
