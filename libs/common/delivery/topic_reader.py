"""Reading whole topics from the first record to the last, outside any consumer group: for tools, not for services."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from libs.common.core.errors import Unavailable
from libs.common.core.kafka_access import KafkaAccess

_AT_ONCE: Final = 500
_STALLED_S: Final = 30.0


@asynccontextmanager
async def consumer(access: KafkaAccess, *topics: str, **options: Any) -> AsyncIterator[Any]:
    """Open a consumer that commits nothing by itself."""
    opened = AIOKafkaConsumer(
        *topics,
        **access.options(),
        enable_auto_commit=False,
        fetch_max_wait_ms=50,
        isolation_level="read_committed",
        **options,
    )
    await opened.start()
    try:
        yield opened
    finally:
        await opened.stop()


async def everything(access: KafkaAccess, *topics: str) -> AsyncIterator[ConsumerRecord[bytes, bytes]]:
    """Return all records that stood on these topics when it began, partition by partition.

    Records whose headers the client library cannot read are passed over; see `libs.common.delivery.skipping_consumer`.

    Raises:
        Unavailable: the broker gives no more, though there is more.
    """
    if not topics:
        return
    async with consumer(access, *topics, auto_offset_reset="earliest") as opened:
        ends = await opened.end_offsets(sorted(opened.assignment()))
        for partition, end in ends.items():
            async for record in _partition(opened, partition, end):
                yield record


async def _partition(opened: Any, partition: TopicPartition, end: int) -> AsyncIterator[ConsumerRecord[bytes, bytes]]:
    limit = _AT_ONCE
    heard = asyncio.get_running_loop().time()
    while (position := await opened.position(partition)) < end:
        try:
            records = (await opened.getmany(partition, timeout_ms=100, max_records=limit)).get(partition, ())
        except UnicodeDecodeError:
            # Somewhere in this batch: once more, one by one; and alone, it is the culprit.
            opened.seek(partition, position if limit > 1 else position + 1)
            limit = 1 if limit > 1 else _AT_ONCE
            continue
        for record in records:
            yield record
        now = asyncio.get_running_loop().time()
        heard = now if records else heard
        if now - heard > _STALLED_S:
            raise Unavailable(f"the broker gives no more of {partition.topic}")
