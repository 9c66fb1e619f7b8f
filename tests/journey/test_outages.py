"""Broker or store gone in mid-journey: when they are back, every journey goes on by itself.

``OUTAGE_SECONDS`` says how long they are gone; 8 unless told.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from deploy.embedded.process import Server
from libs.common.contracts.http.kandas import KandasApplicationView
from tests.journey.actions import hanging
from tests.journey.harness import OwnSystem, System, log_lines, own_system
from tests.journey.invariants import DECISIONS

OUTAGE_S = float(os.environ.get("OUTAGE_SECONDS", "8"))
AT_ONCE = 2
UNDER_WAY = 6
"""So many facts are told before the outage begins, and the rest after it."""

Outage = Callable[[OwnSystem], Awaitable[None]]


async def test_the_store_is_killed_and_comes_back(broker_kind: str, tmp_path: Path) -> None:
    async with own_system(broker_kind, tmp_path) as own:
        await go_through(own, lambda own: killed(own.store))
        waited = ("consumption.waiting", "timer.waiting", "background.waiting")
        assert [line for event in waited for line in log_lines(own.system, event)], "nobody missed the store"


async def test_the_broker_is_killed_and_comes_back(broker_kind: str, tmp_path: Path) -> None:
    if broker_kind != "kafka":
        pytest.skip("the embedded broker keeps records in memory, a kill loses them: run `make test-kafka`")
    async with own_system(broker_kind, tmp_path) as own:
        await go_through(own, lambda own: killed(own.broker))


async def test_the_broker_answers_nobody_for_a_while(broker_kind: str, tmp_path: Path) -> None:
    async with own_system(broker_kind, tmp_path) as own:
        await go_through(own, lambda own: frozen(own.broker))


async def killed(server: Server) -> None:
    """Kill a server, and start it again after the outage."""
    await server.kill()
    await asyncio.sleep(OUTAGE_S)
    await server.start()


async def frozen(server: Server) -> None:
    """Let a server hang as long as the outage lasts."""
    with hanging(server):
        await asyncio.sleep(OUTAGE_S)


async def go_through(own: OwnSystem, outage: Outage) -> None:
    """Let families set out, bring the outage over them, and see all of them to their decisions."""
    system = own.system
    async with asyncio.TaskGroup() as group:
        ways = [group.create_task(system.whole_way(system.person())) for _ in range(AT_ONCE)]
        while system.observer.seen < UNDER_WAY:  # noqa: ASYNC110 - the observer counts, and tells nobody
            await asyncio.sleep(0.01)
        await outage(own)
        assert not any(way.done() for way in ways), "the outage came too late to mean anything"
    await all_ended(system, [way.result()[1] for way in ways])


async def all_ended(system: System, views: list[KandasApplicationView]) -> None:
    """Everybody has two certificates and one decision a person, as services and records tell."""
    facts = await system.facts()
    await system.check()
    assert facts.unfinished_journeys == set()
    assert facts.unfinished_applications == set()
    for journey in system.tickets:
        assert sorted(each.value["profile"] for each in facts.of(journey, "cert.issued")) == ["AUTH", "SIGN"]
        assert [each.value["outcome"] for each in facts.of(journey, "journey.closed")] == ["completed"]
    for view in views:
        assert [person.outcome for person in view.persons] == ["granted"] * 3
        assert len(facts.of(view.application_id, *DECISIONS)) == 3
