"""A client that breaks a rule of the protocol's text fields: BOOTSTRAP TOPIC PARTITION. Run without C extensions.

It writes a record of the key ``rogue`` whose header has a name that is not UTF-8. Brokers take it.
"""

import asyncio
import sys
from typing import Any

from aiokafka import AIOKafkaProducer


class NoText(str):
    """A header's name as bytes that are no text."""

    __slots__ = ()

    def encode(self, *_: Any, **__: Any) -> bytes:
        return b"\xff\xfe"


async def main() -> None:
    bootstrap, topic, partition = sys.argv[1:]
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    headers = [(NoText("x"), b"v")]
    await producer.send_and_wait(topic, b"rogue", key=b"rogue", partition=int(partition), headers=headers)
    await producer.stop()


asyncio.run(main())
