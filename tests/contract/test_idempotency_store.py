"""What an `IdempotencyStore` promises: of the store on a database, and of the one that tests use in its place."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from libs.common.core.sealing import Box
from libs.common.storage.mongo import Database
from libs.common.testing.idempotency import MemoryIdempotencyStore
from libs.common.web.idempotency import KEPT_FOR, IdempotencyEntry, IdempotencyStore
from libs.common.web.mongo_idempotency import MongoIdempotency

NOON = datetime(2026, 3, 2, 12, 0, 0, 123000, tzinfo=UTC)


def entry(claim: str = "first") -> IdempotencyEntry:
    return IdempotencyEntry("hash", claim, NOON, NOON + KEPT_FOR)


@pytest.fixture
async def database_store(mongo_uri: str) -> AsyncIterator[MongoIdempotency]:
    database = Database(mongo_uri, f"idempotency-{uuid4().hex[:12]}")
    store = MongoIdempotency(database)
    await database.start()
    yield store
    await database.raw.client.drop_database(database.raw.name)
    await database.stop()


@pytest.fixture(params=["memory", "database"])
def store(request: pytest.FixtureRequest) -> IdempotencyStore:
    if request.param == "memory":
        return MemoryIdempotencyStore()
    found: MongoIdempotency = request.getfixturevalue("database_store")
    return found


async def test_the_first_to_insert_has_the_key_and_others_see_the_first_entry_as_it_was(
    store: IdempotencyStore,
) -> None:
    assert await store.insert("key", entry("first")) is None
    assert await store.insert("key", entry("second")) == entry("first")
    assert await store.insert("other key", entry("third")) is None


async def test_of_many_that_insert_at_once_one_has_the_key(store: IdempotencyStore) -> None:
    seen = await asyncio.gather(*(store.insert("key", entry(str(n))) for n in range(10)))
    assert seen.count(None) == 1
    assert len({found.claim for found in seen if found is not None}) == 1


async def test_only_who_names_the_claim_that_is_there_replaces_the_entry(store: IdempotencyStore) -> None:
    await store.insert("key", entry("first"))
    answered = replace(entry("first"), status=201, body=Box("identity.1", "Y2lwaGVy"))
    assert not await store.replace("key", "second", answered)
    assert not await store.replace("no such key", "first", answered)
    assert await store.replace("key", "first", answered)
    assert await store.insert("key", entry("third")) == answered


async def test_of_many_that_take_over_the_same_claim_one_succeeds(store: IdempotencyStore) -> None:
    await store.insert("key", entry("abandoned"))
    took = await asyncio.gather(*(store.replace("key", "abandoned", entry(f"taker {n}")) for n in range(10)))
    assert took.count(True) == 1


async def test_only_who_names_the_claim_that_is_there_removes_the_entry(store: IdempotencyStore) -> None:
    await store.insert("key", entry("first"))
    await store.remove("key", "second")
    assert await store.insert("key", entry("third")) == entry("first")
    await store.remove("key", "first")
    assert await store.insert("key", entry("third")) is None


async def test_expired_entries_are_forgotten_and_younger_ones_kept(store: IdempotencyStore) -> None:
    await store.insert("old", entry())
    await store.insert("young", replace(entry(), expires_at=NOON + KEPT_FOR + timedelta(milliseconds=1)))
    await store.forget_expired(NOON + KEPT_FOR)
    assert await store.insert("old", entry("anew")) is None
    assert await store.insert("young", entry("anew")) is not None
