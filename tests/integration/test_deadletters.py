"""The tool for dead letters, on a real broker: it lists, shows and redrives, and redrives nothing twice by mistake."""

import asyncio
import io
import sys
from collections.abc import AsyncIterator
from contextlib import redirect_stdout

import pytest

from libs.common.contracts.topics import dead_letter_topic
from libs.common.core.errors import Permanent
from libs.common.core.kafka_access import KafkaAccess
from libs.common.delivery.dead_letters import main
from libs.common.delivery.documents import Outgoing
from libs.common.delivery.retry import RawMessage
from tests.integration.delivery_harness import Lane, Node, assert_counted_and_published_once, drop, new_lane
from tests.waiting import until

pytestmark = pytest.mark.kafka

IIN = b"850105300126"


@pytest.fixture
async def lane(broker_address: str, broker_kind: str, mongo_uri: str) -> AsyncIterator[Lane]:
    lane = new_lane(broker_address, broker_kind, mongo_uri)
    await lane.create()
    yield lane
    await drop(lane)


async def tool(lane: Lane, *arguments: str, status: int = 0) -> str:
    """Run the command as an operator does, but for the time a new process takes; give what it printed."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        assert await asyncio.to_thread(main, [*arguments, "--bootstrap", lane.access.bootstrap]) == status
    return printed.getvalue()


def given_up(lane: Lane, message: Outgoing, failure: str = "Permanent: closed") -> RawMessage:
    """A message as a consumer gives it up."""
    added = (("x-attempt", b"0"), ("x-origin", f"{message.topic}/0/7".encode()), ("x-failure", failure.encode()))
    topic = dead_letter_topic(lane.numbered.topic, lane.group)
    return RawMessage(topic, message.meta.subject.encode(), message.value.encode(), (*message.meta.headers(), *added))


async def test_what_was_given_up_is_listed_and_redriven_once_the_fault_is_mended(lane: Lane) -> None:
    closed = True

    async def refuse(number: int) -> None:
        if closed and number in {3, 4}:
            raise Permanent("closed on Sundays")

    await lane.publish(range(6))
    topic = dead_letter_topic(lane.numbered.topic, lane.group)
    async with Node(lane, refuse) as node:
        await lane.records(topic, 2)
        shown = await tool(lane, "list", "--topic", lane.numbered.topic)
        assert "2 dead letters" in shown
        assert shown.count("Permanent: closed on Sundays") == 2
        assert f"id {lane.name}-3" in shown
        closed = False
        assert "2 redriven" in await tool(lane, "redrive", "--topic", lane.numbered.topic)

        async def all_counted() -> bool:
            return len(await node.counted()) == 6

        await until(all_counted)
        assert "0 redriven, 2 left alone" in await tool(lane, "redrive", "--topic", lane.numbered.topic)
        assert (await tool(lane, "list", "--topic", topic)).count("  redriven  ") == 2
        await assert_counted_and_published_once(node, range(6))
        assert len(await lane.records(lane.numbered.topic)) == 8


async def test_one_is_picked_by_its_id_or_its_place_and_marked_alone(lane: Lane, broker_kind: str) -> None:
    async with lane.publisher() as publisher:
        for number in range(4):
            await publisher.publish_raw(given_up(lane, lane.message(number)))
    topic = dead_letter_topic(lane.numbered.topic, lane.group)
    assert "1 redriven" in await tool(lane, "redrive", "--id", f"{topic}/0/0")
    assert "0 redriven" in await tool(lane, "redrive", "--id", f"{lane.name}-0")
    assert "1 redriven" in await tool(lane, "redrive", "--id", f"{lane.name}-2")
    # The embedded broker drops the text beside an offset, so that it remembers unbroken runs only.
    remembered = broker_kind == "kafka"
    assert f"{1 - remembered} redriven" in await tool(lane, "redrive", "--id", f"{lane.name}-2")
    assert "1 redriven" in await tool(lane, "redrive", "--id", f"{lane.name}-2", "--again")
    left = 2 if remembered else 1
    assert f"{4 - left} redriven, {left} left alone" in await tool(lane, "redrive", "--topic", topic)
    back = await lane.records(lane.numbered.topic, 5)
    assert {dict(record.headers)["ce_id"].decode() for record in back} == {f"{lane.name}-{n}" for n in range(4)}
    assert len(back) == (5 if remembered else 7)
    original = lane.message(2)
    for record in back:
        assert not [name for name, _ in record.headers if name.startswith("x-")]
    again = next(record for record in back if record.value == original.value.encode())
    assert again.key == original.meta.subject.encode()
    assert {name for name, _ in again.headers} == {name for name, _ in original.meta.headers()}


async def test_headers_are_shown_values_never_and_nothing_that_looks_personal(lane: Lane) -> None:
    hostile = given_up(lane, lane.message(1), f"Permanent: {IIN.decode()}")
    many = tuple((f"h{n}", b"\x1b[31m" + IIN) for n in range(1000))
    async with lane.publisher() as publisher:
        await publisher.publish_raw(
            RawMessage(hostile.topic, IIN, b'{"name": "Aizhan"}', (*many, *hostile.headers, ("empty", None)))
        )
    place = f"{hostile.topic}/0/0"
    shown = await tool(lane, "show", "--id", place) + await tool(lane, "list", "--topic", lane.numbered.topic)
    assert "value: 18 bytes, not shown" in shown
    assert f"x-origin: {lane.numbered.topic}/0/7" in shown
    assert "more headers" in shown
    assert "Aizhan" not in shown
    assert IIN.decode() not in shown
    assert "\x1b" not in shown


async def test_what_was_too_large_to_be_moved_is_shown_and_left_alone(lane: Lane) -> None:
    message = given_up(lane, lane.message(1))
    async with lane.publisher() as publisher:
        await publisher.publish_raw(
            RawMessage(message.topic, None, b"", (*message.headers[-3:], ("x-left-behind", b"5000000")))
        )
    shown = await tool(lane, "list", "--topic", lane.numbered.topic)
    assert "too large" in shown
    assert "0 redriven, 1 left alone" in await tool(lane, "redrive", "--topic", lane.numbered.topic)
    assert "value: 5000000 bytes" in await tool(lane, "show", "--id", f"{message.topic}/0/0")


async def test_what_is_not_there_is_said_and_is_no_success(lane: Lane) -> None:
    assert "No dead letter is called nobody" in await tool(lane, "redrive", "--id", "nobody", status=1)
    assert "0 dead letters" in await tool(lane, "list", "--topic", "no.such.topic")


async def test_it_is_a_command_that_ends_with_a_status(lane: Lane) -> None:
    command = (sys.executable, "-m", "libs.common.delivery.dead_letters", "show", "--bootstrap", lane.access.bootstrap)
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()
    assert process.returncode == 2
    assert b"show needs --id" in said


async def test_a_broker_that_does_not_answer_is_named(lane: Lane, free_port: int) -> None:
    gone = Lane(KafkaAccess(f"127.0.0.1:{free_port}"), lane.idempotence, lane.mongo_uri, lane.name)
    assert f"The broker at {gone.access.bootstrap} does not answer" in await tool(gone, "list", status=3)
