"""A chain of facts in memory. One contract test holds it to the real one."""

from collections.abc import Sequence

from typing_extensions import override

from libs.common.storage.chain import GENESIS, ChainStore, Entry, Head


class MemoryChain(ChainStore):
    """One chain in a list."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.begins = GENESIS

    @override
    async def head(self) -> Head:
        return self.entries[-1].head if self.entries else self.begins

    @override
    async def extend(self, entries: Sequence[Entry]) -> int:
        for number, entry in enumerate(entries):
            taken = any(entry.position == each.position or entry.fact.id == each.fact.id for each in self.entries)
            if taken:
                return number
            self.entries.append(entry)
        return len(entries)

    @override
    async def known(self, ids: Sequence[str]) -> frozenset[str]:
        return frozenset(each.fact.id for each in self.entries if each.fact.id in ids)

    @override
    async def read(self, after: int, limit: int) -> Sequence[Entry]:
        return [each for each in self.entries if each.position > after][:limit]

    @override
    async def last(self, kind: str) -> Entry | None:
        return next((each for each in reversed(self.entries) if each.fact.kind == kind), None)

    @override
    async def about(self, what: str) -> Sequence[Entry]:
        return [each for each in self.entries if each.fact.about == what]

    @override
    async def start(self) -> Head:
        return self.begins

    @override
    async def cut(self, through: Head) -> int:
        if all(each.head != through for each in self.entries) and self.begins != through:
            raise ValueError(f"the chain holds no entry {through.position} with this hash")
        before = len(self.entries)
        self.begins = through
        self.entries = [each for each in self.entries if each.position > through.position]
        return before - len(self.entries)
