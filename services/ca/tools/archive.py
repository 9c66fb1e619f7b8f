"""Move the oldest part of the ledger into a file, and remove it from the store.

    python -m services.ca.tools.archive FILE.jsonl --before 2025-01-01

Archived is everything up to the last checkpoint of before that day, so that the file ends with a hash which was
time-stamped then. It is written, read back and verified before anything is removed; the ledger remembers its SHA-256
and goes on from that very hash, so that file and ledger can still be verified as one chain. Certificates live for a
year: what is younger than 400 days stays. Cut short, it is finished by running it again with the same file.

Exit status: 0, 1 if there is nothing to archive or the file is not as it should be, 2 for a wrong call, 3 if the store
does not answer.
"""

import argparse
import hashlib
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from libs.common.pki.trust import TrustAnchors
from libs.common.storage.chain import ChainStore, Entry, Head
from services.ca.audit.evidence import appended_at
from services.ca.ledger.acts import Archived, Checkpointed
from services.ca.ledger.chain import ChainLedger
from services.ca.ledger.stamps import verify_checkpoint
from services.ca.settings import Settings
from services.ca.tools.common import opened, run, say
from services.ca.tools.export import ExportError, read_lines, write_file

KEPT: Final = timedelta(days=400)


class NothingToArchive(Exception):
    """There is no checkpoint of before that day behind which something could be removed."""


async def archive(
    chain: ChainStore, ledger: ChainLedger, trust: TrustAnchors, file: Path, before: datetime
) -> tuple[Head, int]:
    """Archive the ledger up to its last checkpoint of before a moment. Gives where it begins now, and what was removed.

    Raises:
        NothingToArchive: see there.
        ExportError: the file exists and is another, or what was written does not read back.
        StampRefused: the checkpoint's time-stamp is not good.
    """
    start = await chain.start()
    begun = await ledger.last("ledger.archived")
    if begun is not None and isinstance(begun.act, Archived) and begun.act.position > start.position:
        return await _finish(chain, begun.act, file)
    checkpoint = await _checkpoint(ledger, start, before)
    verify_checkpoint(checkpoint, trust)
    through = Head(checkpoint.position, checkpoint.hash)
    if _sha256(file) is not None:
        raise ExportError(f"{file.name} exists already: give the archive a name of its own")
    await write_file(_through(ledger, start, through), start, file)
    if read_lines(file).head != through:
        raise ExportError(f"{file.name} does not end at the checkpoint: the ledger was altered")
    act = Archived(position=through.position, hash=through.hash, archive_sha256=_sha256(file) or "")
    await ledger.record("authority", act)
    return await _finish(chain, act, file)


async def _finish(chain: ChainStore, act: Archived, file: Path) -> tuple[Head, int]:
    """Remove what an act on record says is in the file."""
    if _sha256(file) != act.archive_sha256:
        raise ExportError(f"the archive up to entry {act.position} was begun with another file: give that one")
    through = Head(act.position, act.hash)
    return through, await chain.cut(through)


async def _checkpoint(ledger: ChainLedger, start: Head, before: datetime) -> Checkpointed:
    newest: Checkpointed | None = None
    async for entry in ledger.entries(start.position):
        if appended_at(entry) >= before:
            break
        if entry.fact.kind == "ledger.checkpointed":
            act = ledger.read(entry)
            newest = act if isinstance(act, Checkpointed) and act.position > start.position else newest
    if newest is None:
        raise NothingToArchive(f"nothing before {before:%Y-%m-%d} is covered by a checkpoint of that time")
    return newest


async def _through(ledger: ChainLedger, start: Head, through: Head) -> AsyncIterator[Entry]:
    async for entry in ledger.entries(start.position):
        if entry.position > through.position:
            return
        yield entry


def _sha256(file: Path) -> str | None:
    """Return the digest of a file, or None where there is none."""
    if not file.exists():
        return None
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the archive; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m services.ca.tools.archive", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("file", type=Path, metavar="FILE.jsonl")
    parser.add_argument("--before", required=True, metavar="YYYY-MM-DD", help="everything older, up to a checkpoint")
    given = parser.parse_args(arguments)
    try:
        before = datetime.fromisoformat(given.before).replace(tzinfo=UTC)
    except ValueError:
        parser.error("--before is a day, as 2025-01-01")
    if given.file.suffix != ".jsonl":
        parser.error("the file's name ends in .jsonl")

    async def work(settings: Settings) -> int:
        async with opened(settings) as source:
            if before > source.clock() - KEPT:
                say(f"ca: what is younger than {KEPT.days} days stays in the store")
                return 1
            sources = source.sources
            start, removed = await archive(sources.chain, sources.ledger, sources.hierarchy.trust, given.file, before)
        say(
            f"{given.file} holds the ledger up to entry {start.position}; the store lost {removed} entries.",
            "Keep it, and a copy elsewhere: the ledger says its SHA-256, and nothing else has what is in it.",
        )
        return 0

    try:
        return run(work)
    except (NothingToArchive, ExportError) as error:
        say(f"ca: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
