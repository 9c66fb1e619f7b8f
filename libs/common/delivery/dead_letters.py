"""Messages that were given up: list them, look at them, send them back to the topic they came from.

    python -m libs.common.delivery.dead_letters list --bootstrap HOST:PORT [--topic TOPIC]
    python -m libs.common.delivery.dead_letters show --bootstrap HOST:PORT --id ID
    python -m libs.common.delivery.dead_letters redrive --bootstrap HOST:PORT [--topic TOPIC] [--id ID] [--again]

``TOPIC`` is a topic of facts or one of its dead-letter topics; ``ID`` the message's id, or its place as ``list`` shows
it. Values are never shown: what is personal in them is sealed, but a malformed message may hold anything. How the tool
proves itself to the brokers is read from ``KAFKA_TLS``, ``KAFKA_USERNAME`` and so on (`libs.common.core.settings`).

What was redriven is remembered in the committed offsets of the consumer group `GROUP`, so that it is not redriven again
by mistake. Kafka forgets them some days after the last commit (``offsets.retention.minutes``), and the embedded broker
remembers only an unbroken run from the beginning; a message that is redriven twice keeps its id, and whoever took it in
recognises it.
"""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from libs.common.contracts.grants import DEAD_LETTER_GROUP
from libs.common.contracts.topics import is_dead_letter_topic, origin_of
from libs.common.core.errors import Permanent, Unavailable
from libs.common.core.kafka_access import KafkaAccess
from libs.common.core.redaction import scrub
from libs.common.core.settings import ToolSettings, explain
from libs.common.core.values import from_millis, utc_now
from libs.common.delivery import retry
from libs.common.delivery.kafka import KafkaPublisher, KafkaSettings
from libs.common.delivery.offset_ranges import Ranges
from libs.common.delivery.topic_reader import consumer, everything

GROUP: Final = DEAD_LETTER_GROUP
_SHOWN_HEADERS: Final = 50
_SHOWN_CHARS: Final = 200


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message on a dead-letter topic, and whether it was redriven."""

    record: ConsumerRecord[bytes, bytes]
    redriven: bool

    @property
    def place(self) -> str:
        """Where it stands, as ``topic/partition/offset``."""
        return f"{self.record.topic}/{self.record.partition}/{self.record.offset}"

    @property
    def died_at(self) -> datetime:
        """When it was given up."""
        return from_millis(self.record.timestamp)

    @property
    def too_large(self) -> bool:
        """Whether only its place was kept."""
        return retry.left_behind(self.record) is not None

    def header(self, name: str) -> str:
        """Return a header as text that may be shown; a dash where it is missing."""
        return next((_text(value) for header, value in self.record.headers if header == name), "-")

    def is_called(self, id_: str) -> bool:
        """Return whether this is its id or its place."""
        return id_ in {self.header("ce_id"), self.place}


class DeadLetters:
    """The dead-letter topics of one cluster."""

    def __init__(self, access: KafkaAccess) -> None:
        self._access = access

    async def find(self, topic: str | None = None, id_: str | None = None) -> list[DeadLetter]:
        """Return the dead letters, oldest first: all, those of a topic, or those called so."""
        marks, records = await self._marks(), await self._records(topic)
        letters = [DeadLetter(record, record.offset in marks.get(_partition(record), Ranges())) for record in records]
        letters.sort(key=lambda letter: letter.record.timestamp)
        return [letter for letter in letters if id_ is None or letter.is_called(id_)]

    async def redrive(self, letters: Sequence[DeadLetter]) -> int:
        """Send dead letters back to the topics they came from, and mark them. Gives how many.

        Each is marked after it was sent: a crash in between sends it once more, under the same id.

        Raises:
            Unavailable: the broker does not answer; what was sent is marked.
            Permanent: too many single messages were picked for all to be marked.
        """
        marks, sent = await self._marks(), 0
        async with self._publisher() as publisher, consumer(self._access, group_id=GROUP) as marking:
            marking.assign(sorted({_partition(letter.record) for letter in letters}))
            for letter in letters:
                await publisher.publish_raw(retry.redriven(letter.record))
                partition = _partition(letter.record)
                marks[partition] = marks.get(partition, Ranges()).with_(letter.record.offset)
                await marking.commit({partition: marks[partition].as_commit()})
                sent += 1
        return sent

    async def _topics(self, topic: str | None) -> list[str]:
        async with self._admin() as admin:
            names = [name for name in await admin.list_topics() if is_dead_letter_topic(name)]
        return sorted(name for name in names if topic is None or topic in {name, origin_of(name)})

    async def _records(self, topic: str | None) -> list[ConsumerRecord[bytes, bytes]]:
        return [record async for record in everything(self._access, *await self._topics(topic))]

    async def _marks(self) -> dict[TopicPartition, Ranges]:
        topics = await self._topics(None)
        async with consumer(self._access, *topics) as reader, self._admin() as admin:
            partitions = sorted(reader.assignment())
            committed = await admin.list_consumer_group_offsets(GROUP, partitions=partitions) if partitions else {}
        return {
            partition: Ranges.of_commit(mark.offset, mark.metadata)
            for partition, mark in committed.items()
            if mark.offset >= 0
        }

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[Any]:
        admin = AIOKafkaAdminClient(**self._access.options())
        await admin.start()
        try:
            yield admin
        finally:
            await admin.close()

    @asynccontextmanager
    async def _publisher(self) -> AsyncIterator[KafkaPublisher]:
        # Not idempotent: every broker at hand takes that, and what is written twice has one id.
        publisher = KafkaPublisher(KafkaSettings(self._access, GROUP, idempotence=False))
        await publisher.start()
        try:
            yield publisher
        finally:
            await publisher.stop()


def _partition(record: ConsumerRecord[bytes, bytes]) -> TopicPartition:
    return TopicPartition(record.topic, record.partition)


def _text(value: bytes | None) -> str:
    """Turn hostile bytes into a short line of text without what looks personal."""
    if value is None:
        return "(none)"
    text = value[: 4 * _SHOWN_CHARS].decode(errors="replace")
    return scrub("".join(char if char.isprintable() else "�" for char in text))[:_SHOWN_CHARS]


def listing(letters: Sequence[DeadLetter], now: datetime) -> list[str]:
    """Return one line a dead letter: place, age, type, id, rounds, whether redriven, origin, failure."""
    lines = []
    for letter in letters:
        age = timedelta(seconds=int((now - letter.died_at).total_seconds()))
        state = "redriven" if letter.redriven else "too large" if letter.too_large else "waiting"
        origin, failure = _text(retry.origin(letter.record).encode()), letter.header(retry.FAILURE)
        lines.append(
            f"{letter.place}  age {age}  {state}  type {letter.header('ce_type')}  id {letter.header('ce_id')}"
            f"  rounds {retry.attempt_of(letter.record)}  from {origin}\n    {failure}"
        )
    return lines


def details(letter: DeadLetter) -> list[str]:
    """Return what a dead letter says about itself, without its value."""
    record = letter.record
    size = retry.left_behind(record) or len(record.value or b"")
    shown = [f"  {_text(name.encode())}: {_text(value)}" for name, value in record.headers[:_SHOWN_HEADERS]]
    added = {retry.FAILURE, retry.ORIGIN, retry.ATTEMPT, retry.LEFT_BEHIND}
    shown += [f"  {name}: {_text(value)}" for name, value in record.headers[_SHOWN_HEADERS:] if name in added]
    hidden = max(0, len(record.headers) - len(shown))
    return [
        f"{letter.place}, given up {letter.died_at:%Y-%m-%d %H:%M:%S} UTC, {'' if letter.redriven else 'not '}redriven",
        f"  key: {_text(record.key)}",
        f"  value: {size} bytes, not shown",
        *shown,
        *([f"  and {hidden} more headers"] if hidden else []),
    ]


async def run(arguments: argparse.Namespace) -> int:
    """Do what was asked; give the exit status."""
    dead = DeadLetters(ToolSettings(kafka=arguments.bootstrap).kafka_access)
    letters = await dead.find(arguments.topic, arguments.id)
    if not letters and arguments.id is not None:
        _say(f"No dead letter is called {arguments.id}. `list` shows what there is.")
        return 1
    match arguments.command:
        case "list":
            _say(*listing(letters, utc_now()), f"{len(letters)} dead letters")
        case "show":
            _say(*(line for letter in letters for line in details(letter)))
        case "redrive":
            wanted = [each for each in letters if not each.too_large and (arguments.again or not each.redriven)]
            sent = await dead.redrive(wanted)
            _say(f"{sent} redriven, {len(letters) - sent} left alone (redriven before, or too large to be moved)")
    return 0


def _say(*lines: str) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m libs.common.delivery.dead_letters", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("command", choices=("list", "show", "redrive"))
    parser.add_argument("--bootstrap", required=True, metavar="HOST:PORT", help="the broker")
    parser.add_argument("--topic", help="a topic of facts, or one dead-letter topic")
    parser.add_argument("--id", help="a message's id, or its place as topic/partition/offset")
    parser.add_argument("--again", action="store_true", help="also what was redriven before")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; give its exit status: 0, 1 for nothing found, 2 for a wrong call, 3 for no broker."""
    parsed = _parser().parse_args(arguments)
    if parsed.command == "show" and parsed.id is None:
        _parser().error("show needs --id")
    try:
        return asyncio.run(run(parsed))
    except (KafkaError, Unavailable) as error:
        _say(f"The broker at {parsed.bootstrap} does not answer as it should: {type(error).__name__}: {error}")
        return 3
    except Permanent as error:
        _say(str(error))
        return 1
    except ValidationError as error:
        _say(explain(error))
        return 2


if __name__ == "__main__":
    sys.exit(main())
