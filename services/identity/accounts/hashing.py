"""Hashes of PINs, made and compared in threads.

A PIN has six digits, so its hash alone protects little: whoever holds it tries all million. Therefore the hash is
slow (Argon2id, RFC 9106), sealed at rest, and tries over HTTP are counted (`domain.count_try`).
"""

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from pydantic import Field

from libs.common.core.model import Model
from services.identity.accounts.pins import PinHash


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
