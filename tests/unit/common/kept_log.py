"""A broker that outlives the processes on it, and a publisher that may end with its process between two events."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from libs.common.contracts.signatures import Signer
from libs.common.delivery.documents import Outgoing
from libs.common.delivery.kafka import signed, unsigned
from libs.common.delivery.retry import RawMessage
from libs.common.testing.broker import BrokerRecord
from libs.common.testing.faults import Faults


@dataclass
class Log:
    """A broker that keeps everything, with what each consumer group committed."""

    records: list[BrokerRecord] = field(default_factory=list)
    published: list[Outgoing] = field(default_factory=list)
    committed: dict[str, int] = field(default_factory=dict)
    signers: Mapping[str, Signer] | None = None
    """By the name of a service; without them nothing is signed."""

    def append(self, event: Outgoing) -> None:
        self.published.append(event)
        self.append_raw(unsigned(event) if self.signers is None else signed(event, self.signers[event.meta.source]))

    def append_raw(self, message: RawMessage) -> None:
        self.records.append(BrokerRecord(message.topic, len(self.records), message.key, message.value, message.headers))


class FaultyPublisher:
    """Writes to the log, event by event; the process may end between any two."""

    def __init__(self, log: Log, faults: Faults) -> None:
        self._log = log
        self._faults = faults

    async def publish(self, events: Sequence[Outgoing]) -> None:
        for event in events:
            self._faults.step()
            await asyncio.sleep(0)
            self._log.append(event)
        self._faults.step()

    async def publish_raw(self, message: RawMessage) -> None:
        self._faults.step()
        self._log.append_raw(message)
