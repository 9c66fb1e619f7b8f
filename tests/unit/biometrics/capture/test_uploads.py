"""Uploads that arrive in pieces, break off and go on: over a real connection, and as a store of pieces."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.citizen.api.answers import Upload
from libs.citizen.api.biometrics import Biometrics, Part
from libs.citizen.api.caller import Caller, Patience
from libs.citizen.errors import ProblemError
from libs.common.contracts.http.biometrics import Band
from libs.common.contracts.http.identity import JourneyTicket
from libs.common.web.http import MB, server
from services.biometrics.capture.uploads import MOST_PIECES, PIECE_BYTES
from services.biometrics.check.states import CheckAnalysing
from tests.unit.biometrics.factories import GOOD, JOURNEY, NOON, WITH_CARD, clip, picture
from tests.unit.biometrics.harness import Harness, ProblemAnswer, World, succeeded
from tests.waiting import PATIENCE_S

UPLOAD = "0d9b0c1e-9f6b-4b0a-8d0f-6f2f6a3a7c11"
CLIP = clip(os.urandom(3 * MB))


@dataclass
class Cutting:
    """A way to a server that breaks each connection after so many bytes, the first few times.

    Attributes:
        after: for each connection to be broken, how many bytes it carries before.
        carried: how many bytes each connection has carried to the server.
    """

    port: int
    after: list[int]
    carried: list[int] = field(default_factory=list)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        listener = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        async with listener:
            yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        limit = self.after.pop(0) if self.after else None
        number = len(self.carried)
        self.carried.append(0)
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.port)
        back = asyncio.create_task(_pump(there_reader, writer))
        try:
            while data := await reader.read(65_536):
                self.carried[number] += len(data)
                there_writer.write(data)
                await there_writer.drain()
                if limit is not None and self.carried[number] >= limit:
                    writer.transport.abort()
                    break
        except ConnectionError:
            pass  # the client went, as clients do
        finally:
            there_writer.close()
            await asyncio.gather(back, return_exceptions=True)
            writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()


@dataclass
class Line:
    """A citizen's program at the end of a bad line."""

    harness: Harness
    client: Biometrics
    ticket: JourneyTicket
    cutting: Cutting


@asynccontextmanager
async def bad_line(*after: int) -> AsyncIterator[Line]:
    world = World()
    harness = Harness(world)
    await harness.opened()
    running = server(harness.process.app.http, "127.0.0.1", 0)
    task = asyncio.create_task(running.serve())
    while not running.started:  # noqa: ASYNC110 - the server sets no event
        await asyncio.sleep(0.01)
    port = running.servers[0].sockets[0].getsockname()[1]
    cutting = Cutting(port, list(after))
    token = world.around.keys.tokens.journey(JOURNEY, timedelta(days=7))
    ticket = JourneyTicket(journey_id=JOURNEY, token=token, expires_at=NOON)
    async with cutting.open() as url, httpx.AsyncClient() as http:
        caller = Caller(http, url, Patience(total=PATIENCE_S, first=0.02, longest=0.1))
        yield Line(harness, Biometrics(caller), ticket, cutting)
    running.should_exit = True
    await task


async def kept(harness: Harness) -> bytes:
    return await harness.media((await harness.session()).captures["clip"])


async def test_a_clip_whose_connection_is_cut_in_the_middle_goes_on_where_it_stood() -> None:
    async with bad_line(2 * MB) as line:
        await line.client.upload(line.ticket, Part.CLIP, Upload(CLIP, "video/webm"), "n-1")
        assert await kept(line.harness) == CLIP
        assert len(line.cutting.carried) > 1, "the connection was not cut"
        # What had arrived before the cut did not travel again.
        assert sum(line.cutting.carried) < len(CLIP) + MB


async def test_a_connection_that_is_cut_again_and_again_brings_the_clip_all_the_same() -> None:
    async with bad_line(700_000, 300_000, 5_000, 900_000, 100) as line:
        await line.client.upload(line.ticket, Part.CLIP, Upload(CLIP, "video/webm"), "n-1")
        assert await kept(line.harness) == CLIP


async def test_a_refusal_in_mid_upload_reaches_a_client_that_is_still_sending() -> None:
    async with bad_line() as line:
        with pytest.raises(ProblemError) as refused:
            await line.client.upload(line.ticket, Part.SELFIE, Upload(CLIP, "image/jpeg"), "n-1")
        assert (refused.value.key, refused.value.status) == ("picture.not_an_image", 415)
        assert line.harness.world.media == {}


async def test_nothing_is_left_of_a_single_request_whose_connection_is_lost() -> None:
    async with bad_line(2 * MB) as line:
        headers = {"Authorization": f"Bearer {line.ticket.token}", "X-Capture-Nonce": "n-1"}
        with pytest.raises(httpx.TransportError):
            await line.client.caller.http.put(
                f"{line.client.caller.base_url}/v1/journeys/{JOURNEY}/capture/clip", content=CLIP, headers=headers
            )
        async with asyncio.timeout(PATIENCE_S):
            while line.harness.world.media:  # noqa: ASYNC110 - the server sets no event
                await asyncio.sleep(0.01)
        assert (await line.harness.session()).captures == {}


def address(upload: str = UPLOAD) -> str:
    return f"/v1/journeys/{JOURNEY}/capture/clip/uploads/{upload}"


def nonced(harness: Harness) -> dict[str, str]:
    return {**harness.world.citizen(), "X-Capture-Nonce": "n-1"}


async def send(
    harness: Harness, content: bytes | AsyncIterator[bytes], offset: int, length: int, upload: str = UPLOAD
) -> tuple[int, bool]:
    headers = {**nonced(harness), "Upload-Offset": str(offset), "Upload-Length": str(length)}
    answer = succeeded(await harness.http.patch(address(upload), content=content, headers=headers)).json()
    return answer["offset"], answer["complete"]


async def stands(harness: Harness) -> tuple[int, bool]:
    answer = await harness.http.head(address(), headers=nonced(harness))
    assert answer.status_code == 204
    return int(answer.headers["Upload-Offset"]), answer.headers["Upload-Complete"] == "?1"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(16, 3 * MB), max_size=8))
async def test_however_an_upload_is_cut_up_it_comes_back_as_it_was_sent(cuts: list[int]) -> None:
    harness = Harness(World())
    await harness.opened()
    places = sorted({cut for cut in cuts if cut < len(CLIP)} | {0, len(CLIP)})
    for start, end in pairwise(places):
        assert await stands(harness) == (start, False)
        assert await send(harness, CLIP[start:end], start, len(CLIP)) == (end, end == len(CLIP))
    assert await kept(harness) == CLIP
    assert await stands(harness) == (len(CLIP), True)
    assert max(piece.size for piece in harness.world.media.values()) <= PIECE_BYTES


async def refused(harness: Harness, content: bytes, offset: int, length: int) -> ProblemAnswer:
    with pytest.raises(ProblemAnswer) as error:
        await send(harness, content, offset, length)
    return error.value


async def test_an_upload_goes_on_only_where_it_stands_and_says_where_that_is() -> None:
    harness = Harness(World())
    await harness.opened()
    await send(harness, CLIP[:1000], 0, 3000)
    for offset in (1, 999, 1001, 3000):
        wrong = await refused(harness, CLIP[offset:3000], offset, 3000)
        assert (wrong.key, wrong.document["offset"]) == ("upload.wrong_offset", 1000)
    assert await send(harness, CLIP[1000:3000], 1000, 3000) == (3000, True)


async def test_the_last_request_may_be_repeated_when_its_answer_was_lost() -> None:
    harness = Harness(World())
    await harness.opened()
    await send(harness, CLIP[:1000], 0, 3000)
    for _ in range(2):
        assert await send(harness, CLIP[1000:3000], 1000, 3000) == (3000, True)
    assert await send(harness, b"", 3000, 3000) == (3000, True)


@pytest.mark.parametrize("band", ["review", "no_match"])
async def test_the_last_request_of_the_last_part_may_be_repeated_though_the_look_has_begun(band: Band) -> None:
    harness = Harness(World())
    harness.world.analyser.band = band
    await harness.opened()
    for part in WITH_CARD:
        if part != "clip":
            await harness.receive(part, "n-1", GOOD[part])
    everything = (len(GOOD["clip"]), True)
    assert await send(harness, GOOD["clip"], 0, everything[0]) == everything
    assert isinstance(await harness.state(), CheckAnalysing)
    media = dict(harness.world.media)
    assert await send(harness, GOOD["clip"], 0, everything[0]) == everything
    assert await stands(harness) == everything
    await harness.wake_due()
    if band == "review":
        assert await stands(harness) == everything
        assert harness.world.media == media
    else:  # the try is over, and what was sent for it is not wanted any more
        assert (await refused(harness, GOOD["clip"], 0, everything[0])).key == "capture.stale"


async def test_another_upload_of_a_part_is_refused_while_the_one_that_counts_is_looked_at() -> None:
    harness = Harness(World())
    await harness.opened()
    await harness.send()
    assert (await refused(harness, GOOD["clip"], 0, len(GOOD["clip"]))).key == "capture.closed"


async def test_an_upload_that_begins_anew_is_what_comes_then_and_nothing_of_before() -> None:
    harness = Harness(World())
    await harness.opened()
    await send(harness, CLIP[: 2 * MB], 0, len(CLIP))
    shorter = clip(bytes(MB - 4))
    assert await send(harness, shorter, 0, MB) == (MB, True)
    assert await kept(harness) == shorter


async def test_a_beginning_too_short_to_be_looked_at_is_not_kept() -> None:
    harness = Harness(World())
    await harness.opened()
    assert await send(harness, CLIP[:15], 0, 3000) == (0, False)
    assert harness.world.media == {}
    assert (await refused(harness, CLIP[:3], 0, 3)).key == "clip.not_a_video"
    assert await send(harness, CLIP[:4], 0, 4) == (4, True)


async def test_more_than_was_announced_is_not_taken_and_nothing_of_it_kept() -> None:
    harness = Harness(World())
    await harness.opened()
    assert (await refused(harness, CLIP[:3001], 0, 3000)).key == "clip.too_large"
    assert (await refused(harness, CLIP[:10], 0, 20_000_001)).key == "clip.too_large"
    assert harness.world.media == {}


async def test_an_upload_of_crumbs_is_refused_before_it_fills_the_store() -> None:
    harness = Harness(World())
    await harness.opened()
    await send(harness, CLIP[:20], 0, len(CLIP))
    for number in range(1, MOST_PIECES):
        await send(harness, CLIP[19 + number : 20 + number], 19 + number, len(CLIP))
    assert (await refused(harness, b"x", 19 + MOST_PIECES, len(CLIP))).key == "upload.too_many_pieces"
    assert len(harness.world.media) == MOST_PIECES


async def test_of_uploads_begun_and_left_only_the_last_is_kept_beside_the_capture_that_counts() -> None:
    harness = Harness(World())
    await harness.opened()
    await harness.receive("clip", "n-1", GOOD["clip"])
    (counts,) = harness.world.media
    for number in range(5):
        await send(harness, CLIP[:1000], 0, 3000, upload=f"{UPLOAD[:-1]}{number}")
    assert len(harness.world.media) == 2
    assert counts in harness.world.media
    await send(harness, CLIP[1000:3000], 1000, 3000, upload=f"{UPLOAD[:-1]}4")
    assert counts not in harness.world.media
    assert await kept(harness) == CLIP[:3000]


async def test_an_upload_whose_pieces_another_one_dropped_is_not_taken_for_whole() -> None:
    harness = Harness(World())
    await harness.opened()

    async def interrupted() -> AsyncIterator[bytes]:
        yield CLIP[: 2 * MB]
        await send(harness, CLIP[:1000], 0, 3000, upload=f"{UPLOAD[:-1]}2")
        yield CLIP[2 * MB :]

    with pytest.raises(ProblemAnswer) as error:
        await send(harness, interrupted(), 0, len(CLIP))
    assert (error.value.key, error.value.document["offset"]) == ("upload.wrong_offset", 0)
    assert (await harness.session()).captures == {}


async def test_an_upload_with_a_gap_ends_at_the_gap_and_goes_on_from_there(world: World) -> None:
    harness = Harness(world)
    await harness.opened()
    await send(harness, CLIP[: 2 * MB], 0, len(CLIP))
    first = min(world.media)
    del world.media[first]
    assert await stands(harness) == (0, False)
    assert (await refused(harness, CLIP[2 * MB :], 2 * MB, len(CLIP))).document["offset"] == 0


async def test_uploads_are_asked_to_come_back_while_too_many_wait_and_then_taken(world: World) -> None:
    harness = Harness(world, backlog=3)
    for number in range(3):
        journey = f"{JOURNEY[:-1]}{number + 2}"
        await harness.opened(journey)
        await harness.send(subject=journey)
    await harness.opened()
    world.now += timedelta(seconds=1)
    with pytest.raises(ProblemAnswer) as error:
        await harness.receive("selfie", "n-4", picture(b"x"))
    assert error.value.key == "capture.busy"
    assert datetime.fromisoformat(error.value.document["retry_at"]) == world.now + timedelta(seconds=30)
    await harness.wake_due()
    world.now += timedelta(seconds=1)
    await harness.receive("selfie", "n-4", picture(b"x"))
