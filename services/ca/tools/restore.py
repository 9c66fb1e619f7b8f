"""After the store was restored from an older backup: bring it up to what the ledger and the topics know.

    python -m services.ca.tools.restore [--export FILE.jsonl]... [--no-topics] [--dry-run]

To be run before the service is started again, with the settings of the service (``CA_…``). Exports of the ledger
(`tools.export`) are appended where the restored ledger ends. Then, from ledger and topics: serial numbers and
keys of later days are reserved, so that none is given again; certificates that are missing are put back; revocations
are repeated, with the time and reason they had; what may have been signed and is nowhere else is revoked. What the
topics lack is published by the service when it starts. Running it again changes nothing.

Exit status: 0, 1 if an export cannot be used, 2 for a wrong call, 3 if store or broker do not answer.
"""

import argparse
import hashlib
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from libs.common.contracts.ca import CertIssued, CertRevoked
from libs.common.contracts.events import Event, Meta
from services.ca.audit.evidence import AuditEvidence
from services.ca.audit.gather import Sources, gather, published_facts, read_topics
from services.ca.audit.rebuild import collect
from services.ca.audit.recovery import Found, PublishedSerials, put_back, recover, request_of
from services.ca.audit.serial_records import SerialRecord
from services.ca.enrolment.states import Certified
from services.ca.ledger.acts import Restored
from services.ca.model.ids import OWN
from services.ca.settings import Settings
from services.ca.tools.common import Opened, opened, run, say
from services.ca.tools.export import Export, ExportError, read_lines


@dataclass(frozen=True, slots=True)
class RestoreOutcome:
    """What was done: entries appended to the ledger, and how many of what were put back into the store."""

    entries: int = 0
    relinked: bool = False
    enrolments: int = 0
    certificates: int = 0
    revocations: int = 0
    republished: int = 0


async def extend(sources: Sources, export: Export) -> tuple[int, bool]:
    """Append an export where the restored ledger ends. Gives how many entries, and whether they had to be relinked.

    If the service wrote after the backup was restored, the old entries cannot follow: their acts are then recorded
    anew, behind what it wrote, and checkpoints of before will not be found in the ledger any more.

    Raises:
        ExportError: the export begins behind the end of the ledger: an earlier one is missing.
    """
    head = await sources.chain.head()
    if export.after.position > head.position:
        raise ExportError(f"the ledger ends at {head.position}: export from there, or give the earlier file as well")
    missing = [entry for entry in export.entries if entry.position > head.position]
    joint = next((entry for entry in export.entries if entry.position == head.position), None)
    fits = joint.head == head if joint is not None else export.after == head
    if fits or not missing:
        return (await sources.chain.extend(missing) if missing else 0), False
    known = await sources.chain.known([entry.fact.id for entry in export.entries])
    lost = [entry for entry in export.entries if entry.fact.id not in known]
    await sources.ledger.repeat(lost)
    return len(lost), True


async def restore(
    source: Opened, exports: Sequence[Export], *, topics: bool = True, dry: bool = False
) -> RestoreOutcome:
    """Do all of it; ``dry``: count only."""
    sources, settings, now = source.sources, source.settings, source.clock()
    outcome = RestoreOutcome()
    for export in exports:
        entries, relinked = (len(export.entries), False) if dry else await extend(sources, export)
        outcome = replace(outcome, entries=outcome.entries + entries, relinked=outcome.relinked or relinked)
    head = await sources.chain.head()
    evidence = await gather(sources, (), settings.base_url)
    if topics:
        await read_topics(evidence, published_facts(settings.kafka_access, sources.keyring))
    needy = {record.about for record in evidence.records if _lacks(record)}
    events = await _events(needy, published_facts(settings.kafka_access, sources.keyring)) if topics else {}
    outcome = await _recover_all(source, needy, events, _published(evidence, needy), outcome, now=now, dry=dry)
    if not dry and (outcome.entries or needy):
        act = Restored(
            at=now,
            head=head.position,
            certificates=outcome.certificates,
            revocations=outcome.revocations,
            republished=outcome.republished,
        )
        await sources.ledger.record("authority", act)
    return outcome


def _lacks(record: SerialRecord) -> bool:
    """Return whether the store knows less of a serial number than ledger or topics do."""
    missing = record.state in (None, "issuing") and (record.intended is not None or record.published is not None)
    undone = record.stored_revoked is None and (record.revoked is not None or record.published_revoked is not None)
    return missing or undone or (record.state is not None and record.owner is None)


def _published(evidence: AuditEvidence, needy: Collection[str]) -> PublishedSerials | None:
    """Return which of these the topics hold; None if they were not read."""
    if not evidence.topics:
        return None
    records = [record for record in evidence.records if record.about in needy]
    return PublishedSerials(
        issued=frozenset(each.serial for each in records if each.published is not None),
        revoked=frozenset(each.serial for each in records if each.published_revoked is not None),
    )


async def _events(needy: Iterable[str], facts: AsyncIterator[tuple[Event, Meta]]) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = defaultdict(list)
    async for event, meta in facts:
        if meta.subject in needy:
            found[meta.subject].append(event)
    return found


async def _recover_all(
    source: Opened,
    needy: Iterable[str],
    events: dict[str, list[Event]],
    published: PublishedSerials | None,
    outcome: RestoreOutcome,
    *,
    now: datetime,
    dry: bool,
) -> RestoreOutcome:
    sources = source.sources
    for journey_id in sorted(needy):
        if journey_id.startswith(OWN):
            await _reserve_own(sources, journey_id, dry=dry)
            continue
        entries = await sources.chain.about(journey_id)
        facts = events.get(journey_id, ())
        found = tuple(collect(sources.ledger, sources.hierarchy, entries, facts).values())
        before = await sources.enrolments.get(journey_id)
        decision = recover(before, found, published, now)
        if not dry:
            await _reserve(sources, journey_id, found)
        if decision is None:
            continue
        if not dry:
            # What the store holds is on record before it is there; what only the topics knew, as that.
            known = {entry.fact.id.split("/")[1] for entry in entries if entry.fact.kind == "certificate.issued"}
            missing = [] if isinstance(before, Certified) else [each for each in found if each.signed]
            fresh = [each for each in missing if each.serial not in known]
            await sources.ledger.record(journey_id, *map(put_back, fresh))
            await sources.enrolments.apply(journey_id, lambda state, f=found: recover(state, f, published, now))  # type: ignore[misc]  # bound early, as loops ask for
        again = sum(isinstance(each, CertIssued | CertRevoked) for each in decision.events)
        outcome = replace(
            outcome,
            enrolments=outcome.enrolments + 1,
            certificates=outcome.certificates + (0 if before is not None and before.kind == "issued" else len(found)),
            revocations=outcome.revocations + sum(each.revoked is not None for each in found),
            republished=outcome.republished + again,
        )
    return outcome


async def _reserve(sources: Sources, journey_id: str, found: Iterable[Found]) -> None:
    for each in found:
        await sources.book.take("serial", each.serial, journey_id)
        spki = bytes.fromhex(request_of(each).spki)
        await sources.book.take("key", hashlib.sha256(spki).hexdigest(), journey_id)


async def _reserve_own(sources: Sources, about: str, *, dry: bool) -> None:
    for entry in await sources.chain.about(about):
        if entry.fact.kind == "certificate.intended" and not dry:
            await sources.book.take("serial", entry.fact.id.removeprefix("intended/"), about)


def lines(outcome: RestoreOutcome) -> list[str]:
    """Return what was done, for people."""
    behind = (
        f"{outcome.enrolments} enrolments were behind: {outcome.certificates} certificates put back, "
        f"{outcome.revocations} revocations repeated, {outcome.republished} facts to be published again."
    )
    said = [
        f"{outcome.entries} entries were appended to the ledger.",
        behind,
        "Start the service: it lists the revocations within a minute. Then run `python -m services.ca.tools.check`.",
    ]
    if outcome.relinked:
        said.insert(1, "The service had written after the backup: older acts follow behind that, in new entries.")
    return said


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the restore; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m services.ca.tools.restore", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--export", type=Path, action="append", default=[], metavar="FILE", help="oldest first")
    parser.add_argument("--no-topics", action="store_true", help="go by the ledger alone")
    parser.add_argument("--dry-run", action="store_true", help="count what is missing, change nothing")
    given = parser.parse_args(arguments)

    async def work(settings: Settings) -> int:
        exports = [read_lines(file) for file in given.export]
        async with opened(settings) as source:
            outcome = await restore(source, exports, topics=not given.no_topics, dry=given.dry_run)
        say(*lines(outcome))
        return 0

    try:
        return run(work)
    except ExportError as error:
        say(f"ca: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
