"""Faults planted in the engine and in issuance, one at a time: tests that do not notice one are too weak.

    python -m tests.mutations            all of them, a copy of the tree each; exit status 1 if one survives
    python -m tests.mutations NAME ...   those named

A mutation replaces one text that stands once in a file. It is caught if the tests named beside it fail.
"""

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
COPIED: Final = ("libs", "services", "deploy", "tests", "docs", "pyproject.toml")
ENGINE: Final = ("tests/unit/common/delivery",)
STORED: Final = "        if not await self._documents.store(after):\n            return False\n"
PUBLISHED: Final = "        await self._outbox.publish(after)\n"
ISSUANCE: Final = ("tests/unit/ca/enrolment", "tests/unit/ca/issuance")


@dataclass(frozen=True)
class Mutation:
    """One fault: what becomes of which text, and who has to notice."""

    name: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...] = ENGINE


MUTATIONS: Final = (
    Mutation(
        "inbox skipped",
        "libs/common/delivery/aggregates.py",
        "if before is not None and cause is not None and cause.id in before.handled:",
        "if False:",
    ),
    Mutation(
        "published before the write",
        "libs/common/delivery/aggregates.py",
        f"{STORED}{PUBLISHED}",
        f"{PUBLISHED}{STORED}",
    ),
    Mutation(
        "outbox forgotten by the next write",
        "libs/common/delivery/aggregates.py",
        "waiting = () if before is None else self._outbox.remaining(before)",
        "waiting = ()",
    ),
    Mutation(
        "outbox trimmed too far",
        "libs/common/delivery/outbox.py",
        "for key, progress in self._progress.items() if not progress.waiting()]",
        "for key, progress in self._progress.items()]",
    ),
    Mutation(
        "version not checked",
        "libs/common/testing/memory.py",
        "if (0 if present is None else present.version) != document.version - 1:",
        "if False:",
    ),
    Mutation(
        "wake not claimed",
        "libs/common/delivery/timers.py",
        "        if not await self._documents.claim(key, wake_at, until):\n            return False\n",
        "        await self._documents.claim(key, wake_at, until)\n",
    ),
    Mutation(
        "timer lost",
        "libs/common/delivery/aggregates.py",
        "held_until or (None if wake_at is None else to_millis_up(wake_at))",
        "held_until",
    ),
    Mutation(
        "given up without a dead letter",
        "libs/common/delivery/consumption.py",
        "        await self._publisher.publish_raw(retry.dead_letter(record, self._group, error))\n",
        "",
    ),
    Mutation(
        "signatures of events not verified",
        "libs/common/delivery/consumption.py",
        "            self._authenticate(record)\n",
        "",
        ("tests/unit/common/testing",),
    ),
    Mutation(
        "serial numbers not reserved",
        "services/ca/enrolment/issue.py",
        "                await self._reserve(journey_id, intents)\n",
        "",
        ISSUANCE,
    ),
    Mutation(
        "signed before the ledger knows",
        "services/ca/enrolment/issue.py",
        "            await self._ledger.record(journey_id, *_intended(state))\n",
        "",
        ISSUANCE,
    ),
    Mutation(
        "issued after the journey failed",
        "services/ca/enrolment/domain.py",
        "revoked = None if state.ended is None else revoke(after, None",
        "revoked = None if state.ended is not None else revoke(after, None",
        ISSUANCE,
    ),
    Mutation(
        "linted once, signed twice",
        "services/ca/issuance/lint.py",
        "return self._unspent.pop()",
        "return self._unspent[0]",
        ISSUANCE,
    ),
    Mutation(
        "newest certificates superseded",
        "services/ca/enrolment/supersession.py",
        "self.journeys[:-1]",
        "self.journeys[1:]",
        ISSUANCE,
    ),
)


def main(names: list[str]) -> int:
    """Plant what was asked for; return the exit status."""
    survivors = []
    for mutation in MUTATIONS:
        if names and mutation.name not in names:
            continue
        caught = _caught(mutation)
        print(f"{'caught' if caught else 'SURVIVED':9} {mutation.name}", flush=True)  # noqa: T201 - the command reports
        survivors += [] if caught else [mutation.name]
    return 1 if survivors else 0


def _caught(mutation: Mutation) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / name, copy / name)
        (copy / "var").symlink_to(ROOT / "var")
        _plant(copy / mutation.file, mutation)
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *mutation.tests]
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise RuntimeError(
            f"the tests could not run with {mutation.name!r}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    return done.returncode == 1


def _plant(file: Path, mutation: Mutation) -> None:
    text = file.read_text("utf-8")
    if text.count(mutation.before) != 1:
        raise RuntimeError(f"{mutation.name!r} does not stand once in {mutation.file}: bring the list up to date")
    file.write_text(text.replace(mutation.before, mutation.after), "utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
