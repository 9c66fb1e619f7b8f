"""Apache Kafka with authorisation on, by the generated rules: each program can do what it must, and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
)

from deploy.embedded.process import LOOPBACK, free_port
from deploy.embedded.services import in_one_process
from deploy.users import commands
from libs.common.contracts.grants import Grant, grants
from libs.common.contracts.topics import TOPICS, dead_letter_topic, retry_topic
from libs.common.core.kafka_access import KafkaAccess
from libs.common.core.settings import ToolSettings
from libs.common.delivery.topic_admin import create_topics
from tests.journey.harness import logged, prepared
from tests.stack.kafka import Door, KafkaServer, kafka_jars

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

GRANTS = grants()
SERVICES = ("identity", "otp", "biometrics", "ca", "kandas")
PASSWORDS = {user: f"password of {user}".replace(" ", "-") for user in (*GRANTS, "stranger")}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def guarded(broker_kind: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Door, int]]:
    """The secured listener, and the port of the open one."""
    if broker_kind != "kafka":
        pytest.skip("the embedded broker has no access rules; `make test-kafka` runs this on Apache Kafka")
    folder = tmp_path_factory.mktemp("guarded")
    door = Door(free_port(), None, PASSWORDS, authorised=True)
    async with KafkaServer(folder, kafka_jars(), door=door) as server:
        for command in commands():
            await asyncio.to_thread(server.allow, command)
        await create_topics(access(door, "topics"), partitions=1)
        yield door, server.port


def access(door: Door, user: str) -> KafkaAccess:
    return ToolSettings.model_validate(
        {
            "kafka": f"{LOOPBACK}:{door.port}",
            "kafka_username": user,
            "kafka_password": PASSWORDS[user],
        }
    ).kafka_access


def every_topic() -> Iterator[str]:
    for topic in TOPICS:
        yield topic.name
        for reader in topic.consumers:
            yield retry_topic(topic.name, reader)
            yield dead_letter_topic(topic.name, reader)


def allowed(user: str, operation: str) -> set[str]:
    mine = [grant for grant in GRANTS.get(user, ()) if grant.resource == "topic"]
    return {grant.name for grant in mine if operation in grant.operations}


async def writable(access: KafkaAccess, topic: str) -> bool:
    # A producer of its own each: one that was refused once remembers it.
    producer = AIOKafkaProducer(**access.options(), enable_idempotence=True)
    try:
        await producer.start()
        await producer.send_and_wait(topic, b"x", key=b"x")
    except (TopicAuthorizationFailedError, ClusterAuthorizationFailedError):
        return False
    finally:
        await producer.stop()
    return True


@pytest.mark.parametrize("user", [*SERVICES, "operator", "stranger"])
async def test_a_user_writes_to_its_own_topics_and_to_no_other(guarded: tuple[Door, int], user: str) -> None:
    mine = access(guarded[0], user)
    assert {topic for topic in every_topic() if await writable(mine, topic)} == allowed(user, "Write")


@asynccontextmanager
async def consumer(access: KafkaAccess, group: str | None, *topics: str) -> AsyncIterator[AIOKafkaConsumer]:
    opened = AIOKafkaConsumer(
        *topics, **access.options(), group_id=group, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    try:
        await opened.start()
        yield opened
    finally:
        await opened.stop()


@pytest.mark.parametrize("user", [*SERVICES, "stranger"])
async def test_a_user_reads_what_it_takes_in_and_nothing_else(guarded: tuple[Door, int], user: str) -> None:
    door, _ = guarded
    readable = set()
    for topic in every_topic():
        try:
            async with consumer(access(door, user), None, topic) as opened, asyncio.timeout(60):
                await opened.getmany(timeout_ms=200)
                readable |= {topic} if opened.assignment() else set()
        except TopicAuthorizationFailedError:
            continue
    assert readable == allowed(user, "Read")


async def test_nobody_joins_the_group_of_another(guarded: tuple[Door, int]) -> None:
    door, _ = guarded
    async with consumer(access(door, "otp"), "otp", "journey.started") as own:
        await own.getmany(timeout_ms=500)
    with pytest.raises(GroupAuthorizationFailedError):
        async with consumer(access(door, "otp"), "ca", "journey.started") as other:
            await other.getmany(timeout_ms=500)


def test_only_the_job_that_creates_topics_may_create_them() -> None:
    creating = Grant("cluster", "kafka-cluster", ("Create", "Describe"))
    assert [user for user, of in GRANTS.items() if creating in of] == ["topics"]


async def test_a_citizen_goes_the_whole_way_over_a_guarded_broker(
    guarded: tuple[Door, int], tmp_path: Path, mongo_uri: str
) -> None:
    door, port = guarded
    async with AsyncExitStack() as stack:
        system = await stack.enter_async_context(prepared(tmp_path, f"{LOOPBACK}:{port}", mongo_uri, idempotence=True))
        stack.enter_context(logged(system.logs / "services.log"))
        services = await stack.enter_async_context(in_one_process(system.installation))
        for service in SERVICES:
            await services.stop(service)
            await services.start(service, overrides=own_user(door, service))
        assert (await system.whole_way(system.person()))[1].status == "decided"


def own_user(door: Door, service: str) -> dict[str, str]:
    own = {
        "kafka": f"{LOOPBACK}:{door.port}",
        "kafka_username": service,
        "kafka_password": PASSWORDS[service],
    }
    return {f"{service}_{name}".upper(): value for name, value in own.items()}
