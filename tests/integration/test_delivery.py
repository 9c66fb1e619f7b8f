"""Delivery on a real broker and a real store: what is read, committed, parked, and what survives which death."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.embedded.process import Server
from deploy.embedded.stack import Store
from libs.common.contracts.topics import dead_letter_topic, retry_topic
from libs.common.core.errors import Permanent, Retryable
from libs.common.delivery.decisions import Decision
from libs.common.delivery.retry import RawMessage
from tests.integration.delivery_harness import (
    Lane,
    Node,
    Tally,
    assert_counted_and_published_once,
    drop,
    new_lane,
)
from tests.waiting import PATIENCE_S, until, until_so

pytestmark = pytest.mark.kafka

WORKER = Path(__file__).with_name("delivery_worker.py")
ROGUE = Path(__file__).with_name("rogue_producer.py")


@pytest.fixture
async def lane(broker_address: str, broker_kind: str, mongo_uri: str) -> AsyncIterator[Lane]:
    lane = new_lane(broker_address, broker_kind, mongo_uri)
    await lane.create()
    yield lane
    await drop(lane)


async def test_what_is_told_is_counted_committed_and_told_on(lane: Lane) -> None:
    await lane.publish(range(200))
    async with Node(lane) as node:
        await until(lambda: _committed(lane, 200))
        await assert_counted_and_published_once(node, range(200))
        tallies = await node.tallies()
    assert all(list(numbers) == sorted(numbers) for numbers in tallies.values()), "one key stays in order"


async def _committed(lane: Lane, count: int) -> bool:
    return await lane.committed() == count


async def test_a_new_process_goes_on_where_the_last_one_committed(lane: Lane) -> None:
    await lane.publish(range(50))
    async with Node(lane) as first:
        await until(lambda: _committed(lane, 50))
    await lane.publish(range(50, 80))
    async with Node(lane) as second:
        await until(lambda: _committed(lane, 80))
        assert sorted(second.handled) == list(range(50, 80)), "nothing that was committed is read again"
        assert sorted(first.handled) == list(range(50))
        await assert_counted_and_published_once(second, range(80))


async def test_a_graceful_stop_finishes_and_commits_the_batch_in_hand(lane: Lane) -> None:
    began = asyncio.Event()

    async def slow(_: int) -> None:
        began.set()
        await asyncio.sleep(0.02)

    await lane.publish(range(40), keys=1)
    node = Node(lane, slow)
    await node.start()
    await asyncio.wait_for(began.wait(), PATIENCE_S)
    await node.stop()
    assert node.handled
    assert await lane.committed() == len(node.handled)


async def test_hostile_records_become_dead_letters_as_they_were_and_hold_back_nothing(lane: Lane) -> None:
    good = lane.message(1)
    hostile = [
        RawMessage(lane.numbered.topic, None, None, ()),
        RawMessage(lane.numbered.topic, b"a", b"\xff" * 10, (("ce_id", None), ("x-attempt", b"many"))),
        RawMessage(lane.numbered.topic, b"b", b"x" * 900_000, good.meta.headers()),
        RawMessage(lane.numbered.topic, b"c", b"{}", tuple((f"h{n}", b"v") for n in range(10_000))),
        RawMessage(lane.numbered.topic, b"d", b"{}", (("x-origin", b"nowhere/0/0"), ("x-not-before", b"never"))),
    ]
    async with lane.publisher() as publisher:
        for message in hostile:
            await publisher.publish_raw(message)
    await lane.publish(range(10))
    async with Node(lane) as node:
        await until(lambda: _committed(lane, 15))
        await assert_counted_and_published_once(node, range(10))
        dead = await lane.records(dead_letter_topic(lane.numbered.topic, lane.group), 5)
    sent = {message.key: message for message in hostile}
    assert len(dead) == len(sent)
    for record in dead:
        original = sent[record.key]
        assert record.value == (original.value or b"")
        kept = tuple(pair for pair in original.headers if not pair[0].startswith("x-"))
        assert tuple(record.headers)[: len(kept)] == kept
        assert dict(record.headers)["x-origin"].decode().startswith(f"{lane.numbered.topic}/")


async def test_a_parked_message_comes_back_after_its_pause_while_the_others_go_on(lane: Lane) -> None:
    tries: list[int] = []

    async def fails_twice(number: int) -> None:
        if number == 3:
            tries.append(number)
            if len(tries) < 3:
                raise Retryable("the gateway is busy")

    await lane.publish(range(10), keys=1)
    async with Node(lane, fails_twice) as node:
        await until(lambda: _counted(node, 10))
        assert node.handled[-1] == 3
        assert len(tries) == 3
        parked = await lane.records(retry_topic(lane.numbered.topic, lane.group), 2)
        assert [dict(record.headers)["x-attempt"] for record in parked] == [b"1", b"2"]
        assert await lane.records(dead_letter_topic(lane.numbered.topic, lane.group)) == []
        await assert_counted_and_published_once(node, range(10))


async def _counted(node: Node, count: int) -> bool:
    return len(await node.counted()) == count


async def test_what_fails_for_good_is_given_up_and_the_rest_is_counted(lane: Lane) -> None:
    async def refuse(number: int) -> None:
        if number == 3:
            raise Permanent("three is not counted here")
        if number == 4:
            raise RuntimeError("boom")

    await lane.publish(range(10))
    async with Node(lane, refuse) as node:
        dead = await lane.records(dead_letter_topic(lane.numbered.topic, lane.group), 2)
        await until(lambda: _counted(node, 8))
    assert {dict(record.headers)["x-failure"] for record in dead} == {
        b"Permanent: three is not counted here",
        b"RuntimeError",
    }
    assert {record.value for record in dead} == {b'{"number":3}', b'{"number":4}'}


async def test_a_process_killed_in_the_middle_of_its_work_loses_nothing(lane: Lane) -> None:
    await lane.publish(range(400), keys=20)
    command = (sys.executable, str(WORKER), lane.access.bootstrap, str(lane.idempotence), lane.mongo_uri, lane.name)
    worker = await asyncio.create_subprocess_exec(*command, cwd=WORKER.parents[2])
    onlooker = Node(lane)
    try:
        await until(lambda: _counted_at_least(onlooker, 60), poll_every_s=0.01)
        worker.kill()
        await worker.wait()
        assert len(await onlooker.counted()) < 400, "it was killed too late to show anything"
    finally:
        if worker.returncode is None:
            worker.kill()
        await onlooker.database.stop()
    async with Node(lane) as node:
        await until(lambda: _counted(node, 400))
        await until(lambda: _committed(lane, 400))
        await assert_counted_and_published_once(node, range(400))


async def _counted_at_least(node: Node, count: int) -> bool:
    return len(await node.counted()) >= count


async def test_while_the_store_is_gone_messages_wait_and_when_it_is_back_all_are_counted(
    broker_address: str, broker_kind: str, own_store: Store
) -> None:
    lane = new_lane(broker_address, broker_kind, own_store.uri)
    await lane.create()
    async with Node(lane) as node:
        await lane.publish(range(50))
        await until(lambda: _counted(node, 50))
        await own_store.kill()
        await lane.publish(range(50, 100))
        await until(lambda: _held(node))
        await asyncio.sleep(1)
        await own_store.start()
        await until(lambda: _counted(node, 100))
        await until(lambda: _committed(lane, 100))
        assert await lane.records(retry_topic(lane.numbered.topic, lane.group)) == [], "nothing was wrong with them"
        assert await lane.records(dead_letter_topic(lane.numbered.topic, lane.group)) == []
        await assert_counted_and_published_once(node, range(100))


async def _held(node: Node) -> bool:
    return node.consumption.held > 0


async def test_a_broker_that_dies_and_comes_back_finds_its_consumers_and_all_is_told(
    own_broker: Server, broker_kind: str, mongo_uri: str
) -> None:
    if broker_kind != "kafka":
        pytest.skip("the embedded broker keeps nothing over a restart; `make test-kafka` runs this on Apache Kafka")
    lane = new_lane(own_broker.address, broker_kind, mongo_uri)
    await lane.create()
    async with Node(lane) as node:
        await lane.publish(range(50))
        await until(lambda: _counted(node, 50))
        await own_broker.kill()
        tally = Decision(Tally(numbers=(100,)), (lane.counted(number=100),))
        command = asyncio.create_task(node.kind.aggregates.apply("a command", lambda _: tally))
        await until(lambda: _counted(node, 51))
        await own_broker.start()
        await command
        await lane.publish(range(50, 100))
        await until(lambda: _counted(node, 101))
        await until(lambda: _committed(lane, 100))
        await assert_counted_and_published_once(node, range(101))
    await drop(lane)


async def write_unreadable(lane: Lane, partition: int) -> None:
    """Have a record written whose header cannot be read."""
    command = (sys.executable, str(ROGUE), lane.access.bootstrap, lane.numbered.topic, str(partition))
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, "AIOKAFKA_NO_EXTENSIONS": "1"})
    assert await process.wait() == 0


async def test_a_record_that_no_client_can_read_is_stepped_over_and_costs_nobody_a_message(lane: Lane) -> None:
    await lane.publish(range(30), keys=9)
    for partition in range(3):
        await write_unreadable(lane, partition)
    await lane.publish(range(30, 60), keys=9)
    async with Node(lane) as node:
        await until(lambda: _committed(lane, 63))
        await assert_counted_and_published_once(node, range(60))
        dead = await lane.records(dead_letter_topic(lane.numbered.topic, lane.group), 3)
    places = {dict(record.headers)["x-origin"].decode().rpartition("/")[0] for record in dead}
    assert places == {f"{lane.numbered.topic}/{partition}" for partition in range(3)}
    assert all(dict(record.headers)["x-left-behind"] for record in dead)


async def test_a_batch_that_takes_too_long_is_committed_as_far_as_it_came_and_the_rest_read_again(lane: Lane) -> None:
    async def slow(_: int) -> None:
        await asyncio.sleep(0.03)

    await lane.publish(range(60), keys=4)
    node = Node(lane, slow)
    node.consumption._batch_s = 0.1
    async with node:
        await until(lambda: _committed(lane, 60))
        await assert_counted_and_published_once(node, range(60))


class Pulse:
    """Stands in for a liveness probe, and counts its beats."""

    def __init__(self) -> None:
        self.beats = 0

    def beat(self) -> None:
        self.beats += 1


async def _all_asked(node: Node) -> None:
    """Wait until each consumer asked for records since now."""
    polls = [each.polls for each in node.subscription._consumers()]
    consumers = list(node.subscription._consumers())
    await until_so(lambda: all(each.polls > before for each, before in zip(consumers, polls, strict=True)))


async def test_a_consumer_that_silently_stopped_has_no_pulse_and_an_idle_one_has(lane: Lane) -> None:
    async with Node(lane) as node:
        pulse = Pulse()
        subscription = node.subscription
        subscription._probe = pulse  # type: ignore[assignment]  # it only beats
        for _ in range(3):
            await _all_asked(node)
            await subscription._watch()
        assert pulse.beats == 3, "nothing to do is no standstill"
        stopped = subscription._subscribers[0].tasks
        for task in stopped:
            task.cancel()
        await asyncio.wait(stopped)
        await subscription._watch()  # it still asked for records since the last look
        pulse.beats = 0
        await asyncio.sleep(0.6)
        await subscription._watch()
        assert pulse.beats == 0, "a loop that ended asks for nothing"
