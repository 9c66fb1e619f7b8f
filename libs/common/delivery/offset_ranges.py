"""Which offsets of a partition are done with, in the two fields that a committed offset has: a number and a text."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from libs.common.core.errors import Permanent

_TEXT_LIMIT: Final = 4000
"""Kafka keeps 4,096 bytes of text beside a committed offset (``offset.metadata.max.bytes``)."""


@dataclass(frozen=True, slots=True)
class Ranges:
    """A set of offsets: all below ``below``, and some above."""

    below: int = 0
    above: frozenset[int] = frozenset()

    def __contains__(self, offset: int) -> bool:
        return offset < self.below or offset in self.above

    def with_(self, offset: int) -> "Ranges":
        """Return the set with one more offset."""
        above = set(self.above) | ({offset} if offset >= self.below else set())
        below = self.below
        while below in above:
            above.remove(below)
            below += 1
        return Ranges(below, frozenset(above))

    def as_commit(self) -> tuple[int, str]:
        """Return offset and text to be committed.

        Raises:
            Permanent: there are too many gaps for the text.
        """
        text = ",".join(f"{first}-{last}" if last > first else f"{first}" for first, last in _runs(self.above))
        if len(text) > _TEXT_LIMIT:
            raise Permanent(
                "Too many single messages were picked for all to be marked. Redrive the earlier ones first."
            )
        return self.below, text

    @classmethod
    def of_commit(cls, offset: int, text: str) -> "Ranges":
        """Read what `as_commit` gave."""
        above: set[int] = set()
        for part in filter(None, text.split(",")):
            first, _, last = part.partition("-")
            above.update(range(int(first), int(last or first) + 1))
        return cls(offset, frozenset(above))


def _runs(offsets: Iterable[int]) -> Iterable[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for offset in sorted(offsets):
        if runs and runs[-1][1] == offset - 1:
            runs[-1] = (runs[-1][0], offset)
        else:
            runs.append((offset, offset))
    return runs
