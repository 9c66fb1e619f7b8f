"""The ceremony's transcript: each step as a line of JSON at once, and all of them as a text to be signed and filed.

It holds no secret: of keys, only the digests of their public halves.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from services.ca.keys.files import PUBLIC, write_over

LINES: Final = "ceremony.jsonl"
TEXT: Final = "ceremony.txt"

Fact = str | int | list[str]
_HEADS: Final[Mapping[str, str]] = {
    "ceremony held": "CEREMONY",
    "key created": "Key made",
    "intent": "Linted, and about to be signed",
    "certificate signed": "Certificate signed",
    "seal exported": "Seal packed for the service that seals",
    "revocation stated": "Stated as revoked",
    "revocation list signed": "Revocation list signed",
}
_WIDTH: Final = 22


class Transcript:
    """One run's notes. A run that finds everything made notes nothing, and leaves the files as they are.

    Args:
        held: what stands before the first note: who held the ceremony, by which configuration, before whom.
    """

    def __init__(self, directory: Path, now: datetime, held: Mapping[str, Fact]) -> None:
        self._path = directory / LINES
        self._text = directory / TEXT
        self.now = now
        self._held: Mapping[str, Fact] | None = held

    def note(self, step: str, label: str, **facts: Fact) -> None:
        """Write one step down, before the next one is taken."""
        if self._held is not None:
            held, self._held = self._held, None
            self._append("ceremony held", "", held)
        self._append(step, label, facts)

    def close(self) -> None:
        """Write the text anew from all lines, those of earlier runs too."""
        if self._held is None or not self._text.exists():
            lines = self._path.read_text(encoding="utf-8").splitlines() if self._path.exists() else []
            text = "\n".join(_paragraphs(json.loads(line) for line in lines)) + "\n"
            write_over(self._text, text.encode(), mode=PUBLIC)

    def _append(self, step: str, label: str, facts: Mapping[str, Fact]) -> None:
        line = {"time": self.now.isoformat(), "step": step, "label": label, **facts}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def _paragraphs(lines: Iterator[dict[str, Fact]]) -> Iterator[str]:
    witnesses: list[str] = []
    for line in lines:
        time, step, label = (str(line.pop(name)) for name in ("time", "step", "label"))
        if step == "ceremony held":
            yield from _signatures(witnesses)
            named = line.get("witnesses")
            witnesses = named if isinstance(named, list) else []
        yield ""
        yield f"{_HEADS.get(step, step)}{f': {label}' if label else ''}  ({time})"
        for name, value in line.items():
            shown = "; ".join(value) if isinstance(value, list) else value
            yield f"    {name.replace('_', ' '):{_WIDTH}}{shown if shown != '' else '-'}"
    yield from _signatures(witnesses)


def _signatures(witnesses: list[str]) -> Iterator[str]:
    """Leave room for those who watched to sign."""
    if witnesses:
        yield ""
        yield "Witnessed, and found as written above:"
    for each in witnesses:
        yield f"\n    ______________________________  {each}"
