"""What the authority's ledger costs: ``python -m tests.bench.ledger``.

Appending on the embedded store, one caller at a time beside many at once; what a certificate leaves behind, in bytes;
how many certificates a second the check judges, and what it holds of each in memory.
"""

import asyncio
import json
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from time import perf_counter, process_time
from typing import Final
from uuid import uuid4

import structlog

from deploy.embedded.stack import Store
from libs.common.core.values import utc_now
from libs.common.storage.chain import Chain, Fact
from libs.common.storage.mongo import Database
from libs.common.storage.mongo_chain import MongoChain
from services.ca.audit.serial_records import SerialRecord, SerialRecords, StatusAnswer
from tests.unit.ca.audit.test_check import Audited
from tests.unit.ca.hierarchies import establish
from tests.unit.ca.office import World

APPENDS: Final = 600
ROUNDS: Final = 3
PAYLOAD: Final = json.dumps({"record": "x" * 2000})
"""About as long as an intent with its sealed bytes."""
JOURNEYS: Final = 100
REMEMBERED: Final = 300_000
"""Certificates: some weeks of them."""


async def appended(store: MongoChain, callers: int) -> float:
    """Append single facts from so many callers at once; give facts a second."""
    chain, numbers = Chain(store, utc_now), count()

    async def caller() -> None:
        while next(numbers) < APPENDS:
            await chain.append(Fact(str(uuid4()), "bench", PAYLOAD))

    began = perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return APPENDS / (perf_counter() - began)


async def appending(folder: Path) -> None:
    """Measure appends."""
    async with Store(folder) as server:
        database = Database(server.uri, "bench")
        store = MongoChain(database, "ledger")
        await database.start()
        for callers in (1, 8, 64):
            rates = [await appended(store, callers) for _ in range(ROUNDS)]
            _say(f"{callers:3} callers at once: {statistics.median(rates):6.0f} facts/s  ({_range(rates)})")
        await database.stop()


async def growing(folder: Path) -> None:
    """Measure what certificates leave behind, and the check."""
    structlog.configure(processors=[_silent])
    world = World()
    office = Audited(world, establish(folder))
    for number in range(JOURNEYS):
        await office.issued(str(uuid4()), 2 * number + 1)
    certificates = 2 * JOURNEYS
    for kind, octets in _entries(world).items():
        _say(f"ledger, {kind:22} {octets / certificates:6.0f} bytes a certificate")
    for name, documents in world.rows.items():
        octets = sum(len(json.dumps(dict(row.state)).encode()) for row in documents.rows.values())
        handled = sum(len(json.dumps(row.handled)) for row in documents.rows.values())
        _say(f"{name:30} {octets / certificates:6.0f} bytes a certificate, and {handled / certificates:.0f} of inbox")
    began, cpu = perf_counter(), process_time()
    report = await office.report()
    _say(
        f"check: {certificates / (perf_counter() - began):.0f} certificates/s, "
        f"{(process_time() - cpu) / certificates * 1000:.2f} CPU-ms each; {report.errors} errors"
    )


def remembering() -> None:
    """Measure what the check holds in memory of each certificate."""
    before, began = _peak(), perf_counter()
    records = SerialRecords()
    for source in ("store", "ledger", "lookup", "topic"):
        for number in range(REMEMBERED):
            _note(records.of(f"{number * 0x9E3779B97F4A7C15 % (1 << 127):032x}"), source)
    peak = _peak() - before
    _say(
        f"check, {REMEMBERED} certificates: {peak / REMEMBERED:5.0f} bytes of memory each, "
        f"{peak / 1e6:4.0f} MB in all, {perf_counter() - began:.0f} s"
    )


def _peak() -> int:
    return getrusage(RUSAGE_SELF).ru_maxrss * 1024


def _note(record: SerialRecord, source: str) -> None:
    """Say of a certificate what such a source says."""
    now = utc_now()
    match source:
        case "store":
            record.where, record.state, record.stored, record.issuer = (
                str(uuid4()),
                "issued",
                f"{uuid4().hex}{uuid4().hex}",
                "ec",
            )
            record.places, record.issued_at, record.not_after = (record.where,), now, now
        case "ledger":
            record.where, record.intended = str(uuid4()), f"{uuid4().hex}{uuid4().hex}"
            record.issued = record.intended
            record.certificates += (f"{uuid4().hex}{uuid4().hex}",)
        case "lookup":
            record.owner, record.answer = str(uuid4()), StatusAnswer(None)
        case _:
            record.subject, record.published = str(uuid4()), now
    record.touch(now)


def _entries(world: World) -> Counter[str]:
    sizes: Counter[str] = Counter()
    for entry in world.chain.entries:
        fact = entry.fact
        texts = (fact.payload, fact.id, fact.about, fact.kind, entry.at, entry.hash, entry.previous)
        sizes[fact.kind] += sum(len(text.encode()) for text in texts)
    return sizes


def _silent(_logger: object, _name: str, _event: object) -> str:
    raise structlog.DropEvent


def _range(rates: Sequence[float]) -> str:
    return f"{min(rates):.0f} to {max(rates):.0f}"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def main() -> None:
    """Measure all of it."""
    with tempfile.TemporaryDirectory() as folder:
        await appending(Path(folder))
        await growing(Path(folder) / "authority")
    remembering()


if __name__ == "__main__":
    asyncio.run(main())
