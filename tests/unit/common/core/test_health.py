"""Liveness by progress, readiness by asking."""

import asyncio
import time

import pytest

from libs.common.core.health import Health, LoopLag
from libs.common.core.metrics import Metrics
from tests.waiting import until_so


class Seconds:
    """A clock that goes when told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


async def nothing() -> None:
    pass


async def no_answer() -> None:
    raise ConnectionError


async def never() -> None:
    await asyncio.Event().wait()


def test_a_loop_that_beats_is_alive_and_one_that_stopped_is_named_with_its_age() -> None:
    clock = Seconds()
    health = Health(clock)
    consumer, _sweeper = health.probe("consumer", 30), health.probe("outbox", 30)
    clock.now = 25
    consumer.beat()
    clock.now = 31
    assert health.stalled() == {"outbox": 31.0}
    clock.now = 56
    assert set(health.stalled()) == {"consumer", "outbox"}
    consumer.beat()
    assert set(health.stalled()) == {"outbox"}


def test_a_new_probe_has_its_whole_time_before_it_counts_as_stalled() -> None:
    clock = Seconds()
    clock.now = 1000
    health = Health(clock)
    health.probe("consumer", 30)
    assert health.stalled() == {}


async def test_what_answers_is_ready_and_what_raises_or_keeps_silent_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("libs.common.core.health._CHECK_TIMEOUT_S", 0.02)
    health = Health()
    assert await health.unready() == ()
    for name, check in {"store": nothing, "broker": no_answer, "models": never}.items():
        health.check(name, check)
    assert await health.unready() == ("broker", "models")


def test_a_name_is_given_once() -> None:
    health = Health()
    health.probe("consumer")
    health.check("store", nothing)
    with pytest.raises(ValueError, match="consumer"):
        health.probe("consumer")
    with pytest.raises(ValueError, match="store"):
        health.check("store", nothing)


async def test_work_that_blocks_the_event_loop_shows_as_lag() -> None:
    gauge = Metrics("ca").event_loop_lag_seconds
    lag = LoopLag(gauge, interval_s=0.01)
    await lag.start()
    await asyncio.sleep(0)
    block(0.08)
    await until_so(lambda: gauge._value.get() > 0)
    measured = gauge._value.get()
    await lag.stop()
    assert measured > 0.05


def block(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


async def test_stopping_what_never_started_is_no_error() -> None:
    await LoopLag(Metrics("ca").event_loop_lag_seconds).stop()
