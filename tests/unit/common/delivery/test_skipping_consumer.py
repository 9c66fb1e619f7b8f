"""Whatever a fetch raises is reported, also where no partition shows that it is the cause."""

from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError, TopicAuthorizationFailedError

from libs.common.delivery.skipping_consumer import SkippingConsumer

Said = list[tuple[TopicPartition | None, Exception]]
PARTITION = TopicPartition("journey.started", 0)


class Broken(SkippingConsumer):
    """A member of its group that has read nothing yet, without a broker."""

    def assignment(self) -> set[TopicPartition]:
        return {PARTITION}

    async def committed(self, _: TopicPartition) -> int:
        return 0

    async def end_offsets(self, _: set[TopicPartition]) -> dict[TopicPartition, int]:
        return {PARTITION: 0}

    async def position(self, _: TopicPartition) -> int:
        return 0

    async def commit(self) -> None:
        """Nothing was read."""

    def seek(self, partition: TopicPartition, offset: int) -> None:
        assert (partition, offset) == (PARTITION, 0)


@pytest.fixture
def said() -> Said:
    return []


@pytest.fixture
async def consumer(said: Said) -> AsyncIterator[Broken]:
    async def unreadable(partition: TopicPartition, offset: int) -> None:
        raise AssertionError((partition, offset))

    made = Broken(unreadable=unreadable, blocked=lambda partition, error: said.append((partition, error)))
    yield made
    await made.stop()


async def test_a_fetch_that_fails_without_a_partition_to_blame_is_reported(
    consumer: Broken, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = TopicAuthorizationFailedError("journey.started")
    _fails(monkeypatch, error)

    with pytest.raises(KafkaError):
        await consumer.getmany()

    assert said == [(None, error)]


async def test_a_consumer_that_stops_has_not_failed(
    consumer: Broken, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fails(monkeypatch, ConsumerStoppedError())

    with pytest.raises(ConsumerStoppedError):
        await consumer.getmany()

    assert said == []


def _fails(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(AIOKafkaConsumer, "getmany", fail)
