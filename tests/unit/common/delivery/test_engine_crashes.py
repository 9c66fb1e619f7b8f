"""Whatever step a process dies at, and in whatever order messages come, the outcome is the same."""

import logging
from collections.abc import Iterator
from random import Random

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.testing.faults import Crash, Faults
from tests.unit.common.shop_harness import Shop, World, facts, parked, states

ORDERS = {"order-1": "Aizhan", "order-2": "Serik"}


@pytest.fixture(autouse=True, scope="module")
def no_logs() -> Iterator[None]:
    """Thousands of messages are handled here; their log lines would take longer than they."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


async def run(faults: Faults) -> World:
    """Place the orders and let the shop work; after each crash begin again on what it left behind."""
    world = World()
    while True:
        shop = Shop(world, faults)
        try:
            for key, name in ORDERS.items():
                await shop.till.place(key, name)
            await shop.settle()
        except* Crash:
            faults.revive()
            world.pass_time(1)
        else:
            break
    return world


async def assert_same_outcome(world: World, expected: World) -> None:
    assert await states(world) == await states(expected)
    assert world.effects == expected.effects
    assert facts(world).keys() == facts(expected).keys()
    assert {len(ids) for ids in facts(world).values()} == {1}, "a fact was decided twice"
    assert parked(world) == []
    for rows in (world.till, world.stock, world.bills):
        assert all(not row.outbox and row.outbox_at is None for row in rows.rows.values())
    assert not any(service.unread() for service in Shop(world, Faults()).services)


async def test_the_undisturbed_shop_closes_every_order_with_one_event_of_each_kind() -> None:
    world = await run(Faults())
    assert len(world.log.published) == len(facts(world)) == 4 * len(ORDERS)
    assert world.effects == {f"pack {key}" for key in ORDERS}
    assert all("closed=True" in state for state in (await states(world))["till"].values())


async def test_a_crash_at_any_single_step_changes_nothing_in_the_end() -> None:
    counted = Faults()
    expected = await run(counted)
    assert counted.steps > 100
    for step in range(1, counted.steps + 1):
        faults = Faults(step)
        world = await run(faults)
        assert faults.steps > step, "the process did not die there"
        await assert_same_outcome(world, expected)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=2, max_size=6))
async def test_several_crashes_change_nothing_in_the_end(steps: list[int]) -> None:
    await assert_same_outcome(await run(Faults(*steps)), await run(Faults()))


async def deliver_at_random(world: World, chance: Random, extra: int) -> None:
    """Hand every event to every service that reads it, in any order, some of them again and again."""
    shop = Shop(world, Faults())
    for key, name in ORDERS.items():
        await shop.till.place(key, name)
    seen = 0
    pool: list[tuple[int, int]] = []
    while True:
        for offset in range(seen, len(world.log.records)):
            topic = world.log.records[offset].topic
            pool += [(n, offset) for n, each in enumerate(shop.services) if topic in each.consumption.topics]
        seen = len(world.log.records)
        if not pool and not await shop.stock.wake_due():
            return
        if pool:
            number, offset = pool[chance.randrange(len(pool))]
            await shop.services[number].consumption.batch([world.log.records[offset]])
            if extra and chance.random() < 0.5:
                extra -= 1
            else:
                pool.remove((number, offset))
        if chance.random() < 0.3:
            await shop.stock.wake_due()
        if chance.random() < 0.3:
            await shop.services[chance.randrange(3)].kind.outbox.trim()


@settings(max_examples=100, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(0, 12))
async def test_any_order_and_any_repetition_of_messages_gives_the_same_outcome(chance: Random, extra: int) -> None:
    world = World()
    await deliver_at_random(world, chance, extra)
    expected = await run(Faults())
    assert await states(world) == await states(expected)
    assert facts(world).keys() == facts(expected).keys()
    assert {len(ids) for ids in facts(world).values()} == {1}
    assert world.effects == expected.effects


@pytest.mark.parametrize("times", [1, 2])
async def test_reading_every_topic_again_from_the_beginning_changes_and_tells_nothing(times: int) -> None:
    world = await run(Faults())
    rows = [dict(documents.rows) for documents in (world.till, world.stock, world.bills)]
    events = list(world.log.published)
    for _ in range(times):
        world.log.committed.clear()
        await Shop(world, Faults()).settle()
    assert [dict(documents.rows) for documents in (world.till, world.stock, world.bills)] == rows
    assert world.log.published == events
    assert world.effects == {f"pack {key}" for key in ORDERS}
