"""Check everything the authority ever issued against its ledger, its store, its revocation lists and the topics.

    python -m services.ca.tools.check [--json FILE] [--checkpoint FILE]... [--no-topics] [--settled SECONDS]

Reads the settings of the service (``CA_…``). Every certificate is linted again by today's rules and its signature
verified; the chain of the ledger and its checkpoints are verified; what ledger, store, lists and topics say is
compared serial number by serial number. Changes nothing but the note that it ran, which the service shows as metrics
(not with ``--no-topics``), and may run beside the service.

Exit status: 0 all is well (there may be warnings), 1 something is wrong, 2 a wrong call, 3 store or broker do not
answer. Uses no private key.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from libs.common.core.model import Model
from services.ca.audit.evidence import AuditEvidence
from services.ca.audit.gather import gather, published_facts, read_topics, witnesses
from services.ca.audit.rules import AuditFinding, Tally, Times, findings
from services.ca.ledger.acts import Checkpointed
from services.ca.monitoring.ledger_metrics import note_check
from services.ca.settings import Settings
from services.ca.tools.common import Opened, opened, run, say

SETTLED_S: Final = 60
_SHOWN: Final = 50
"""Findings of one kind that are printed."""
KEPT: Final = 1000
"""Findings of one kind that the report in JSON has; it counts all."""


class AuditReport(Model):
    """What was checked, and what was found. ``found``: how many findings of each key, errors and warnings."""

    at: datetime
    entries: int
    enrolments: int
    serial_numbers: int
    issued: int
    revoked: int
    lists: int
    checkpoints: int
    topics: bool
    errors: int
    warnings: int
    found: dict[str, int]
    findings: tuple[AuditFinding, ...]


async def check(
    source: Opened, *, kept: Sequence[tuple[str, Checkpointed]] = (), topics: bool = True, settled_s: int = SETTLED_S
) -> AuditReport:
    """Collect the evidence and judge it.

    Args:
        kept: checkpoints that were kept elsewhere, each with where.
        topics: whether the topics are read and compared.
        settled_s: what was touched within so many seconds is on its way, and not judged.
    """
    settings, now = source.settings, source.clock()
    others = await witnesses(settings.kafka_access, source.sources.keyring) if topics else []
    evidence = await gather(source.sources, [*kept, *others], settings.base_url)
    if topics:
        await read_topics(evidence, published_facts(settings.kafka_access, source.sources.keyring))
    return report(evidence, Times(now=now, settled=now - timedelta(seconds=settled_s)))


def report(evidence: AuditEvidence, times: Times) -> AuditReport:
    """Judge the evidence."""
    tally, found, severities, kept = Tally(), Counter[str](), Counter[str](), list[AuditFinding]()
    for each in findings(evidence, times, tally):
        found[each.key] += 1
        severities[each.severity] += 1
        if found[each.key] <= KEPT:
            kept.append(each)
    return AuditReport(
        at=times.now,
        entries=evidence.entries,
        enrolments=evidence.enrolments,
        serial_numbers=tally.serial_numbers,
        issued=tally.issued,
        revoked=tally.revoked,
        lists=len(evidence.lists),
        checkpoints=evidence.checkpoints,
        topics=evidence.topics,
        errors=severities["error"],
        warnings=severities["warning"],
        found=dict(found),
        findings=tuple(sorted(kept, key=lambda each: (each.severity, each.key, each.about))),
    )


def lines(result: AuditReport) -> list[str]:
    """Write a report for people."""
    shown: Counter[str] = Counter()
    checked = (
        f"Checked {result.entries} entries of the ledger, {result.checkpoints} checkpoints, {result.enrolments} "
        f"enrolments, {result.serial_numbers} serial numbers ({result.issued} certificates stored, {result.revoked} "
        f"revoked), {result.lists} revocation lists{'' if result.topics else '; the topics were left out'}."
    )
    written = [checked]
    for each in result.findings:
        shown[each.key] += 1
        if shown[each.key] <= _SHOWN:
            written += [f"{each.severity}  {each.key}  {each.about}", f"    {each.text} {each.advice}"]
    written += [f"… and {n - _SHOWN} more of {key}" for key, n in result.found.items() if n > _SHOWN]
    verdict = "All is well." if not result.findings else f"{result.errors} errors, {result.warnings} warnings."
    return [*written, verdict]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services.ca.tools.check", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the whole report here")
    parser.add_argument(
        "--checkpoint",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a checkpoint kept elsewhere, as /v1/ca/ledger/checkpoint gave it",
    )
    parser.add_argument("--no-topics", action="store_true", help="leave out the topics")
    parser.add_argument("--settled", type=int, default=SETTLED_S, metavar="SECONDS", help="how old facts must be")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the check; return its exit status."""
    given = _parser().parse_args(arguments)
    try:
        kept = [(str(file), Checkpointed.model_validate_json(file.read_bytes())) for file in given.checkpoint]
    except (OSError, ValueError) as error:
        _parser().error(f"this is no checkpoint: {type(error).__name__}")

    async def work(settings: Settings) -> int:
        async with opened(settings) as source:
            result = await check(source, kept=kept, topics=not given.no_topics, settled_s=given.settled)
            if result.topics:
                await note_check(source.checks, result.at, result.errors, result.warnings)
        if given.json is not None:
            given.json.write_text(result.model_dump_json(indent=1), encoding="utf-8")
        say(*lines(result))
        return 1 if result.errors else 0

    return run(work)


if __name__ == "__main__":
    sys.exit(main())
