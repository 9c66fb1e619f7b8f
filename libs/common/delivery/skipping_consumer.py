"""A Kafka consumer that steps over records which its client library cannot read.

The name of a header is text in UTF-8, says the protocol, but brokers take any bytes. aiokafka decodes it while it hands
out records, and fails: it would read that partition again and again for ever. What the same call had already taken
from other partitions is lost besides, because their positions have moved on. So after such a failure everything is
read again from what is committed, record by record, until the culprit is found and passed by.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

Unreadable = Callable[[TopicPartition, int], Awaitable[None]]
"""Takes in the place of a record that cannot be read."""

_AT_ONCE: Final = 100
_WAIT_MS: Final = 1000


class SkippingConsumer(AIOKafkaConsumer):  # type: ignore[misc]  # the library has no types
    """Reads as its parent does, and tells ``unreadable`` what it had to leave out.

    It begins where the group's commits end, so each batch must be committed before the next is asked for.
    """

    def __init__(self, *topics: str, unreadable: Unreadable, **options: Any) -> None:
        super().__init__(*topics, **options)
        self._unreadable = unreadable
        self.polls = 0
        """How often it was asked for records: a number that stands still, unless a batch is being handled."""

    async def stop(self) -> None:
        """Leave the group, and disconnect.

        The embedded broker counts a group's generations from 0, Apache Kafka from 1. aiokafka takes 0 for "in no
        group" and does not leave; whoever joined next would wait eleven seconds until the broker had noticed.
        """
        if getattr(self._coordinator, "generation", None) == 0:
            self._coordinator.generation = 1
        await super().stop()

    async def getmany(self, *partitions: TopicPartition, **limits: Any) -> dict[TopicPartition, list[Any]]:
        """Return records by partition; see `aiokafka.AIOKafkaConsumer.getmany`."""
        self.polls += 1
        try:
            return dict(await super().getmany(*partitions, **limits))
        except UnicodeDecodeError:
            await self._back_to_committed()
        try:
            return await self._record_by_record()
        except Exception:
            await self._back_to_committed()
            raise

    async def _record_by_record(self) -> dict[TopicPartition, list[Any]]:
        ends = await self.end_offsets(self.assignment())
        found = {partition: await self._readable(partition, end) for partition, end in ends.items()}
        found = {partition: records for partition, records in found.items() if records}
        if not found:
            await self.commit()  # nobody else will: there is nothing to handle
        return found

    async def _readable(self, partition: TopicPartition, end: int) -> list[Any]:
        records: list[Any] = []
        for _ in range(_AT_ONCE):
            offset = await self.position(partition)
            if offset >= end:
                break
            try:
                batch = await super().getmany(partition, timeout_ms=_WAIT_MS, max_records=1)
            except UnicodeDecodeError:
                await self._unreadable(partition, offset)
                self.seek(partition, offset + 1)
                continue
            if not batch:
                break
            records += batch[partition]
        return records

    async def _back_to_committed(self) -> None:
        for partition in self.assignment():
            offset = await self.committed(partition)
            if offset is None:
                await self.seek_to_beginning(partition)
            else:
                self.seek(partition, offset)
