"""Every record comes to its end: handled, parked, or given up; and none holds back the others."""

import asyncio
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import pytest

from libs.common.contracts.events import encode
from libs.common.core.errors import Permanent, Refused, Retryable, Unavailable
from libs.common.core.sealing import Keyring, Sealed
from libs.common.delivery import consumption as module
from libs.common.delivery.retry import Circuit, RetryPolicy
from tests.unit.common.letter_harness import (
    GIVEN_UP,
    QUICK,
    RETRIES,
    LetterConsumer,
    LetterSent,
    as_read,
    header,
    letter,
    meta_of,
    with_header,
)
from tests.unit.common.refusals import ExampleRefusal
from tests.unit.common.shop_harness import NOON, Buyer
from tests.waiting import until_so


async def test_a_failure_is_tried_again_in_place_and_then_forgotten() -> None:
    consumer = LetterConsumer()
    consumer.fails(1, Retryable("busy"), RuntimeError("boom"), None)
    await consumer.batch(letter(1))
    assert consumer.tries[1] == 3
    assert consumer.handled == [1]
    assert consumer.broker.parked == []


async def test_what_keeps_failing_is_parked_with_the_time_before_which_it_must_not_be_tried() -> None:
    consumer = LetterConsumer()
    consumer.fails(1, Retryable("the gateway is busy"))
    await consumer.batch(letter(1), letter(2))
    assert consumer.handled == [2], "a later message of the same key does not wait for a parked one"
    (parked,) = consumer.broker.parked
    assert parked.topic == RETRIES
    assert (parked.key, parked.value) == (letter(1).key, letter(1).value)
    assert header(parked, "x-attempt") == "1"
    assert header(parked, "x-failure") == "Retryable: the gateway is busy"
    assert datetime.fromisoformat(header(parked, "x-not-before")) == NOON + timedelta(seconds=2)
    assert consumer.outcomes("retried") == 1


async def test_a_parked_message_is_handled_once_its_time_has_come() -> None:
    consumer = LetterConsumer()
    consumer.fails(1, *[Retryable("busy")] * 3, None)
    await consumer.batch(letter(1))
    consumer.now += timedelta(seconds=2)
    await consumer.batch(as_read(consumer.broker.parked[0]))
    assert consumer.handled == [1]


async def test_a_parked_message_waits_for_its_time_while_others_go_on() -> None:
    consumer = LetterConsumer(RetryPolicy(in_place=1, parked_s=(0.3,)))
    consumer.fails(1, Retryable("busy"), None)
    await consumer.batch(letter(1))
    waiting = asyncio.create_task(consumer.batch(as_read(consumer.broker.parked[0]), letter(2, "b")))
    await asyncio.sleep(0.1)
    assert consumer.handled == [2]
    assert consumer.consumption.waiting == 1
    await waiting
    assert consumer.handled == [2, 1]
    assert consumer.consumption.waiting == 0


async def test_times_far_ahead_hold_a_batch_no_longer_than_one_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_HOLD_S", 0.2)
    consumer = LetterConsumer()
    began = asyncio.get_running_loop().time()

    def moving() -> datetime:
        return NOON + timedelta(seconds=asyncio.get_running_loop().time() - began)

    consumer.consumption._clock = moving
    held = [
        replace(with_header(letter(n), "x-not-before", b"2999-01-01T00:00:00+00:00"), topic=RETRIES) for n in range(20)
    ]
    await consumer.batch(*held)
    assert consumer.handled == list(range(20))
    assert asyncio.get_running_loop().time() - began < 2, "twenty of them take four seconds one after the other"


async def test_what_fails_in_every_round_is_given_up_with_its_history() -> None:
    consumer = LetterConsumer()
    consumer.fails(1, RuntimeError("names Aizhan"))
    record = letter(1)
    for _ in range(len(QUICK.parked_s) + 1):
        await consumer.batch(record)
        record = as_read(consumer.broker.parked[-1])
        consumer.now += timedelta(seconds=10)
    first, second, dead = consumer.broker.parked
    assert [first.topic, second.topic, dead.topic] == [RETRIES, RETRIES, GIVEN_UP]
    assert header(dead, "x-attempt") == "2"
    assert header(dead, "x-origin") == "letter.sent/0/1"
    assert header(dead, "x-failure") == "RuntimeError", "words of a foreign error may quote personal data"
    assert dead.headers[: len(letter(1).headers)] == letter(1).headers
    assert consumer.tries[1] == 3 * QUICK.in_place
    assert consumer.outcomes("dead_lettered") == 1


@pytest.mark.parametrize("error", [Permanent("never"), Refused(ExampleRefusal.FROZEN)])
async def test_what_cannot_ever_work_is_given_up_at_the_first_try(error: Exception) -> None:
    consumer = LetterConsumer()
    consumer.fails(1, error)
    await consumer.batch(letter(1), letter(2))
    assert consumer.tries[1] == 1
    assert consumer.handled == [2]
    assert [message.topic for message in consumer.broker.parked] == [GIVEN_UP]


async def test_a_newer_key_than_ours_is_waited_for() -> None:
    rotated = Keyring({"buyer": {"1": bytes(range(32)), "2": bytes(32)}}, bytes(32))
    meta, event = meta_of(1), LetterSent(number=1, to=Sealed(Buyer(name="Aizhan")))
    consumer = LetterConsumer()
    await consumer.batch(replace(letter(1), value=encode(event, meta, rotated)))
    assert [message.topic for message in consumer.broker.parked] == [RETRIES]


async def test_messages_are_held_while_the_store_is_away_and_handled_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "OUTAGE_PAUSES_S", (0.01,))
    consumer = LetterConsumer()
    back = asyncio.Event()

    async def away(_: int) -> None:
        if not back.is_set():
            raise Unavailable("the store is away")

    consumer.does = dict.fromkeys(range(6), away)
    batch = asyncio.create_task(consumer.batch(*(letter(n, f"key-{n % 3}") for n in range(6))))
    await asyncio.sleep(0.1)
    assert not batch.done()
    assert consumer.consumption.held == 3, "one of each key: the others wait behind them, in order"
    assert consumer.handled == []
    back.set()
    await batch
    assert sorted(consumer.handled) == list(range(6))
    assert consumer.broker.parked == []
    assert consumer.consumption.held == 0


async def test_held_messages_take_nobodys_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OUTAGE_PAUSES_S", (0.01,))
    consumer = LetterConsumer()
    back = asyncio.Event()

    async def away(_: int) -> None:
        if not back.is_set():
            raise Unavailable("an outside system is away")

    held = range(2 * module.PARALLEL_KEYS)
    consumer.does = dict.fromkeys(held, away)
    others = range(len(held), len(held) + 5)
    batch = asyncio.create_task(consumer.batch(*(letter(n, f"key-{n}") for n in (*held, *others))))
    await until_so(lambda: sorted(consumer.handled) == list(others))
    back.set()
    await batch
    assert len(consumer.handled) == len(held) + len(others)


@pytest.mark.parametrize("claimed", ["9999-12-31T23:59:59+00:00", "0001-01-01T00:00:00+00:00", "2019-12-31T23:59:59Z"])
async def test_a_time_nobody_lives_in_is_malformed_and_does_not_count_for_the_circuit(claimed: str) -> None:
    consumer = LetterConsumer(circuit=Circuit(limit=1, window_s=60))
    hostile = [with_header(letter(n, f"key-{n}"), "ce_time", claimed.encode()) for n in range(3)]
    await consumer.batch(*hostile, letter(9))
    assert [message.topic for message in consumer.broker.parked] == [GIVEN_UP] * 3
    assert consumer.handled == [9]


async def test_a_message_that_cannot_be_parked_is_held_not_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OUTAGE_PAUSES_S", (0.001,))
    consumer = LetterConsumer()
    consumer.broker.away = 5
    await consumer.batch(replace(letter(1), value=b"{"), letter(2))
    assert [message.topic for message in consumer.broker.parked] == [GIVEN_UP]
    assert consumer.handled == [2]


async def test_the_circuit_stops_a_consumer_that_would_give_up_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OUTAGE_PAUSES_S", (0.001,))
    consumer = LetterConsumer(circuit=Circuit(limit=5, window_s=60))
    for number in range(20):
        consumer.fails(number, Permanent("a broken deployment"))
    batch = asyncio.create_task(consumer.batch(*(letter(n, f"key-{n}") for n in range(20))))
    await until_so(lambda: consumer.consumption.held > 0)
    assert len(consumer.broker.parked) == 5
    assert consumer.metrics.registry.get_sample_value("onboarding_circuit_open") == 1
    consumer.does.clear()  # the deployment is mended
    await batch
    assert len(consumer.broker.parked) == 5
    assert len(consumer.handled) == 15


async def test_the_circuit_closes_as_failures_grow_old() -> None:
    circuit = Circuit(limit=2, window_s=60)
    for second in (0, 1):
        assert not circuit.is_open(NOON + timedelta(seconds=second))
        circuit.gave_up(NOON + timedelta(seconds=second))
    assert circuit.is_open(NOON + timedelta(seconds=59))
    assert not circuit.is_open(NOON + timedelta(seconds=60))


async def test_one_key_is_handled_in_order_and_keys_side_by_side() -> None:
    consumer = LetterConsumer()
    running: Counter[str] = Counter()
    most: Counter[str] = Counter()

    async def slow(key: str, _: int) -> None:
        running.update([key, "all"])
        most.update({name: max(0, running[name] - most[name]) for name in (key, "all")})
        await asyncio.sleep(0.01)
        running.subtract([key, "all"])

    records = [letter(n, f"key-{n % 4}") for n in range(20)]
    consumer.does = {n: partial(slow, f"key-{n % 4}") for n in range(20)}
    await consumer.batch(*records)
    assert most["all"] == 4
    assert [most[f"key-{n}"] for n in range(4)] == [1] * 4
    by_key: dict[int, list[int]] = defaultdict(list)
    for number in consumer.handled:
        by_key[number % 4].append(number)
    assert all(numbers == sorted(numbers) for numbers in by_key.values())


async def test_a_handler_that_takes_too_long_is_cut_off_and_its_message_parked() -> None:
    consumer = LetterConsumer(handler_s=0.05)

    async def stuck(_: int) -> None:
        await asyncio.sleep(60)

    consumer.does[1] = stuck
    await consumer.batch(letter(1), letter(2))
    assert consumer.tries[1] == 1, "time is not spent on it three times over"
    assert consumer.handled == [2]
    assert header(consumer.broker.parked[0], "x-failure") == "TimeoutError"


async def test_a_handler_whose_work_is_cancelled_underneath_it_does_not_take_its_message_with_it() -> None:
    consumer = LetterConsumer()

    async def cancelled(_: int) -> None:
        inner = asyncio.get_running_loop().create_future()
        inner.cancel()
        await inner

    consumer.does[1] = cancelled
    await consumer.batch(letter(1), letter(2), letter(3, "b"))
    assert sorted(consumer.handled) == [2, 3]
    assert header(consumer.broker.parked[0], "x-failure").startswith("Interrupted")


async def test_a_batch_that_is_cancelled_ends_and_commits_nothing() -> None:
    consumer = LetterConsumer()

    async def stuck(_: int) -> None:
        await asyncio.sleep(60)

    consumer.does[1] = stuck
    batch = asyncio.create_task(consumer.consumption.batch([letter(1), letter(2)]))
    await asyncio.sleep(0.01)
    batch.cancel()
    with pytest.raises(asyncio.CancelledError):
        await batch
    assert consumer.handled == []
    assert consumer.broker.parked == []


async def test_a_batch_that_takes_too_long_gives_back_what_it_has_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = LetterConsumer(batch_s=0.1)
    now = 0.0
    monkeypatch.setattr(module, "monotonic", lambda: now)

    async def slow(_: int) -> None:
        nonlocal now
        await asyncio.sleep(0)
        now += 0.04

    consumer.does = dict.fromkeys(range(10), slow)
    left = await consumer.consumption.batch([letter(n, f"key-{n % 2}") for n in range(10)])
    assert sorted(consumer.handled) == [0, 1, 2, 3]
    assert sorted(record.offset for record in left) == [4, 5, 6, 7, 8, 9]
    assert consumer.consumption.ended == 4
