"""PIN codes: which ones are too easy to guess, and how they are kept.

A PIN has six digits, so its hash alone protects little: whoever holds it tries all million. Therefore the hash is
slow (Argon2id, RFC 9106), sealed at rest, and tries over HTTP are counted (`domain.count_try`).
"""

import asyncio
from datetime import date
from itertools import pairwise
from typing import ClassVar, Final

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from pydantic import Field

from libs.common.core.errors import Refused
from libs.common.core.model import Model
from libs.common.core.sealing import Personal

_BIRTH_DATE_FORMS: Final = ("%y%m%d", "%d%m%y", "%m%d%y", "%Y%m", "%m%Y")
_FEWEST_DIGITS: Final = 3


class HashRules(Model):
    """The cost of a hash. OWASP's Password Storage Cheat Sheet names these figures; the hash is sealed besides.

    Attributes:
        memory_kib: memory of one hash, in KiB.
        passes: over that memory.
        lanes: computed side by side.
        at_once: how many hashes a process works on at a time.
    """

    memory_kib: int = Field(19456, ge=64)
    passes: int = Field(2, ge=1)
    lanes: int = Field(1, ge=1, le=8)
    at_once: int = Field(4, ge=1)


class PinHash(Personal):
    """The hash of a PIN with its salt and cost, as Argon2 encodes it."""

    audience: ClassVar[str] = "identity"

    encoded: str


class Pins:
    """Hashes PINs and compares them, in threads: a hash takes longer than the event loop may wait."""

    def __init__(self, rules: HashRules) -> None:
        self._hasher = PasswordHasher(time_cost=rules.passes, memory_cost=rules.memory_kib, parallelism=rules.lanes)
        self._at_once = asyncio.Semaphore(rules.at_once)
        # Compared with when nobody has this PIN's hash, so that the answer takes as long as if somebody had.
        self._nobody = self._hasher.hash("nobody")

    async def hash(self, pin: str) -> PinHash:
        """Hash a PIN with a fresh salt."""
        async with self._at_once:
            return PinHash(encoded=await asyncio.to_thread(self._hasher.hash, pin))

    async def match(self, pin_hash: PinHash | None, pin: str) -> bool:
        """Compare a PIN with a hash; None is nobody's, and takes as long to compare as anybody's."""
        encoded = self._nobody if pin_hash is None else pin_hash.encoded
        async with self._at_once:
            same = await asyncio.to_thread(self._verify, encoded, pin)
        return same and pin_hash is not None

    def _verify(self, encoded: str, pin: str) -> bool:
        try:
            return self._hasher.verify(encoded, pin)
        except VerifyMismatchError:
            return False


def check_not_simple(pin: str, *, birth_date: date, iin: str, phone: str) -> None:
    """Refuse a PIN that somebody would try first.

    Raises:
        Refused: ``pin.too_simple``, 422, for few different digits, a row, a repeated group, a birth date, or digits
            of the IIN or the phone number.
    """
    dates = {birth_date.strftime(form) for form in _BIRTH_DATE_FORMS}
    if len(set(pin)) < _FEWEST_DIGITS or _in_a_row(pin) or _repeats(pin) or pin in dates or pin in iin or pin in phone:
        detail = (
            "This PIN is too easy to guess. Choose six digits that are not in a row, do not repeat, and are no part "
            "of your birth date, IIN or phone number."
        )
        raise Refused("pin.too_simple", detail, 422)


def _in_a_row(pin: str) -> bool:
    """Return whether each digit follows from the one before by the same step, as in 345678, 975310 or 112233."""
    return any(
        len({(int(b) - int(a)) % 10 for a, b in pairwise(digits)}) == 1
        for digits in (pin, *((pin[::2],) if pin[::2] == pin[1::2] else ()))
    )


def _repeats(pin: str) -> bool:
    return pin[:3] == pin[3:] or pin[:2] == pin[2:4] == pin[4:] or pin == pin[::-1]
