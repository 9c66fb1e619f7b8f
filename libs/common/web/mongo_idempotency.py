"""Where the answers to repeated requests are kept: one small collection a service."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, IndexModel

from libs.common.core.sealing import Box
from libs.common.core.values import from_millis, to_millis
from libs.common.storage.mongo import Database, Rows, answering
from libs.common.web.idempotency import IdempotencyEntry


class MongoIdempotency:
    """Fulfils `libs.common.web.idempotency.IdempotencyStore`."""

    def __init__(self, database: Database) -> None:
        self._collection = database.collection("idempotency", [IndexModel([("expires_at", ASCENDING)])])
        self._rows = Rows(self._collection)

    async def insert(self, key: str, entry: IdempotencyEntry) -> IdempotencyEntry | None:
        """Store the entry if there is none; otherwise give the one that is there."""
        if await self._rows.insert({"_id": key, **_raw(entry)}):
            return None
        found = await self._rows.get(key)
        # Purged between the two calls: rare, and the caller's next try inserts.
        return entry if found is None else _entry(found)

    async def replace(self, key: str, claim: str, entry: IdempotencyEntry) -> bool:
        """Store the entry if the one that is there has this claim."""
        return await self._rows.replace({"_id": key, **_raw(entry)}, {"claim": claim})

    async def remove(self, key: str, claim: str) -> None:
        """Forget the entry if it has this claim."""
        async with answering():
            await self._collection.delete_one({"_id": key, "claim": claim})

    async def forget_expired(self, now: datetime) -> None:
        """Remove what nobody can ask for any more."""
        async with answering():
            await self._collection.delete_many({"expires_at": {"$lte": to_millis(now)}})


def _raw(entry: IdempotencyEntry) -> dict[str, Any]:
    return {
        "request": entry.request,
        "claim": entry.claim,
        "claimed_at": to_millis(entry.claimed_at),
        "expires_at": to_millis(entry.expires_at),
        "status": entry.status,
        "body": None if entry.body is None else {"kid": entry.body.kid, "box": entry.body.box},
    }


def _entry(raw: Mapping[str, Any]) -> IdempotencyEntry:
    return IdempotencyEntry(
        request=raw["request"],
        claim=raw["claim"],
        claimed_at=from_millis(raw["claimed_at"]),
        expires_at=from_millis(raw["expires_at"]),
        status=raw["status"],
        body=None if raw["body"] is None else Box(**raw["body"]),
    )
