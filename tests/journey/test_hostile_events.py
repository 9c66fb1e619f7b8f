"""Whoever can write to a topic can neither stop its readers nor make them act on nonsense."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from libs.common.contracts.topics import TOPICS, Topic, dead_letter_topic
from libs.common.core.values import utc_now
from libs.common.delivery.retry import FAILURE, ORIGIN
from tests.journey.harness import WAITING, System

Headers = tuple[tuple[str, bytes | None], ...]
READ = [topic for topic in TOPICS if topic.consumers]


@dataclass(frozen=True)
class Hostile:
    """A record that is no fact."""

    kind: str
    key: bytes | None
    value: bytes | None
    headers: Headers


def headers(topic: Topic, subject: str, **changed: str) -> Headers:
    """What a well-formed message of the topic says about itself."""
    usual = {
        "ce_specversion": "1.0",
        "ce_id": str(uuid4()),
        "ce_type": topic.event.type(),
        "ce_source": topic.producer,
        "ce_time": utc_now().isoformat(),
        "ce_subject": subject,
        "ce_correlationid": subject,
    }
    return tuple((name, text.encode()) for name, text in (usual | changed).items())


def hostile(topic: Topic) -> Iterator[Hostile]:
    """Everything that somebody could think of for one topic. None of it holds the promised members."""
    subject = str(uuid4())
    key = subject.encode()
    usual = headers(topic, subject)
    yield Hostile("nothing at all", None, b"", ())
    yield Hostile("a tombstone", key, None, usual)
    yield Hostile("no headers", key, b"{}", ())
    yield Hostile("not JSON", key, b"\xff\xfe{'a':", usual)
    yield Hostile("a list", key, b"[" * 100_000, usual)
    yield Hostile("another shape", key, json.dumps({"reason": {"$gt": ""}, "serial": [], "person": 7}).encode(), usual)
    yield Hostile("oversized", key, json.dumps({"padding": "x" * 300_000}).encode(), usual)
    yield Hostile("another major version", key, b"{}", headers(topic, subject, ce_type=f"{topic.name}.v9"))
    yield Hostile("another fact's type", key, b"{}", headers(topic, subject, ce_type="taxes.due.v1"))
    yield Hostile("CloudEvents of the future", key, b"{}", headers(topic, subject, ce_specversion="7.0"))
    yield Hostile("a key that is not the subject", b"somebody else", b"{}", usual)
    yield Hostile("time without a zone", key, b"{}", headers(topic, subject, ce_time="2026-01-01T00:00:00"))
    yield Hostile("a time that is none", key, b"{}", headers(topic, subject, ce_time="9" * 5_000))
    yield Hostile("a header without a value", key, b"{}", (*usual, ("ce_causationid", None), ("ce_id", None)))
    yield Hostile("headers that are not text", key, b"{}", (("ce_id", b"\xc3\x28"), *usual[2:]))
    yield Hostile("a thousand headers", key, b"{}", tuple((f"x-{number}", b"y" * 50) for number in range(1_000)))
    yield Hostile("what parking adds", key, b"{", (*usual, ("x-attempt", b"-1"), ("x-not-before", b"9999-12-31T00Z")))
    yield Hostile("a name in place of an id", key, b"{}", headers(topic, subject, ce_id="x" * 4_000))
    yield Hostile("a forged seal", key, _forged(topic), usual)


def _forged(topic: Topic) -> bytes:
    """A message of the right shape whose sealed fields nobody sealed, or, where nothing is sealed, of no shape."""
    box = {"kid": "person.1", "box": "AAAA" * 20}
    members = {
        name: box if "Sealed" in str(field.annotation) else None for name, field in topic.event.model_fields.items()
    }
    return json.dumps(members).encode()


@asynccontextmanager
async def producer(system: System) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=system.installation.kafka, max_request_size=2_000_000)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def write(system: System, producer: AIOKafkaProducer, topic: str, record: Hostile) -> str:
    """Write a record that is not the services'; give its place as dead letters name it."""
    written = await producer.send_and_wait(topic, record.value, key=record.key, headers=list(record.headers))
    system.foreign.add((topic, written.partition, written.offset))
    return f"{topic}/{written.partition}/{written.offset}"


async def dead_letters(system: System, topic: str, group: str, places: set[str]) -> dict[str, str]:
    """Wait until these records are among a group's dead letters; give what is said to have failed, by place."""
    name = dead_letter_topic(topic, group)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=system.installation.kafka, auto_offset_reset="earliest", fetch_max_wait_ms=50
    )
    await consumer.start()
    found: dict[str, str] = {}
    try:
        consumer.assign([TopicPartition(name, 0)])
        async with asyncio.timeout(WAITING.machines):
            while not places <= found.keys():
                record = await anext(consumer)
                added = dict(record.headers)
                found[added[ORIGIN].decode()] = added[FAILURE].decode()
    except TimeoutError:
        pytest.fail(f"not among the dead letters of {name}: {sorted(places - found.keys())}")
    finally:
        await consumer.stop()
    return found


async def test_hostile_events_on_every_topic_become_dead_letters_while_a_journey_goes_on(system: System) -> None:
    person = system.person()
    kinds: dict[str, str] = {}
    async with producer(system) as writing, asyncio.TaskGroup() as group:
        going = group.create_task(system.whole_way(person))
        for topic in TOPICS:
            for record in hostile(topic):
                kinds[await write(system, writing, topic.name, record)] = record.kind
    assert going.result()[1].status == "decided"
    for topic in READ:
        places = {place for place in kinds if place.startswith(f"{topic.name}/")}
        for reader in topic.consumers:
            failures = await dead_letters(system, topic.name, reader, places)
            assert all(text.startswith("ForgedMessage") for text in failures.values()), failures


async def test_well_formed_facts_about_what_nobody_knows_lead_to_nothing(system: System) -> None:
    """Such as an attacker on the bus would write, who holds no key: no journey, no certificate, no decision follows."""
    subjects = [str(uuid4()), "../../../etc/passwd", "a" * 200, "{'$where': '1'}", "нет", "0", "a\x00b"]
    forged: Sequence[tuple[str, dict[str, object]]] = [
        ("otp.verified", {"phone_ref": "0" * 32}),
        ("face.matched", {"model": "none"}),
        ("digital_id.created", {"citizen_id": str(uuid4()), "person_ref": "0" * 32}),
        ("journey.closed", {"outcome": "completed", "reason": "journey.completed"}),
        ("cert.revoked", {"serial": "f" * 32, "profile": "SIGN", "reason": "superseded",
                          "revoked_at": utc_now().isoformat(), "citizen_id": str(uuid4())}),
        ("kandas.granted", {"person": "p1", "citizen_id": str(uuid4()), "decided_at": utc_now().isoformat(),
                            "reasons": [], "rules": "none", "document_sha256": "0" * 64, "valid_until": "2030-01-01"}),
    ]  # fmt: skip
    topics = {topic.name: topic for topic in TOPICS}
    before = len((await system.facts()).records)
    async with producer(system) as writing:
        for subject in subjects:
            for name, value in forged:
                record = Hostile(name, subject.encode(), json.dumps(value).encode(), headers(topics[name], subject))
                await write(system, writing, name, record)
    assert (await system.whole_way(system.person()))[1].status == "decided"
    facts = await system.facts()
    new = facts.records[before:]
    assert not {record.subject for record in new} & set(subjects)
