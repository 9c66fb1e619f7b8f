"""A broker in memory: topics of one partition that keep everything, and what each consumer group has committed."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from libs.common.contracts.signatures import Signer
from libs.common.contracts.topics import retry_topic
from libs.common.delivery import retry
from libs.common.delivery.consumption import Consumption
from libs.common.delivery.documents import Outgoing
from libs.common.delivery.kafka import signed, unsigned
from libs.common.delivery.retry import RawMessage


@dataclass(frozen=True, slots=True)
class BrokerRecord:
    """A record as a consumer reads it."""

    topic: str
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    partition: int = 0


@dataclass
class MemoryBroker:
    """What all services of a test publish and read. It outlives the processes that are connected to it."""

    topics: dict[str, list[BrokerRecord]] = field(default_factory=lambda: defaultdict(list))
    committed: Counter[tuple[str, str]] = field(default_factory=Counter)
    written: list[BrokerRecord] = field(default_factory=list)
    """Every record of every topic, in the order of writing."""

    def write(self, message: RawMessage) -> None:
        """Add a record to its topic."""
        kept = self.topics[message.topic]
        record = BrokerRecord(message.topic, len(kept), message.key, message.value, message.headers)
        kept.append(record)
        self.written.append(record)

    def unread(self, group: str, topics: Iterable[str], now: datetime) -> list[BrokerRecord]:
        """Return what a group has not committed, topic by topic, up to a parked record whose time has not come."""
        found: list[BrokerRecord] = []
        for topic in topics:
            for record in self.topics.get(topic, [])[self.committed[group, topic] :]:
                if (due := retry.not_before(record)) is not None and due > now:
                    break
                found.append(record)
        return found

    def rewind(self, group: str) -> None:
        """Let a group read everything again."""
        for owner, topic in self.committed:
            if owner == group:
                self.committed[owner, topic] = 0


class MemoryPublisher:
    """Writes to a broker in memory. Without one, it writes to its own.

    Args:
        signer: signs events; without one they carry no signature, and no service takes them in.

    Attributes:
        published: the events, in order.
    """

    def __init__(self, broker: MemoryBroker | None = None, signer: Signer | None = None) -> None:
        self._broker = broker or MemoryBroker()
        self._signer = signer
        self.published: list[Outgoing] = []

    async def start(self) -> None:
        """Do nothing: there is nothing to connect to."""

    async def stop(self) -> None:
        """Do nothing: there is nothing to disconnect from."""

    async def publish(self, events: Sequence[Outgoing]) -> None:
        """Take events as the broker would."""
        for event in events:
            self.published.append(event)
            self._broker.write(unsigned(event) if self._signer is None else signed(event, self._signer))

    async def publish_raw(self, message: RawMessage) -> None:
        """Take a record as it is."""
        self._broker.write(message)


class MemorySubscription:
    """Hands a service what its group has not committed: its topics, and those where it parks messages."""

    def __init__(self, broker: MemoryBroker, consumption: Consumption, group: str) -> None:
        self._broker = broker
        self._consumption = consumption
        self._group = group
        self._topics = [*consumption.topics, *(retry_topic(topic, group) for topic in consumption.topics)]

    async def start(self) -> None:
        """Do nothing: records are handed over when `poll` is called."""

    async def stop(self) -> None:
        """Do nothing."""

    async def ping(self) -> None:
        """Do nothing: it answers."""

    def next_due(self) -> datetime | None:
        """Return when the first parked record may be tried."""
        due = [
            retry.not_before(record)
            for topic in self._topics
            for record in self._broker.topics.get(topic, [])[self._broker.committed[self._group, topic] :][:1]
        ]
        return min((each for each in due if each is not None), default=None)

    async def poll(self, now: datetime) -> int:
        """Hand over what may be read now as one batch, commit what ended, and return the number of its records."""
        batch = self._broker.unread(self._group, self._topics, now)
        if not batch:
            return 0
        left = await self._consumption.batch(batch)
        ended = {record.topic: record.offset + 1 for record in batch}
        for record in left:
            ended[record.topic] = min(ended[record.topic], record.offset)
        for topic, offset in ended.items():
            self._broker.committed[self._group, topic] = offset
        return len(batch)
