"""The shards of the revocation list: what each holds, and when it is signed anew. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from pydantic import BaseModel, ConfigDict

from libs.common.decisions import Decision

RENEW_AFTER: Final = timedelta(hours=8)
"""A third of a list's life: two renewals may fail before relying parties are left without one."""


@dataclass(frozen=True, slots=True)
class ShardId:
    """Which list: of which issuing authority (by its label), and its number."""

    issuer: str
    number: int

    def __str__(self) -> str:
        """Give the key under which the list is kept."""
        return f"{self.issuer}/{self.number}"

    @classmethod
    def parse(cls, key: str) -> Self:
        """Read the key back."""
        issuer, number = key.split("/")
        return cls(issuer, int(number))


class Entry(BaseModel):
    """One revoked certificate."""

    model_config = ConfigDict(frozen=True)

    serial: str
    at: datetime
    reason: str


class Shard(BaseModel):
    """One list. ``der`` (hexadecimal) is the edition that is served; `stale` when entries came after it."""

    model_config = ConfigDict(frozen=True)

    entries: tuple[Entry, ...] = ()
    number: int = 0
    der: str | None = None
    signed_at: datetime | None = None
    stale: bool = True


def open_list(state: Shard | None, now: datetime) -> Decision[Shard] | None:
    """Begin a list, to be signed at once; one that exists goes on."""
    return Decision(Shard(), wake_at=now) if state is None else None


def add(state: Shard | None, entry: Entry, now: datetime) -> Decision[Shard] | None:
    """Take in a revocation; once is enough."""
    shard = state or Shard()
    if any(each.serial == entry.serial for each in shard.entries):
        return None
    return Decision(shard.model_copy(update={"entries": (*shard.entries, entry), "stale": True}), wake_at=now)


def publish(state: Shard | None, signed: Shard, der: bytes, now: datetime) -> Decision[Shard] | None:
    """Serve a new edition, if it was signed for what the list holds now."""
    if state is None or state.entries != signed.entries or state.number != signed.number:
        return None
    after = Shard(entries=state.entries, number=state.number + 1, der=der.hex(), signed_at=now, stale=False)
    return Decision(after, wake_at=now + RENEW_AFTER)
