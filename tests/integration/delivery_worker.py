"""A process of the counting service, to be killed: BOOTSTRAP IDEMPOTENCE MONGO_URI LANE."""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from libs.common.core.kafka_access import KafkaAccess
from tests.integration.delivery_harness import Lane, Node


async def slowly(_: int) -> None:
    await asyncio.sleep(0.05)


async def main() -> None:
    bootstrap, idempotence, mongo_uri, name = sys.argv[1:]
    async with Node(Lane(KafkaAccess(bootstrap), idempotence == "True", mongo_uri, name), slowly):
        await asyncio.sleep(600)


asyncio.run(main())
