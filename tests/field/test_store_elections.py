"""An election of the store while it is written to is "the store does not answer", whatever form its answer has.

Source: MongoDB's error codes (`src/mongo/base/error_codes.yml`) and the drivers' specification "Retryable Writes",
section "Determining Retryable Errors". A write concern error says that the write was done and may be undone.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo.errors import OperationFailure

from libs.common.core.errors import Unavailable
from libs.common.core.sealing import Keyring
from libs.common.delivery.documents import Document
from libs.common.delivery.mongo_documents import MongoDocuments
from libs.common.storage.blobs import MongoBlobs
from libs.common.storage.chain import GENESIS, Entry, Fact
from libs.common.storage.mongo import Database
from libs.common.storage.mongo_chain import MongoChain
from libs.common.storage.records import MongoRecords
from libs.common.storage.reservations import MongoReservations
from tests.field.mongo_wire import Answer, answering_writes_with

Call = Callable[[Database], Awaitable[object]]


def unconfirmed(code: int, name: str, **details: Any) -> Answer:
    """The write was done; that the majority has it is not known."""
    return {
        "ok": 1,
        "n": 1,
        "nModified": 1,
        "writeConcernError": {"code": code, "codeName": name, "errmsg": name} | details,
    }


def failed(code: int, name: str, *labels: str) -> Answer:
    """The command was not done."""
    return {"ok": 0, "code": code, "codeName": name, "errmsg": name, "errorLabels": list(labels)}


def refused_inside(code: int, name: str) -> Answer:
    """The command was done, its one write was not."""
    return {"ok": 1, "n": 0, "writeErrors": [{"index": 0, "code": code, "errmsg": name}]}


ELECTIONS = {
    "PrimarySteppedDown": unconfirmed(189, "PrimarySteppedDown"),
    "InterruptedDueToReplStateChange": unconfirmed(11602, "InterruptedDueToReplStateChange"),
    "WriteConcernTimeout": unconfirmed(64, "WriteConcernTimeout", errInfo={"wtimeout": True}),
    "InterruptedAtShutdown": unconfirmed(11600, "InterruptedAtShutdown"),
    "UnsatisfiableWriteConcern": unconfirmed(100, "UnsatisfiableWriteConcern"),
    "not writable primary": failed(10107, "NotWritablePrimary", "RetryableWriteError"),
    "time is over": failed(262, "ExceededTimeLimit"),
    "a write conflict": failed(112, "WriteConflict", "TransientTransactionError"),
    "interrupted": failed(11601, "Interrupted"),
    "a router whose shard is being elected": refused_inside(91, "ShutdownInProgress"),
    "a lock that was waited for too long": failed(24, "LockTimeout"),
    "a router that does not know yet where a chunk went": refused_inside(13388, "StaleConfig"),
}


async def _insert(database: Database) -> object:
    return await MongoDocuments(database, "things").store(Document("a", 1, {}))


async def _replace(database: Database) -> object:
    return await MongoDocuments(database, "things").store(Document("a", 2, {}))


async def _claim(database: Database) -> object:
    return await MongoDocuments(database, "things").claim("a", 1, 2)


async def _reserve(database: Database) -> None:
    await MongoReservations(database).take("iin", "a", "owner")


async def _amend(database: Database) -> object:
    return await MongoRecords(database, "facts").amend("a", {"at": 1}, unless="at")


async def _append(database: Database) -> object:
    entry = Entry.after(GENESIS, "2026-03-02T12:00:00Z", Fact("f", "kind", "about", "{}"))
    return await MongoChain(database, "ledger").extend([entry])


async def _put(database: Database) -> None:
    keyring = Keyring({"media": {"1": bytes(32)}}, bytes(32))
    await MongoBlobs(database, keyring, lambda: datetime(2026, 3, 2, tzinfo=UTC)).put("a/b", b"x")


CALLS = {
    "insert": _insert,
    "replace": _replace,
    "claim": _claim,
    "reserve": _reserve,
    "amend": _amend,
    "append": _append,
    "put": _put,
}


@asynccontextmanager
async def store_that_answers(answer: Answer) -> AsyncIterator[Database]:
    async with answering_writes_with(answer) as uri:
        database = Database(uri, "elections")
        try:
            yield database
        finally:
            await database.stop()


@pytest.mark.parametrize("answer", ELECTIONS.values(), ids=ELECTIONS.keys())
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
async def test_an_election_amid_a_write_is_a_store_that_does_not_answer(call: Call, answer: Answer) -> None:
    async with store_that_answers(answer) as database:
        with pytest.raises(Unavailable):
            await call(database)


@pytest.mark.parametrize(
    "answer", [failed(13, "Unauthorized"), failed(73, "InvalidNamespace"), refused_inside(121, "x")]
)
async def test_what_the_store_refuses_is_no_outage(answer: Answer) -> None:
    async with store_that_answers(answer) as database:
        with pytest.raises(OperationFailure):
            await _insert(database)
