"""Whether all services are at rest: what was published is read, and what was decided is done and published."""

import time
from asyncio import gather
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection

from deploy.embedded.installation import SERVICES, Installation
from deploy.embedded.observer import Observer
from libs.common.contracts.topics import TOPICS, retry_topic

HELD_MS: Final = 31_000
"""A wake of so soon is due, or somebody is at it: a lease is thirty seconds."""


def read_by() -> dict[str, set[str]]:
    """Give the topics that each group reads."""
    topics: dict[str, set[str]] = defaultdict(set)
    for topic in TOPICS:
        for group in topic.consumers:
            topics[group].add(topic.name)
            topics[f"{group}.retry"].add(retry_topic(topic.name, group))
    return topics


@dataclass
class Quiescence:
    """Looks at the broker and the stores as their operators could, with none of the services' code."""

    admin: AIOKafkaAdminClient
    client: AsyncMongoClient[dict[str, Any]]
    prefix: str
    _aggregates: list[AsyncCollection[dict[str, Any]]] = field(default_factory=list)

    async def unrest(self, observer: Observer) -> str | None:
        """Name something that goes on; None if nothing does, and the observer saw it all."""
        ends = await observer.ends()
        going_on = await self._undone() or await self._unread(ends) or await self._undone()
        if going_on is None and await observer.ends() != ends:
            going_on = "something is being published"
        if going_on is None and observer.seen < sum(ends.values()):
            going_on = "the observer has not seen all"
        return going_on

    async def _unread(self, ends: Mapping[TopicPartition, int]) -> str | None:
        return _first(await gather(*(self._left_to(group, topics, ends) for group, topics in read_by().items())))

    async def _left_to(self, group: str, topics: set[str], ends: Mapping[TopicPartition, int]) -> str | None:
        partitions = [each for each, end in ends.items() if each.topic in topics and end]
        committed = await self.admin.list_consumer_group_offsets(group, partitions=partitions) if partitions else {}
        for each in partitions:
            if each not in committed or committed[each].offset < ends[each]:
                return f"{group} has not read all of {each.topic}"
        return None

    async def _undone(self) -> str | None:
        soon = time.time_ns() // 1_000_000 + HELD_MS
        aggregates = self._aggregates or await self._find_aggregates()
        to_publish = (_any(each, {"outbox_at": {"$gte": 0}}, "to publish") for each in aggregates)
        to_do = (_any(each, {"wake_at": {"$lte": soon}}, "to do") for each in aggregates)
        return _first(await gather(*to_publish, *to_do))

    async def _find_aggregates(self) -> list[AsyncCollection[dict[str, Any]]]:
        for service in SERVICES:
            database = self.client[f"{self.prefix}{service}"]
            for name in await database.list_collection_names():
                if any(key.startswith("wake_at") for key in await database[name].index_information()):
                    self._aggregates.append(database[name])
        return self._aggregates


async def _any(collection: AsyncCollection[dict[str, Any]], where: Mapping[str, Any], what: str) -> str | None:
    found = await collection.find_one(where, {"_id": 1})
    return None if found is None else f"{collection.full_name} has something {what}"


def _first(found: Iterable[str | None]) -> str | None:
    return next(filter(None, found), None)


@asynccontextmanager
async def watching(installation: Installation) -> AsyncIterator[Quiescence]:
    """Look at an installation's broker and store for as long as it lasts."""
    admin = AIOKafkaAdminClient(bootstrap_servers=installation.kafka)
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(installation.mongo_uri)
    await admin.start()
    try:
        yield Quiescence(admin, client, installation.prefix)
    finally:
        await admin.close()
        await client.close()
