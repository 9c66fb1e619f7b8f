"""Calls that wait at the same moment travel together, and none of them changes what another comes to."""

import asyncio
from collections.abc import Sequence

import pytest

from libs.common.storage.batching import Batching


class Trips:
    """Doubles numbers, one trip after the other, when it is let go."""

    def __init__(self, limit: int = 64) -> None:
        self.sent: list[list[int]] = []
        self.fails: list[Exception] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.double: Batching[int, int] = Batching(self._send, limit)

    async def _send(self, numbers: Sequence[int]) -> Sequence[int]:
        self.sent.append(list(numbers))
        await self.gate.wait()
        await asyncio.sleep(0)
        if self.fails:
            raise self.fails.pop()
        return [2 * number for number in numbers]

    async def begun(self, *numbers: int) -> list[asyncio.Task[int]]:
        """Ask, and come back when all of it waits or is under way."""
        asked = [asyncio.create_task(self.double(number)) for number in numbers]
        for _ in range(3):
            await asyncio.sleep(0)
        return asked


async def test_who_is_alone_goes_at_once() -> None:
    trips = Trips()
    assert [await trips.double(n) for n in (1, 2)] == [2, 4]
    assert trips.sent == [[1], [2]]


async def test_what_comes_while_one_is_under_way_travels_together_and_each_gets_its_own_outcome() -> None:
    trips = Trips()
    trips.gate.clear()
    asked = [*await trips.begun(1), *await trips.begun(2, 3, 4)]
    trips.gate.set()
    assert await asyncio.gather(*asked) == [2, 4, 6, 8]
    assert trips.sent == [[1], [2, 3, 4]]


async def test_no_more_travel_together_than_may() -> None:
    trips = Trips(limit=2)
    trips.gate.clear()
    asked = await trips.begun(1, 2, 3, 4, 5)
    trips.gate.set()
    assert await asyncio.gather(*asked) == [2, 4, 6, 8, 10]
    assert trips.sent == [[1, 2], [3, 4], [5]]


async def test_a_failure_is_told_to_everyone_on_that_trip_and_to_nobody_on_the_next() -> None:
    trips = Trips()
    trips.gate.clear()
    trips.fails = [ValueError("lost")]
    failed = await trips.begun(1, 2)
    fine = await trips.begun(3)
    trips.gate.set()
    outcomes = await asyncio.gather(*failed, *fine, return_exceptions=True)
    assert [type(each) for each in outcomes] == [ValueError, ValueError, int]


async def test_who_gives_up_on_the_way_does_not_take_the_others_along() -> None:
    trips = Trips()
    trips.gate.clear()
    first, second = await trips.begun(1, 2)
    first.cancel()
    trips.gate.set()
    assert await second == 4
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_who_gave_up_before_the_trip_is_not_sent() -> None:
    trips = Trips()
    trips.gate.clear()
    (under_way,) = await trips.begun(1)
    gone, stays = await trips.begun(2, 3)
    gone.cancel()
    await asyncio.sleep(0)
    trips.gate.set()
    assert [await under_way, await stays] == [2, 6]
    assert trips.sent == [[1], [3]]
    assert await trips.double(4) == 8, "and it goes on"


async def test_nobody_waits_for_ever_when_the_trip_itself_is_ended() -> None:
    trips = Trips()
    trips.gate.clear()
    asked = await trips.begun(1, 2)
    sending = trips.double._sending
    assert sending is not None
    sending.cancel()
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(each) for each in outcomes] == [asyncio.CancelledError] * 2
