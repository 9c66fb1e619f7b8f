"""Two hundred citizens in one moment: everybody is answered at once, and looked at in turn."""

import asyncio
import time
import tracemalloc
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from libs.common.web.http import MB
from services.biometrics.analysis.analyser import StubAnalyser
from services.biometrics.analysis.queue import PATIENCE, READ_EVERY, AnalysisQueue
from services.biometrics.analysis.reports import SelfieReport
from services.biometrics.capture.content import MOST_BYTES
from services.biometrics.capture.uploads import IncomingUpload, Uploads
from services.biometrics.check.states import CheckMatched
from services.biometrics.collections import CHECKS
from tests.unit.biometrics.factories import NOON, clip
from tests.unit.biometrics.harness import Harness, ProblemAnswer, World
from tests.waiting import PATIENCE_S

CITIZENS = 200
PARALLEL = 2
JOURNEYS = [f"7a4b3f0e-5a35-4d0a-9a51-6a5b8f6f{number:04x}" for number in range(CITIZENS)]


class Busy(StubAnalyser):
    """Looks while it may, and counts how many it looks at side by side."""

    def __init__(self) -> None:
        super().__init__("bench")
        self.now = self.most = self.seen = 0
        self.may_analyse = asyncio.Event()
        self.may_analyse.set()

    async def selfie(self, data: bytes) -> SelfieReport:
        self.now += 1
        self.most = max(self.most, self.now)
        await self.may_analyse.wait()
        await asyncio.sleep(0.005)
        self.now -= 1
        self.seen += 1
        return await super().selfie(data)


async def crowd(backlog: int = 500) -> tuple[Harness, Busy]:
    world, analyser = World(), Busy()
    world.analyser = analyser
    harness = Harness(world, parallel=PARALLEL, backlog=backlog)
    for journey in JOURNEYS:
        await harness.opened(journey)
    return harness, analyser


async def test_two_hundred_uploads_at_once_are_all_taken_and_looked_at_in_turn() -> None:
    harness, analyser = await crowd()
    analyser.may_analyse.clear()
    await harness.timers.start()
    try:
        began = time.monotonic()
        async with asyncio.timeout(PATIENCE_S):  # answers do not wait for the look
            await asyncio.gather(*(harness.send(subject=journey) for journey in JOURNEYS))
        answered = time.monotonic() - began
        assert await harness.world.read(CHECKS).count({"kind": "analysing"}) == CITIZENS
        analyser.may_analyse.set()
        async with asyncio.timeout(PATIENCE_S):
            while analyser.seen < CITIZENS:  # noqa: ASYNC110 - the analyser sets no event
                await asyncio.sleep(0.01)
            while await harness.world.read(CHECKS).count({"kind": "analysing"}):  # noqa: ASYNC110 - nor does the end
                await asyncio.sleep(0.01)
    finally:
        await harness.timers.stop()
    for journey in JOURNEYS:
        assert isinstance(await harness.state(journey), CheckMatched)
        assert harness.world.published(journey) == [("face.matched", {"model": "stub", "reviewed": False})]
    assert analyser.most <= PARALLEL
    assert analyser.seen == CITIZENS, "nobody is looked at twice"
    print(f"{4 * CITIZENS} uploads answered in {answered:.2f} s")  # noqa: T201 - the figure of the test


async def test_the_queue_moves_in_the_order_of_coming_and_everybody_sees_their_place() -> None:
    harness, _ = await crowd()
    for number, journey in enumerate(JOURNEYS[:20]):
        harness.world.now = NOON + timedelta(seconds=number)
        await harness.send(subject=journey)

    async def ahead(journey: str) -> int:
        url = f"/v1/journeys/{journey}/capture"
        answer = await harness.http.get(url, headers=harness.world.citizen(journey))
        return int(answer.json()["progress"]["ahead"])

    assert [await ahead(journey) for journey in JOURNEYS[:20]] == list(range(20))
    due = await harness.world.rows.due(int(harness.world.now.timestamp() * 1000), 5)
    assert [key for key, _ in due] == JOURNEYS[:5]
    for key, wake_at in due:
        await harness.timers.run_once(key, wake_at)
    harness.world.now += READ_EVERY
    assert [await ahead(journey) for journey in JOURNEYS[5:20]] == list(range(15))


async def test_a_slow_store_is_asked_for_the_line_the_less_often_the_longer_it_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    harness, _ = await crowd()
    await harness.send(subject=JOURNEYS[0])
    checks, asked = harness.world.read(CHECKS), 0
    read = checks.values

    async def slow(where: Mapping[str, Any], path: str) -> Sequence[Any]:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        harness.world.now += timedelta(milliseconds=200)
        return await read(where, path)

    monkeypatch.setattr(checks, "values", slow)
    line = AnalysisQueue(checks, lambda: harness.world.now)
    assert await asyncio.gather(*(line.length() for _ in range(20))) == [1] * 20
    assert asked == 1, "those who ask together are told together"
    await harness.wake_due()
    harness.world.now += timedelta(milliseconds=200 * (PATIENCE - 1) - 1)
    assert (await line.length(), asked) == (1, 1)
    harness.world.now += timedelta(milliseconds=1)
    assert (await line.length(), asked) == (0, 2)
    harness.world.now -= timedelta(hours=1)
    assert (await line.length(), asked) == (0, 3), "a clock that was set back"


async def test_when_the_backlog_is_full_uploads_are_asked_to_come_back_and_none_is_lost() -> None:
    harness, _ = await crowd(backlog=10)
    taken = 0
    refused: list[tuple[str, int, object]] = []
    for journey in JOURNEYS[:30]:
        harness.world.now += timedelta(seconds=1)
        try:
            await harness.send(subject=journey)
        except ProblemAnswer as error:
            moment = datetime.fromisoformat(error.document["retry_at"])
            refused.append((error.key, error.status, moment))
        else:
            taken += 1
    # The eleventh came eleven seconds after noon.
    back = [NOON + timedelta(seconds=number + 30) for number in range(11, 31)]
    assert (taken, refused) == (10, [("capture.busy", 503, moment) for moment in back])
    await harness.wake_due()
    harness.world.now += timedelta(seconds=1)
    await harness.send(subject=JOURNEYS[10])


class Nowhere:
    """Blobs that keep nothing, so that memory is the upload's alone."""

    def __init__(self) -> None:
        self.sizes_put: list[int] = []

    async def put(self, _name: str, data: bytes, **_: object) -> None:
        self.sizes_put.append(len(data))
        await asyncio.sleep(0)

    async def sizes(self, _prefix: str) -> dict[str, int]:
        return {}


async def test_an_upload_takes_no_more_memory_than_a_few_pieces_however_large_it_is() -> None:
    blobs = Nowhere()
    most = MOST_BYTES["clip"]

    async def drip() -> AsyncIterator[bytes]:
        yield clip(bytes(60))
        for _ in range((most - 64) // 65_536):
            yield bytes(65_536)

    sending = IncomingUpload("clip", "captures/j/clip/u", 0, None, NOON)
    tracemalloc.start()
    try:
        kept = await Uploads(blobs).keep(sending, drip())  # type: ignore[arg-type]  # blobs that keep nothing
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert kept > most - 65_536
    assert max(blobs.sizes_put) <= MB
    assert peak < 5 * MB, f"{peak} bytes"
