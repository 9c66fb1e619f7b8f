"""Idempotency keys kept in memory."""

from datetime import datetime

from libs.common.web.idempotency import IdempotencyEntry


class MemoryIdempotencyStore:
    """Keeps entries for as long as the test runs. No call awaits anything, so each is atomic."""

    def __init__(self) -> None:
        self.entries: dict[str, IdempotencyEntry] = {}

    async def insert(self, key: str, entry: IdempotencyEntry) -> IdempotencyEntry | None:
        """Store the entry if there is none under the key; otherwise give the one that is there."""
        seen = self.entries.get(key)
        if seen is None:
            self.entries[key] = entry
        return seen

    async def replace(self, key: str, claim: str, entry: IdempotencyEntry) -> bool:
        """Store the entry if the one that is there has this claim; tell whether it had."""
        held = key in self.entries and self.entries[key].claim == claim
        if held:
            self.entries[key] = entry
        return held

    async def remove(self, key: str, claim: str) -> None:
        """Forget the entry if it has this claim."""
        if key in self.entries and self.entries[key].claim == claim:
            del self.entries[key]

    async def forget_expired(self, now: datetime) -> None:
        """Remove what nobody can ask for any more."""
        self.entries = {key: entry for key, entry in self.entries.items() if entry.expires_at > now}
