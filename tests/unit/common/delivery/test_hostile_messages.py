"""Whatever somebody writes to a topic, it ends, harms nobody, and can be looked at afterwards."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.contracts.events import MAX_EVENT_BYTES
from libs.common.delivery.retry import MAX_PARKED_BYTES, Circuit
from libs.common.testing.broker import BrokerRecord
from tests.unit.common.letter_harness import GIVEN_UP, RETRIES, Headers, LetterConsumer, header, letter, with_header


def tampered(record: BrokerRecord) -> BrokerRecord:
    assert record.value is not None
    at = record.value.index(b'"box":"') + 20
    swapped = b"A" if record.value[at : at + 1] != b"A" else b"B"
    return replace(record, value=record.value[:at] + swapped + record.value[at + 1 :])


MALFORMED = {
    "no headers": replace(letter(1), headers=()),
    "a header without a value": with_header(letter(1), "ce_id", None),
    "an empty id": with_header(letter(1), "ce_id", b""),
    "a header twice": replace(letter(1), headers=(*letter(1).headers, ("ce_id", b"another"))),
    "a header that is not text": with_header(letter(1), "ce_id", b"\xff\xfe"),
    "no type": replace(letter(1), headers=tuple(h for h in letter(1).headers if h[0] != "ce_type")),
    "an unknown type": with_header(letter(1), "ce_type", b"letter.burnt.v1"),
    "a later version": with_header(letter(1), "ce_type", b"letter.sent.v2"),
    "another CloudEvents": with_header(letter(1), "ce_specversion", b"0.3"),
    "no CloudEvents version": with_header(letter(1), "ce_specversion", None),
    "a time that is none": with_header(letter(1), "ce_time", b"yesterday"),
    "a time without a zone": with_header(letter(1), "ce_time", b"2026-03-02T12:00:00"),
    "an id without end": with_header(letter(1), "ce_id", b"i" * 201),
    "a cause without end": with_header(letter(1), "ce_causationid", b"i" * 100_000),
    "a trace without end": with_header(letter(1), "traceparent", b"0" * 100_000),
    "a wrong key": replace(letter(1), key=b"b"),
    "no key": replace(letter(1), key=None),
    "no value": replace(letter(1), value=None),
    "neither key nor value nor headers": replace(letter(1), key=None, value=None, headers=()),
    "no JSON": replace(letter(1), value=b"{"),
    "no text": replace(letter(1), value=b"\xff\xfe\x00"),
    "deep JSON": replace(letter(1), value=b"[" * 100_000),
    "other JSON": replace(letter(1), value=b'{"number": "many"}'),
    "a list": replace(letter(1), value=b"[1]"),
    "a huge value": replace(letter(1), value=b'{"number": 1, "x": "' + b"x" * MAX_EVENT_BYTES + b'"}'),
    "an altered seal": tampered(letter(1, to="Aizhan")),
    "a seal of another message": replace(letter(1), value=letter(2, to="Aizhan").value),
    "a seal that is none": replace(letter(1), value=b'{"number": 1, "to": {"kid": "buyer.1", "box": "!"}}'),
    "an empty seal": replace(letter(1), value=b'{"number": 1, "to": {"kid": "buyer.1", "box": ""}}'),
    "personal data in clear": replace(letter(1), value=b'{"number": 1, "to": {"name": "Aizhan"}}'),
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
async def test_a_malformed_message_goes_to_the_dead_letters_as_it_came_and_the_others_are_handled(name: str) -> None:
    bad, consumer = MALFORMED[name], LetterConsumer()
    await consumer.batch(letter(3), bad, letter(4), letter(5, "c"))
    assert sorted(consumer.handled) == [3, 4, 5]
    (dead,) = consumer.broker.parked
    assert dead.topic == GIVEN_UP
    assert (dead.key, dead.value) == (bad.key, bad.value)
    assert dead.headers[: len(bad.headers)] == bad.headers
    assert header(dead, "x-origin") == "letter.sent/0/1"
    assert header(dead, "x-failure").startswith("MalformedMessage: ")
    assert "Aizhan" not in repr(dead.headers)
    assert consumer.outcomes("dead_lettered") == 1
    assert consumer.outcomes("handled") == 3


async def test_ten_thousand_headers_of_somebody_elses_do_no_harm() -> None:
    consumer = LetterConsumer()
    many: Headers = tuple((f"h{n}", None if n % 2 else b"x" * 10) for n in range(10_000))
    await consumer.batch(replace(letter(1), headers=(*many, *letter(1).headers)), letter(2))
    assert consumer.handled == [1, 2]
    assert consumer.broker.parked == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-attempt", b"many"),
        ("x-attempt", b"-5"),
        ("x-attempt", b"9" * 5000),
        ("x-not-before", b"never"),
        ("x-not-before", b"2999-01-01T00:00:00+00:00"),
        ("x-not-before", b"2999-01-01T00:00:00"),
        ("x-origin", b"nowhere/0/0"),
        ("x-origin", b"\xff"),
        ("x-left-behind", b"12"),
    ],
)
async def test_our_own_headers_are_not_believed_on_a_topic_of_facts(name: str, value: bytes) -> None:
    consumer = LetterConsumer()
    consumer.fails(1, RuntimeError("boom"))
    await consumer.batch(with_header(letter(1), name, value), letter(2, "b"))
    assert consumer.handled == [2]
    (parked,) = consumer.broker.parked
    assert parked.topic == RETRIES
    assert header(parked, "x-attempt") == "1"
    assert header(parked, "x-origin") == "letter.sent/0/1"


@pytest.mark.parametrize("value", [b"many", b"-5", b"9" * 5000, b"\xff", b"", None])
async def test_a_parked_message_with_a_spoilt_count_is_still_brought_to_its_end(value: bytes | None) -> None:
    consumer = LetterConsumer()
    consumer.fails(1, RuntimeError("boom"))
    await consumer.batch(replace(with_header(letter(1), "x-attempt", value), topic=RETRIES), letter(2, "b"))
    assert consumer.handled == [2]
    assert [message.topic for message in consumer.broker.parked] == [RETRIES]


async def test_malformed_messages_do_not_open_the_circuit() -> None:
    consumer = LetterConsumer(circuit=Circuit(limit=3))
    await consumer.batch(*(replace(letter(n), value=b"{") for n in range(50)), letter(99))
    assert len(consumer.broker.parked) == 50
    assert consumer.handled == [99]


async def test_a_record_too_large_to_be_moved_leaves_its_place_among_the_dead_letters() -> None:
    consumer = LetterConsumer()
    bomb = replace(letter(1), value=b" " * (MAX_PARKED_BYTES + 1))
    await consumer.batch(bomb, letter(2))
    (dead,) = consumer.broker.parked
    assert header(dead, "x-origin") == "letter.sent/0/1"
    assert int(header(dead, "x-left-behind")) > MAX_PARKED_BYTES
    assert len(dead.value or b"") == 0
    assert consumer.handled == [2]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.text(max_size=20), st.none() | st.binary(max_size=40)), max_size=12),
    st.none() | st.binary(max_size=40),
    st.none() | st.binary(max_size=200),
    st.booleans(),
    st.sampled_from(["letter.sent", RETRIES]),
)
async def test_whatever_bytes_come_they_end_and_hold_back_nobody(
    headers: Sequence[tuple[str, bytes | None]], key: bytes | None, value: bytes | None, ours: bool, topic: str
) -> None:
    consumer = LetterConsumer()
    names = ("ce_id", "ce_type", "ce_time", "x-attempt", "x-not-before", "x-origin")
    named = [(names[len(name) % 6], value) for name, value in headers] if ours else headers
    hostile = BrokerRecord(topic, 1, key, value, tuple(named))
    await consumer.batch(letter(2), hostile, letter(3, "b"))
    assert sorted(consumer.handled) == [2, 3]
    assert [message.topic for message in consumer.broker.parked] == [GIVEN_UP]
