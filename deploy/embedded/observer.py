"""An independent consumer that writes down every record on every topic, as any subscriber would see it."""

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from libs.common.delivery.topic_admin import topics_to_create

QUIET_S: Final = 1.0
_POLLS: Final = 10
"""How often it is looked within that time: a process that was held up for a moment has looked once, not waited."""


class Observer:
    """Reads all topics from their beginning and appends each record to a file, one JSON object a line."""

    def __init__(self, bootstrap: str, file: Path) -> None:
        self._bootstrap = bootstrap
        self._file = file
        self._consumer: AIOKafkaConsumer | None = None
        self._task: asyncio.Task[None] | None = None
        self.seen = 0
        """How many records were written down."""

    async def start(self) -> None:
        """Begin to read."""
        names = [str(topic.name) for topic in topics_to_create(replicas=1)]
        self._consumer = AIOKafkaConsumer(
            *names,
            bootstrap_servers=self._bootstrap,
            group_id=None,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=20,
            isolation_level="read_committed",
        )
        await self._consumer.start()
        self._task = asyncio.create_task(self._read(self._consumer), name="observer")

    async def settle(self, quiet_s: float = QUIET_S) -> None:
        """Wait until nothing new has come for so long, and nothing is left to read.

        The broker is asked each time: while it has no time for us, it may have none for those who publish.

        Raises:
            Exception: whatever ended the reading: silence would then mean nothing.
        """
        unchanged = 0
        while unchanged < _POLLS:
            before = self.seen
            await asyncio.sleep(quiet_s / _POLLS)
            everything = sum((await self.ends()).values())
            unchanged = unchanged + 1 if everything <= self.seen == before else 0
            if self._task is not None and self._task.done():
                self._task.result()

    async def ends(self) -> dict[TopicPartition, int]:
        """Give how many records there are in each partition."""
        if self._consumer is None:
            return {}
        return dict(await self._consumer.end_offsets(self._consumer.assignment()))

    async def stop(self) -> None:
        """End reading."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._consumer is not None:
            await self._consumer.stop()

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        with self._file.open("a", encoding="utf-8") as out:
            async for record in consumer:
                out.write(json.dumps(_line(record), ensure_ascii=False) + "\n")
                out.flush()
                self.seen += 1


def _line(record: Any) -> dict[str, Any]:
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "key": _text(record.key),
        "headers": {name: _text(value) for name, value in record.headers},
        "value": _json(record.value),
    }


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode(errors="replace")


def _json(raw: bytes | None) -> Any:
    try:
        return None if raw is None else json.loads(raw)
    except (ValueError, RecursionError):  # whoever may write to a topic may write anything
        return _text(raw)
