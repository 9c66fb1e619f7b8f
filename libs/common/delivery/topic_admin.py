"""Making the topics: every fact's own, and for each group that reads it one for retries and one for dead letters.

``python -m libs.common.delivery.topic_admin HOST:PORT`` makes them once, before the services start; what exists is
left as it is. Credentials for the brokers are read from ``KAFKA_TLS``, ``KAFKA_USERNAME`` and so on
(`libs.common.core.settings`).
"""

import asyncio
import sys
from collections.abc import Iterable, Iterator
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code
from pydantic import ValidationError

from libs.common.contracts.topics import BOUNDED, DAY_MS, TOPICS, Topic, dead_letter_topic, retry_topic
from libs.common.core.kafka_access import KafkaAccess
from libs.common.core.settings import ToolSettings, explain
from libs.common.delivery.retry import MAX_PARKED_BYTES

PARKED_PARTITIONS: Final = 1
RETRY_RETENTION_DAYS: Final = 7
DEAD_LETTER_RETENTION_DAYS: Final = 90


def topics_to_create(replicas: int, partitions: int | None = None) -> Iterator[NewTopic]:
    """Return every topic of the system with its partitions, replicas and retention."""
    for topic in TOPICS:
        yield from topics_of(topic, replicas, partitions)


def topics_of(topic: Topic, replicas: int, partitions: int | None = None) -> Iterator[NewTopic]:
    """Return a topic of facts with the topics where its consumers park messages."""
    yield NewTopic(topic.name, partitions or topic.partitions, replicas, topic_configs=topic.config)
    for group in topic.consumers:
        for name, days in (
            (retry_topic(topic.name, group), RETRY_RETENTION_DAYS),
            (dead_letter_topic(topic.name, group), DEAD_LETTER_RETENTION_DAYS),
        ):
            # What the topic itself took must fit with what parking adds to it.
            limit = {"max.message.bytes": str(2 * MAX_PARKED_BYTES)}
            config = {"retention.ms": str(days * DAY_MS), **BOUNDED, **limit}
            yield NewTopic(name, PARKED_PARTITIONS, replicas, topic_configs=config)


async def create_topics(access: KafkaAccess, *, replicas: int = 1, partitions: int | None = None) -> None:
    """Create what is missing of all topics of the system.

    Args:
        replicas: copies of each partition; 3 in production.
        partitions: for every fact's topic, instead of what the table says; small installations need few.

    Raises:
        KafkaError: the broker refused one of them.
    """
    await create(access, topics_to_create(replicas, partitions))


async def create(access: KafkaAccess, topics: Iterable[NewTopic]) -> None:
    """Create what is missing of these topics.

    Raises:
        KafkaError: the broker refused one of them.
    """
    admin = AIOKafkaAdminClient(**access.options())
    await admin.start()
    try:
        response = await admin.create_topics(list(topics))
    finally:
        await admin.close()
    for _, code, *_ in response.topic_errors:
        error: type[KafkaError] = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise error


if __name__ == "__main__":
    if len(sys.argv) not in {2, 3}:
        sys.exit("usage: python -m libs.common.delivery.topic_admin HOST:PORT [REPLICAS]")
    try:
        settings = ToolSettings(kafka=sys.argv[1])
    except ValidationError as error:
        sys.exit(explain(error))
    asyncio.run(create_topics(settings.kafka_access, replicas=int(sys.argv[2]) if sys.argv[2:] else 1))
