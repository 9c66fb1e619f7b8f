"""Reading everything again, from the first record on, tells nothing new."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.embedded.installation import SERVICES
from deploy.embedded.people import bench_camera
from libs.citizen.errors import JourneyEnded
from libs.citizen.journey import EdsJourney
from libs.citizen.progress import wait_until
from libs.common.contracts.topics import TOPICS
from tests.journey.town import WAITING, Town, log_lines, own_town

READERS = Counter({topic.name: len(topic.consumers) for topic in TOPICS})


async def rewind(town: Town, group: str) -> None:
    """Have a group begin at the first record of every topic, as a member of it: no broker takes that from others."""
    consumer = AIOKafkaConsumer(
        *(topic.name for topic in TOPICS if group in topic.consumers),
        bootstrap_servers=town.installation.kafka,
        group_id=group,
        enable_auto_commit=False,
        fetch_max_wait_ms=20,
    )
    await consumer.start()
    try:
        await wait_until(_assignment(consumer), bool, seconds=lambda _: WAITING.machines)
        await consumer.commit(dict.fromkeys(consumer.assignment(), 0))
        assert {await consumer.committed(partition) for partition in consumer.assignment()} == {0}
    finally:
        await consumer.stop()


def _assignment(consumer: AIOKafkaConsumer) -> Callable[[], Awaitable[set[TopicPartition]]]:
    async def look() -> set[TopicPartition]:
        return set(consumer.assignment())

    return look


async def test_replaying_every_topic_from_the_start_tells_nothing_new(broker_kind: str, tmp_path: Path) -> None:
    async with own_town(broker_kind, tmp_path) as own:
        town, together = own.town, own.together
        application, certificates = await a_day_in_the_life(town)
        told = await town.told()
        handled = len(log_lines(town, "message"))
        seen = town.observer.seen

        await together.stop(*SERVICES)
        await asyncio.gather(*(rewind(town, service) for service in SERVICES))
        await together.start(*SERVICES)

        async def read_again() -> int:
            return len(log_lines(town, "message")) - handled

        to_read = sum(READERS[record.topic] for record in told.records)
        await wait_until(read_again, lambda number: number >= to_read, seconds=lambda _: WAITING.machines)
        await town.check()
        assert await read_again() == to_read
        assert town.observer.seen == seen
        assert await a_look_around(town) == (application, certificates)


async def a_day_in_the_life(town: Town) -> tuple[object, object]:
    """Journeys that end in different ways, superseded certificates, and decisions."""
    person, other, quitter = town.person(), town.person(), town.person()
    await town.services.identity.cancel(await town.set_out(quitter))
    failing = town.way(other, await town.set_out(other), bench_camera(quitter))
    async with asyncio.TaskGroup() as group:
        group.create_task(town.whole_way(person))
        group.create_task(_until_rejected(failing))
    await town.eds(person)
    await town.check()
    return await a_look_around(town)


async def a_look_around(town: Town) -> tuple[object, object]:
    """What the first citizen sees of application and certificates."""
    session = await town.sign_in(town.people[0])
    (application_id,) = town.sessions
    application = await town.services.kandas.application(session, application_id)
    return application, (await town.services.identity.cabinet(session)).certificates


async def _until_rejected(failing: EdsJourney) -> None:
    with pytest.raises(JourneyEnded):
        await failing.complete()
