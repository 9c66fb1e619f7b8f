"""An append-only chain of facts: each entry holds the hash of the one before, so that none can be changed unseen.

One document an entry, named by its position: whoever inserts position n+1 first has it, and whoever loses the race
reads the head again. A fact's own id is unique as well, so that telling it again appends nothing. Several facts that
wait at the same moment travel in one write.

What a chain shows, and what not: an entry that was altered, removed or slipped in breaks it. Entries missing at its
end, or a chain written anew as a whole, show only against a head that was kept elsewhere.
"""

import asyncio
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from libs.common.core.errors import Retryable
from libs.common.core.values import Clock

BATCH: Final = 500
MAX_RACES: Final = 200


@dataclass(frozen=True, slots=True)
class Fact:
    """What is to be remembered. ``payload`` is JSON, personal fields sealed; the chain keeps it letter by letter.

    ``id`` is the same whenever the same fact is told; ``about`` is what one looks it up by, such as a journey.
    """

    id: str
    kind: str
    payload: str
    about: str = ""

    def __post_init__(self) -> None:
        if any("\n" in text for text in (self.id, self.kind, self.payload, self.about)):
            raise ValueError("a line feed would make two entries look alike to the hash")


@dataclass(frozen=True, slots=True)
class Head:
    """How far a chain goes: the position of its last entry, and that entry's hash. Before the first: `GENESIS`."""

    position: int
    hash: str


GENESIS: Final = Head(0, "0" * 64)


@dataclass(frozen=True, slots=True)
class Entry:
    """A fact in its place. ``at`` (ISO 8601, UTC) is when it was appended."""

    position: int
    previous: str
    at: str
    fact: Fact
    hash: str

    @classmethod
    def after(cls, head: Head, at: str, fact: Fact) -> "Entry":
        """Put a fact behind a head."""
        return cls(head.position + 1, head.hash, at, fact, digest(head.position + 1, head.hash, at, fact))

    @property
    def head(self) -> Head:
        """The head of a chain that ends here."""
        return Head(self.position, self.hash)


def digest(position: int, previous: str, at: str, fact: Fact) -> str:
    """Hash an entry: SHA-256, hexadecimal, over its seven fields as text, a line feed between them.

    In the order position, previous hash, time, kind, id, about, payload. Only the payload is JSON, and JSON as it is
    written here holds no line feed, so that no two entries give the same text.
    """
    lines = (str(position), previous, at, fact.kind, fact.id, fact.about, fact.payload)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Break:
    """A place where a chain does not hold: what is wrong with the entry at a position."""

    position: int
    what: str


def breaks(entries: Iterable[Entry], since: Head = GENESIS) -> Iterator[Break]:
    """Follow entries from a head on, and tell of everything that does not fit."""
    for entry in entries:
        if entry.position != since.position + 1:
            yield Break(entry.position, f"it follows entry {since.position}: entries are missing, or stand twice")
        elif entry.previous != since.hash:
            yield Break(entry.position, "it names another entry as the one before it")
        if digest(entry.position, entry.previous, entry.at, entry.fact) != entry.hash:
            yield Break(entry.position, "its content is not what was hashed: it was altered")
        since = entry.head


class ChainStore(Protocol):
    """Where a chain is kept. Every method may raise `Unavailable`, and then the outcome is unknown."""

    async def head(self) -> Head:
        """Return the head: the last entry's, or where the chain was cut off, or `GENESIS`."""
        ...

    async def extend(self, entries: Sequence[Entry]) -> int:
        """Store entries in order until one cannot be, as its position or its fact is there already. Gives how many."""
        ...

    async def known(self, ids: Sequence[str]) -> frozenset[str]:
        """Tell which of these facts are in the chain."""
        ...

    async def read(self, after: int, limit: int) -> Sequence[Entry]:
        """Return the entries behind a position, in order."""
        ...

    async def last(self, kind: str) -> Entry | None:
        """Return the newest entry of a kind."""
        ...

    async def about(self, what: str) -> Sequence[Entry]:
        """Return the entries about something, in order."""
        ...

    async def start(self) -> Head:
        """Return where the chain begins: `GENESIS`, or what was cut off."""
        ...

    async def cut(self, through: Head) -> int:
        """Remove everything up to and with this entry, and begin the chain behind it. Gives the number of entries.

        Raises:
            ValueError: the chain holds no such entry.
        """
        ...


class LostChainRaces(Retryable):
    """Others appended again and again; a later try will get through."""


@dataclass(slots=True, eq=False)  # one call is not another that tells the same
class _Call:
    facts: tuple[Fact, ...]
    done: bool = False


class Chain:
    """Appends to a chain, for any number of callers in this process and any number of processes."""

    def __init__(self, store: ChainStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._waiting: list[_Call] = []
        self._turn = asyncio.Lock()
        self._head: Head | None = None

    async def append(self, *facts: Fact) -> None:
        """Return when these facts are in the chain; those that are there already stay where they are.

        Raises:
            LostChainRaces: others won every time.
            Unavailable: the store does not answer; whether the facts are there is unknown, so tell them again.
        """
        call = _Call(facts)
        self._waiting.append(call)
        try:
            async with self._turn:
                while not call.done:
                    await self._write()
        finally:
            if call in self._waiting:
                self._waiting.remove(call)

    async def _write(self) -> None:
        """Write what waits: the caller's own facts, and those that came while another write was under way."""
        calls: list[_Call] = []
        facts: dict[str, Fact] = {}
        for call in self._waiting:
            if calls and len(facts) + len(call.facts) > BATCH:
                break
            calls.append(call)
            facts |= {fact.id: fact for fact in call.facts}
        await self._extend(facts)
        for call in calls:
            call.done = True
        self._waiting = [call for call in self._waiting if not call.done]  # who gave up meanwhile has gone already

    async def _extend(self, facts: dict[str, Fact]) -> None:
        for _ in range(MAX_RACES):
            head, self._head = self._head or await self._store.head(), None  # forgotten until it is known again
            at = self._clock().isoformat(timespec="milliseconds")
            entries = list(_linked(head, at, facts.values()))
            stored = await self._store.extend(entries)
            if stored == len(entries):
                self._head = entries[-1].head if entries else head
                return
            known = await self._store.known(list(facts))
            facts = {id_: fact for id_, fact in facts.items() if id_ not in known}
        raise LostChainRaces(f"lost {MAX_RACES} races for the end of the chain")


def _linked(head: Head, at: str, facts: Iterable[Fact]) -> Iterator[Entry]:
    for fact in facts:
        entry = Entry.after(head, at, fact)
        yield entry
        head = entry.head
