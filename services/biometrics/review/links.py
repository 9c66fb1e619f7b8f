"""Addresses of captures under review: permissions for one clerk, sealed into the address."""

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime

from libs.common.core.errors import Refused
from libs.common.core.sealing import Box, Keyring, SealError
from libs.common.core.values import Clock
from services.biometrics.check.parts import Part
from services.biometrics.refusals import BiometricsRefusal

_PURPOSE = "review.link"


@dataclass(frozen=True, slots=True)
class CaptureLink:
    """Permission for one clerk to see one capture, until then."""

    journey_id: str
    part: Part
    place: str
    clerk: str
    until: datetime


def _path_text(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def _from_path(text: str) -> bytes:
    """Read one spelling only: the last letter of base64 has bits that decoders ignore (RFC 4648 section 3.5)."""
    sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if _path_text(sealed) != text:
        raise ValueError("not the spelling that was given out")
    return sealed


class Links:
    """Writes permissions into addresses: sealed, so that they can be neither forged nor read.

    Args:
        audience: the key that seals them; one that only this service holds.
    """

    def __init__(self, keyring: Keyring, audience: str, clock: Clock) -> None:
        self._keyring = keyring
        self._audience = audience
        self._clock = clock

    def write(self, link: CaptureLink) -> str:
        """Return a link as text that may stand in a path."""
        content = [link.journey_id, link.part, link.place, link.clerk, int(link.until.timestamp())]
        box = self._keyring.seal(self._audience, json.dumps(content).encode(), _PURPOSE)
        return f"{box.kid}~{_path_text(base64.b64decode(box.box))}"

    def read(self, text: str, clerk: str) -> CaptureLink:
        """Return the link again, for the clerk it was written for.

        Raises:
            Refused: `LINK_UNKNOWN`, `LINK_EXPIRED`, `LINK_OF_ANOTHER`.
        """
        kid, _, sealed = text.partition("~")
        try:
            content = self._keyring.open(Box(kid, base64.b64encode(_from_path(sealed)).decode()), _PURPOSE)
        except (SealError, ValueError):
            raise Refused(BiometricsRefusal.LINK_UNKNOWN) from None
        journey_id, part, place, owner, until = json.loads(content)
        link = CaptureLink(journey_id, part, place, owner, datetime.fromtimestamp(until, UTC))
        if link.clerk != clerk:
            raise Refused(BiometricsRefusal.LINK_OF_ANOTHER)
        if link.until <= self._clock():
            raise Refused(BiometricsRefusal.LINK_EXPIRED)
        return link
