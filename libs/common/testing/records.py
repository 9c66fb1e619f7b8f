"""Records in memory. The contract test of `libs.common.storage.records` holds them to the real ones."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from typing_extensions import override

from libs.common.storage.records import Fields, Records


class MemoryRecords(Records):
    """One collection of records in a dictionary."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}

    @override
    async def add(self, records: Mapping[str, Fields]) -> None:
        for record_id, fields in records.items():
            self.rows.setdefault(record_id, {"_id": record_id, **fields})

    @override
    async def amend(self, record_id: str, fields: Fields, *, unless: str) -> bool:
        row = self.rows.get(record_id)
        if row is None or unless in row:
            return False
        row.update(fields)
        return True

    @override
    async def remove_field(self, ids: Collection[str], field: str) -> None:
        for record_id in ids:
            self.rows.get(record_id, {}).pop(field, None)

    @override
    async def get(self, ids: Collection[str]) -> dict[str, Fields]:
        return {each: dict(self.rows[each]) for each in ids if each in self.rows}

    @override
    async def having(self, field: str, value: str, limit: int) -> Sequence[tuple[str, Fields]]:
        return [(each, dict(row)) for each, row in self.rows.items() if row.get(field) == value][:limit]

    @override
    async def since(self, field: str, value: int) -> Sequence[tuple[str, Fields]]:
        return [(each, dict(row)) for each, row in self.rows.items() if field in row and row[field] >= value]

    @override
    async def delete(self, ids: Collection[str]) -> None:
        for record_id in ids:
            self.rows.pop(record_id, None)
