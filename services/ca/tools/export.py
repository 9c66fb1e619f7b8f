"""Write the ledger to a file: JSON Lines to prove things with and to restore from, CSV to read.

    python -m services.ca.tools.export FILE.jsonl [--after POSITION]
    python -m services.ca.tools.export FILE.csv

JSON Lines: the first line says what the file is and behind which entry it begins, each further line is one entry with
all that its hash covers, the last one says where the file ends. What is personal is sealed, as it is in the store: the
file can be kept by people who may not read it, and shows with which keys it could be read. In clear are serial
numbers, dates, digests, reasons, and the identifiers of journeys, of citizens and of those who asked.

CSV leaves out the sealed parts, and cannot prove anything.

Exit status: 0, 2 for a wrong call, 3 if the store does not answer.
"""

import argparse
import csv
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO

from libs.common.storage.chain import Entry, Fact, Head, breaks
from services.ca.settings import Settings
from services.ca.tools.common import opened, run, say

FORMAT: Final = "ca-ledger/1"
_HONESTY: Final = (
    "Names, numbers and certificates of people are sealed (AES-256-GCM). In clear: serial numbers, dates, digests, "
    "signatures, reasons, identifiers of journeys, citizens and staff."
)
_KEY_ID: Final = re.compile(r'"kid":"([^"]+)"')
_COLUMNS: Final = ("position", "at", "kind", "about", "serial", "profile", "role", "by", "reason", "before", "after")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


class ExportError(Exception):
    """This is no whole export of the ledger: the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Export:
    """A file of the ledger that was read whole: the head it begins behind, and its entries. They link up."""

    after: Head
    entries: tuple[Entry, ...]

    @property
    def head(self) -> Head:
        """Where it ends."""
        return self.entries[-1].head if self.entries else self.after


async def write_lines(entries: AsyncIterator[Entry], after: Head, to: TextIO) -> Head:
    """Write entries as JSON Lines; give where they end."""
    head, kids = after, set[str]()
    _line(to, {"format": FORMAT, "after": [after.position, after.hash], "personal_data": _HONESTY})
    async for entry in entries:
        fact = entry.fact
        kids.update(_KEY_ID.findall(fact.payload))
        places = {"position": entry.position, "previous": entry.previous, "hash": entry.hash, "at": entry.at}
        _line(to, places | {"kind": fact.kind, "id": fact.id, "about": fact.about, "payload": fact.payload})
        head = entry.head
    _line(to, {"end": [head.position, head.hash], "sealed_with": sorted(kids)})
    return head


def _line(to: TextIO, content: dict[str, Any]) -> None:
    to.write(json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n")


def read_lines(file: Path) -> Export:
    """Read an export.

    Raises:
        ExportError: it is none, it was cut short, or its entries do not link up.
    """
    try:
        # Not splitlines: whatever else ends a line may stand in a text.
        first, *lines, last = (json.loads(line) for line in file.read_text(encoding="utf-8").rstrip("\n").split("\n"))
        if first["format"] != FORMAT:
            raise ExportError(f"{file.name} is an export of another format")
        after, end = Head(*first["after"]), Head(*last["end"])
        entries = tuple(_entry(line) for line in lines)
    except (ValueError, KeyError, TypeError) as error:
        raise ExportError(f"{file.name} is no export of the ledger, or was cut short") from error
    wrong = next(breaks(entries, after), None)
    if wrong is not None:
        raise ExportError(f"{file.name}, entry {wrong.position}: {wrong.what}")
    export = Export(after, entries)
    if export.head != end:
        raise ExportError(f"{file.name} does not end where it says it does")
    return export


def _entry(line: dict[str, Any]) -> Entry:
    fact = Fact(line["id"], line["kind"], line["payload"], line["about"])
    return Entry(line["position"], line["previous"], line["at"], fact, line["hash"])


async def write_table(entries: AsyncIterator[Entry], to: TextIO) -> int:
    """Write entries as CSV; give their number."""
    table, count = csv.DictWriter(to, (*_COLUMNS, "hash"), extrasaction="ignore"), 0
    table.writeheader()
    async for entry in entries:
        table.writerow(dict(_cells(entry)))
        count += 1
    return count


def _cells(entry: Entry) -> Iterator[tuple[str, str]]:
    yield from (("position", str(entry.position)), ("at", entry.at), ("hash", entry.hash))
    yield from (("kind", entry.fact.kind), ("about", _harmless(entry.fact.about)))
    act = json.loads(entry.fact.payload)
    for name in ("serial", "profile", "role", "by", "reason"):
        yield name, _harmless(str(act.get(name) or ""))
    for name in ("before", "after"):
        yield name, "" if act.get(name) is None else json.dumps(act[name], separators=(",", ":"))


def _harmless(text: str) -> str:
    """Keep a spreadsheet from taking for a formula what somebody else has chosen, such as a clerk's identifier."""
    return f"'{text}" if text.startswith(_FORMULA) else text


async def write_file(entries: AsyncIterator[Entry], after: Head, file: Path) -> Head:
    """Write entries to a file that is on disk, whole, when this returns; as CSV if its name says so.

    Gives where the entries end; of a table, where they begin.
    """
    draft = file.with_name(f".{file.name}.draft")
    with draft.open("w", encoding="utf-8", newline="") as to:
        head = after
        if file.suffix == ".csv":
            await write_table(entries, to)
        else:
            head = await write_lines(entries, after, to)
        to.flush()
        os.fsync(to.fileno())
    draft.replace(file)
    return head


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the export; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m services.ca.tools.export", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="ends in .jsonl or .csv")
    parser.add_argument("--after", type=int, default=0, metavar="POSITION", help="leave out what an earlier file has")
    given = parser.parse_args(arguments)
    if given.file.suffix not in (".jsonl", ".csv"):
        parser.error("the file's name ends in .jsonl or .csv")

    async def work(settings: Settings) -> int:
        async with opened(settings) as source:
            ledger = source.sources.ledger
            after = await ledger.at(given.after)
            await write_file(ledger.entries(after.position), after, given.file)
        say(f"The ledger behind entry {after.position} is in {given.file}. {_HONESTY}")
        return 0

    return run(work)


if __name__ == "__main__":
    sys.exit(main())
