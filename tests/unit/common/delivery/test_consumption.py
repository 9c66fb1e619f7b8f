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
    Desk,
    LetterSent,
    as_read,
    header,
    letter,
    meta_of,
    with_header,
)
from tests.unit.common.shop_harness import NOON, Buyer
from tests.waiting import until_so


async def test_a_failure_is_tried_again_in_place_and_then_forgotten() -> None:
    desk = Desk()
    desk.fails(1, Retryable("busy"), RuntimeError("boom"), None)
    await desk.batch(letter(1))
    assert desk.tries[1] == 3
    assert desk.handled == [1]
    assert desk.broker.parked == []


async def test_what_keeps_failing_is_parked_with_the_time_before_which_it_must_not_be_tried() -> None:
    desk = Desk()
    desk.fails(1, Retryable("the gateway is busy"))
    await desk.batch(letter(1), letter(2))
    assert desk.handled == [2], "a later message of the same key does not wait for a parked one"
    (parked,) = desk.broker.parked
    assert parked.topic == RETRIES
    assert (parked.key, parked.value) == (letter(1).key, letter(1).value)
    assert header(parked, "x-attempt") == "1"
    assert header(parked, "x-failure") == "Retryable: the gateway is busy"
    assert datetime.fromisoformat(header(parked, "x-not-before")) == NOON + timedelta(seconds=2)
    assert desk.outcomes("retried") == 1


async def test_a_parked_message_is_handled_once_its_time_has_come() -> None:
    desk = Desk()
    desk.fails(1, *[Retryable("busy")] * 3, None)
    await desk.batch(letter(1))
    desk.now += timedelta(seconds=2)
    await desk.batch(as_read(desk.broker.parked[0]))
    assert desk.handled == [1]


async def test_a_parked_message_waits_for_its_time_while_others_go_on() -> None:
    desk = Desk(RetryPolicy(in_place=1, parked_s=(0.3,)))
    desk.fails(1, Retryable("busy"), None)
    await desk.batch(letter(1))
    waiting = asyncio.create_task(desk.batch(as_read(desk.broker.parked[0]), letter(2, "b")))
    await asyncio.sleep(0.1)
    assert desk.handled == [2]
    assert desk.consumption.waiting == 1
    await waiting
    assert desk.handled == [2, 1]
    assert desk.consumption.waiting == 0


async def test_times_far_ahead_hold_a_batch_no_longer_than_one_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_HOLD_S", 0.2)
    desk = Desk()
    began = asyncio.get_running_loop().time()

    def moving() -> datetime:
        return NOON + timedelta(seconds=asyncio.get_running_loop().time() - began)

    desk.consumption._clock = moving
    held = [
        replace(with_header(letter(n), "x-not-before", b"2999-01-01T00:00:00+00:00"), topic=RETRIES) for n in range(20)
    ]
    await desk.batch(*held)
    assert desk.handled == list(range(20))
    assert asyncio.get_running_loop().time() - began < 2, "twenty of them take four seconds one after the other"


async def test_what_fails_in_every_round_is_given_up_with_its_history() -> None:
    desk = Desk()
    desk.fails(1, RuntimeError("names Aizhan"))
    record = letter(1)
    for _ in range(len(QUICK.parked_s) + 1):
        await desk.batch(record)
        record = as_read(desk.broker.parked[-1])
        desk.now += timedelta(seconds=10)
    first, second, dead = desk.broker.parked
    assert [first.topic, second.topic, dead.topic] == [RETRIES, RETRIES, GIVEN_UP]
    assert header(dead, "x-attempt") == "2"
    assert header(dead, "x-origin") == "letter.sent/0/1"
    assert header(dead, "x-failure") == "RuntimeError", "words of a foreign error may quote personal data"
    assert dead.headers[: len(letter(1).headers)] == letter(1).headers
    assert desk.tries[1] == 3 * QUICK.in_place
    assert desk.outcomes("dead_lettered") == 1


@pytest.mark.parametrize("error", [Permanent("never"), Refused("letter.refused", "Not allowed.")])
async def test_what_cannot_ever_work_is_given_up_at_the_first_try(error: Exception) -> None:
    desk = Desk()
    desk.fails(1, error)
    await desk.batch(letter(1), letter(2))
    assert desk.tries[1] == 1
    assert desk.handled == [2]
    assert [message.topic for message in desk.broker.parked] == [GIVEN_UP]


async def test_a_newer_key_than_ours_is_waited_for() -> None:
    rotated = Keyring({"buyer": {"1": bytes(range(32)), "2": bytes(32)}}, bytes(32))
    meta, event = meta_of(1), LetterSent(number=1, to=Sealed(Buyer(name="Aizhan")))
    desk = Desk()
    await desk.batch(replace(letter(1), value=encode(event, meta, rotated)))
    assert [message.topic for message in desk.broker.parked] == [RETRIES]


async def test_messages_are_held_while_the_store_is_away_and_handled_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "OUTAGE_PAUSES_S", (0.01,))
    desk = Desk()
    back = asyncio.Event()

    async def away(_: int) -> None:
        if not back.is_set():
            raise Unavailable("the store is away")

    desk.does = dict.fromkeys(range(6), away)
    batch = asyncio.create_task(desk.batch(*(letter(n, f"key-{n % 3}") for n in range(6))))
    await asyncio.sleep(0.1)
    assert not batch.done()
    assert desk.consumption.held == 3, "one of each key: the others wait behind them, in order"
    assert desk.handled == []
    back.set()
    await batch
    assert sorted(desk.handled) == list(range(6))
    assert desk.broker.parked == []
    assert desk.consumption.held == 0


async def test_a_message_that_cannot_be_parked_is_held_not_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OUTAGE_PAUSES_S", (0.001,))
    desk = Desk()
    desk.broker.away = 5
    await desk.batch(replace(letter(1), value=b"{"), letter(2))
    assert [message.topic for message in desk.broker.parked] == [GIVEN_UP]
    assert desk.handled == [2]


async def test_the_circuit_stops_a_consumer_that_would_give_up_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OUTAGE_PAUSES_S", (0.001,))
    desk = Desk(circuit=Circuit(limit=5, window_s=60))
    for number in range(20):
        desk.fails(number, Permanent("a broken deployment"))
    batch = asyncio.create_task(desk.batch(*(letter(n, f"key-{n}") for n in range(20))))
    await until_so(lambda: desk.consumption.held > 0)
    assert len(desk.broker.parked) == 5
    assert desk.metrics.registry.get_sample_value("onboarding_circuit_open") == 1
    desk.does.clear()  # the deployment is mended
    await batch
    assert len(desk.broker.parked) == 5
    assert len(desk.handled) == 15


async def test_the_circuit_closes_as_failures_grow_old() -> None:
    circuit = Circuit(limit=2, window_s=60)
    for second in (0, 1):
        assert not circuit.is_open(NOON + timedelta(seconds=second))
        circuit.gave_up(NOON + timedelta(seconds=second))
    assert circuit.is_open(NOON + timedelta(seconds=59))
    assert not circuit.is_open(NOON + timedelta(seconds=60))


async def test_one_key_is_handled_in_order_and_keys_side_by_side() -> None:
    desk = Desk()
    running: Counter[str] = Counter()
    most: Counter[str] = Counter()

    async def slow(key: str, _: int) -> None:
        running.update([key, "all"])
        most.update({name: max(0, running[name] - most[name]) for name in (key, "all")})
        await asyncio.sleep(0.01)
        running.subtract([key, "all"])

    records = [letter(n, f"key-{n % 4}") for n in range(20)]
    desk.does = {n: partial(slow, f"key-{n % 4}") for n in range(20)}
    await desk.batch(*records)
    assert most["all"] == 4
    assert [most[f"key-{n}"] for n in range(4)] == [1] * 4
    by_key: dict[int, list[int]] = defaultdict(list)
    for number in desk.handled:
        by_key[number % 4].append(number)
    assert all(numbers == sorted(numbers) for numbers in by_key.values())


async def test_a_handler_that_takes_too_long_is_cut_off_and_its_message_parked() -> None:
    desk = Desk(handler_s=0.05)

    async def stuck(_: int) -> None:
        await asyncio.sleep(60)

    desk.does[1] = stuck
    await desk.batch(letter(1), letter(2))
    assert desk.tries[1] == 1, "time is not spent on it three times over"
    assert desk.handled == [2]
    assert header(desk.broker.parked[0], "x-failure") == "TimeoutError"


async def test_a_handler_whose_work_is_cancelled_underneath_it_does_not_take_its_message_with_it() -> None:
    desk = Desk()

    async def cancelled(_: int) -> None:
        inner = asyncio.get_running_loop().create_future()
        inner.cancel()
        await inner

    desk.does[1] = cancelled
    await desk.batch(letter(1), letter(2), letter(3, "b"))
    assert sorted(desk.handled) == [2, 3]
    assert header(desk.broker.parked[0], "x-failure").startswith("Interrupted")


async def test_a_batch_that_is_cancelled_ends_and_commits_nothing() -> None:
    desk = Desk()

    async def stuck(_: int) -> None:
        await asyncio.sleep(60)

    desk.does[1] = stuck
    batch = asyncio.create_task(desk.consumption.batch([letter(1), letter(2)]))
    await asyncio.sleep(0.01)
    batch.cancel()
    with pytest.raises(asyncio.CancelledError):
        await batch
    assert desk.handled == []
    assert desk.broker.parked == []


async def test_a_batch_that_takes_too_long_gives_back_what_it_has_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(batch_s=0.1)
    now = 0.0
    monkeypatch.setattr(module, "monotonic", lambda: now)

    async def slow(_: int) -> None:
        nonlocal now
        await asyncio.sleep(0)
        now += 0.04

    desk.does = dict.fromkeys(range(10), slow)
    left = await desk.consumption.batch([letter(n, f"key-{n % 2}") for n in range(10)])
    assert sorted(desk.handled) == [0, 1, 2, 3]
    assert sorted(record.offset for record in left) == [4, 5, 6, 7, 8, 9]
    assert desk.consumption.ended == 4
