"""A Kafka consumer that goes on with what it can read, and reports what it cannot.

Two things stop aiokafka's own, without a word. A record whose header's name is no UTF-8, which brokers take, would be
read again and again; here it is found and passed over. And a partition may be unreadable as a whole, such as one whose
compression is unknown here: what the call had taken from other partitions is lost with it, as their positions have
moved on. Here that partition is paused for a while, and the others go on.
"""

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError

Unreadable = Callable[[TopicPartition, int], Awaitable[None]]
"""Takes in the place of a record that cannot be read."""
Blocked = Callable[[TopicPartition | None, Exception], None]
"""Takes in that a partition cannot be read; None: a fetch failed, and it does not show which partition is the cause."""

PAUSE_S: Final = 10.0
_AT_ONCE: Final = 100
_WAIT_MS: Final = 1000


class SkippingConsumer(AIOKafkaConsumer):  # type: ignore[misc]  # the library has no types
    """Reads as its parent does; see above.

    It begins where the group's commits end, so each batch must be committed before the next is asked for.

    Attributes:
        polls: how often it was asked for records: a number that stands still, unless a batch is being handled.
        paused_until: the partitions that cannot be read, and when each is tried again, by the steady clock.
    """

    def __init__(self, *topics: str, unreadable: Unreadable, blocked: Blocked, **options: Any) -> None:
        super().__init__(*topics, **options)
        self._unreadable = unreadable
        self._blocked = blocked
        self.polls = 0
        self.paused_until: dict[TopicPartition, float] = {}

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
        self._resume()
        before = self._positions()
        try:
            found = dict(await super().getmany(*partitions, **limits))
        except ConsumerStoppedError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the library raises, the other partitions go on
            return await self._around_or_named(error)
        if not found and self._positions() != before:
            await self._commit_passed_over()
        return found

    async def _around_or_named(self, error: Exception) -> dict[TopicPartition, list[Any]]:
        """Read around a failure, or report it: the loop that asked for records would pass over it in silence."""
        try:
            return await self._around(error)
        except ConsumerStoppedError:
            raise
        except Exception as failure:
            self._blocked(None, failure)
            raise

    async def _around(self, error: Exception) -> dict[TopicPartition, list[Any]]:
        """Read partition by partition after a failure, so that only what caused it is left out.

        Raises:
            Exception: the failure itself, where no partition shows it.
        """
        blocked_before = dict(self.paused_until)
        await self._back_to_committed()
        try:
            found = await self._record_by_record()
        except Exception:
            await self._back_to_committed()
            raise
        if not (found or isinstance(error, UnicodeDecodeError) or self.paused_until != blocked_before):
            raise error
        return found

    async def _record_by_record(self) -> dict[TopicPartition, list[Any]]:
        ends = await self.end_offsets(self.assignment() - self.paused())
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
            except ConsumerStoppedError:
                raise
            except Exception as error:  # noqa: BLE001 - as above
                self._pause(partition, error)
                break
            if not batch:
                break
            records += batch[partition]
        return records

    def _pause(self, partition: TopicPartition, error: Exception) -> None:
        self.pause(partition)
        self.paused_until[partition] = monotonic() + PAUSE_S
        self._blocked(partition, error)

    def _resume(self) -> None:
        """Try partitions again whose pause is over, and forget those that went to another member."""
        assigned, now = self.assignment(), monotonic()
        for partition, until in list(self.paused_until.items()):
            if partition in assigned and until > now:
                continue
            del self.paused_until[partition]
            if partition in assigned:
                self.resume(partition)

    def _positions(self) -> dict[TopicPartition, int]:
        """Return how far it has read, where it knows that."""
        assignment = self._subscription.subscription and self._subscription.subscription.assignment
        states = {} if assignment is None else {each: assignment.state_value(each) for each in assignment.tps}
        return {
            each: state.position for each, state in states.items() if state is not None and state.has_valid_position
        }

    async def _commit_passed_over(self) -> None:
        """Commit what holds nothing for us: the marks of transactions, and what was aborted.

        Else a topic that ends with such a mark would seem unread for ever.
        """
        try:
            await self.commit()
        except KafkaError:
            return  # the group was rebalanced: whoever reads the partition next passes over it too

    async def _back_to_committed(self) -> None:
        for partition in self.assignment():
            offset = await self.committed(partition)
            if offset is None:
                await self.seek_to_beginning(partition)
            else:
                self.seek(partition, offset)
