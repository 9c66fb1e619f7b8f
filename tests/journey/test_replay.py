"""Reading everything again, from the first record on, tells nothing new."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.embedded.installation import SERVICES
from libs.citizen.errors import JourneyEnded
from libs.citizen.journey.eds import EdsJourney
from libs.citizen.journey.progress import wait_until
from libs.common.contracts.topics import TOPICS
from tests.fixtures.people import bench_camera
from tests.journey.harness import WAITING, System, log_lines, own_system

READERS = {topic.name: topic.consumers for topic in TOPICS}


async def rewind(system: System, group: str) -> None:
    """Have a group begin at the first record of every topic, as a member of it: no broker takes that from others."""
    consumer = AIOKafkaConsumer(
        *(topic.name for topic in TOPICS if group in topic.consumers),
        bootstrap_servers=system.installation.kafka,
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
    async def assigned() -> set[TopicPartition]:
        return set(consumer.assignment())

    return assigned


async def test_replaying_every_topic_from_the_start_tells_nothing_new(broker_kind: str, tmp_path: Path) -> None:
    async with own_system(broker_kind, tmp_path) as own:
        system, running = own.system, own.running
        application, certificates = await a_day_in_the_life(system)
        facts = await system.facts()
        before = len(log_lines(system, "message"))

        await running.stop(*SERVICES)
        await asyncio.gather(*(rewind(system, service) for service in SERVICES))
        await running.start(*SERVICES)

        async def read_again() -> set[tuple[object, object]]:
            return {(line["service"], line["id"]) for line in log_lines(system, "message")[before:]}

        # As a set: a batch that was handled and not committed is read once more, which is what "at least once" means.
        to_read = {(reader, record.id) for record in facts.records for reader in READERS[record.topic]}
        await wait_until(read_again, lambda read: read >= to_read, seconds=lambda _: WAITING.machines)
        await system.check()
        assert await read_again() == to_read
        # By id: what a service had not yet struck off its outbox when it stopped is published once more, unchanged.
        assert {record.id for record in (await system.facts()).records} == {record.id for record in facts.records}
        assert await what_everybody_sees(system) == (application, certificates)


async def a_day_in_the_life(system: System) -> tuple[object, object]:
    """Journeys that end in different ways, superseded certificates, and decisions."""
    person, other, quitter = system.person(), system.person(), system.person()
    await system.services.identity.cancel(await system.begin(quitter))
    failing = system.way(other, await system.begin(other), bench_camera(quitter))
    async with asyncio.TaskGroup() as group:
        group.create_task(system.whole_way(person))
        group.create_task(_until_rejected(failing))
    await system.eds(person)
    await system.check()
    return await what_everybody_sees(system)


async def what_everybody_sees(system: System) -> tuple[object, object]:
    """What the first citizen sees of application and certificates."""
    session = await system.sign_in(system.people[0])
    (application_id,) = system.sessions
    application = await system.services.kandas.application(session, application_id)
    return application, (await system.services.identity.cabinet(session)).certificates


async def _until_rejected(failing: EdsJourney) -> None:
    with pytest.raises(JourneyEnded):
        await failing.complete()
