"""Clips that are none, clips beyond every limit, and what the pool of workers makes of them."""

import io
import os
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.biometrics.analysis import analyses
from services.biometrics.analysis.workers import Workers
from services.biometrics.media import video
from services.biometrics.media.decode import Picture, UndecodableError
from services.biometrics.media.video import ClipLimits, frames
from tests.bench.measure import cpu_s
from tests.fixtures.media.make import MediaFiles
from tests.fixtures.media.puppet import HEIGHT, RATE, WIDTH, write_frames
from tests.fixtures.media.webm import cluster, head, vp8
from tests.unit.biometrics.conftest import CHALLENGE

AT_MOST_S: Final = 2.0
"""Of the processor: how long it takes on a machine that others keep busy says nothing."""
SOUND: Final = 2


def clip_key(data: bytes, limits: ClipLimits = ClipLimits()) -> str:  # noqa: B008 - frozen
    with pytest.raises(UndecodableError) as caught:
        list(frames(data, 10, 640, limits))
    return caught.value.key


def grey(width: int, height: int, value: int = 90) -> Picture:
    return np.full((height, width, 3), value, np.uint8)


def shown(every: int, number: int, width: int = 64, height: int = 48) -> bytes:
    """A clip that shows one grey picture every so many milliseconds."""
    frame = vp8(grey(width, height))
    return head(width, height) + b"".join(cluster(i * every, frame) for i in range(number))


def growing() -> bytes:
    """The picture becomes four times as large in mid-clip."""
    small, large = vp8(grey(320, 240)), vp8(grey(640, 480))
    return head(320, 240) + b"".join(cluster(83 * i, small if i < 15 else large) for i in range(30))


def claiming(width: int, height: int) -> bytes:
    """From the tenth on, the frames of a small clip claim another size (RFC 6386, section 9.1)."""
    honest = vp8(grey(320, 240))
    claim = honest[:6] + width.to_bytes(2, "little") + height.to_bytes(2, "little") + honest[10:]
    return head(320, 240) + b"".join(cluster(83 * i, honest if i < 10 else claim) for i in range(30))


def with_archive(clip: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("a.html", "<script>")
    return clip + archive.getvalue()


def mp4(pictures: Iterator[Picture], path: Path) -> bytes:
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), RATE, (WIDTH, HEIGHT))
    for picture in pictures:
        writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    writer.release()
    return path.read_bytes()


def overwritten(clip: bytes) -> bytes:
    """From a fifth on, every 500th byte is another."""
    data = bytearray(clip)
    for place in range(len(data) // 5, len(data), 500):
        data[place] ^= 0xFF
    return bytes(data)


HOSTILE: Final[Mapping[str, tuple[Callable[[bytes], bytes], set[str]]]] = {
    "ten minutes": (lambda _: shown(200, 3_000), {"clip.too_long"}),
    "ten minutes of which little was said": (lambda _: shown(60_000, 11), {"clip.too_long"}),
    "no frames": (lambda _: head(640, 480), {"clip.no_picture"}),
    "a thousand frames a second": (lambda _: shown(1, 3_000), {"clip.too_many_frames"}),
    "a thousand frames a second, shortly": (lambda _: shown(1, 1_500 + 1), {"clip.too_many_frames"}),
    "changing size": (lambda _: growing(), {"clip.changing_size"}),
    "claiming 16,383 pixels a side": (lambda _: claiming(16_383, 16_383), {"clip.changing_size"}),
    "claiming four times 1080p from the start": (lambda _: shown(83, 30, 3840, 2160), {"clip.too_many_pixels"}),
    "half a second": (lambda _: shown(83, 6), {"clip.too_short"}),
    "truncated": (lambda clip: clip[: len(clip) // 8], {"clip.too_short"}),
    "truncated in mid-challenge": (lambda clip: clip[: len(clip) // 2], {"clip.no_right", "clip.no_blink"}),
    "truncated in the head": (lambda clip: clip[:150], {"clip.not_a_video"}),
    "overwritten": (overwritten, {"clip.damaged", "clip.face_lost", "clip.interrupted"}),
    "sound alone": (lambda _: head(0, 0, coding=b"A_OPUS", kind=SOUND), {"clip.no_picture"}),
    "a coding nobody records": (
        lambda _: head(64, 48, coding=b"V_MS/VFW/FOURCC") + cluster(0, bytes(99)),
        {"clip.unknown_coding"},
    ),
    "AV1": (
        lambda _: head(64, 48, coding=b"V_AV1") + b"".join(cluster(83 * i, bytes(99)) for i in range(30)),
        {"clip.unknown_coding"},
    ),
    "nobody before the camera": (lambda _: shown(83, 30, 640, 480), {"clip.face_lost"}),
    "nothing": (lambda _: b"", {"clip.not_a_video"}),
    "21 megabytes": (lambda clip: clip + bytes(21_000_000), {"clip.too_large"}),
    "a page before a clip": (lambda clip: b"<html><script>alert(1)</script>" + clip, {"clip.not_a_video"}),
    "a picture before a clip": (lambda clip: b"\xff\xd8\xff\xe0" + clip, {"clip.not_a_video"}),
    "a playlist": (lambda _: b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/a.ts\n", {"clip.not_a_video"}),
    "a playlist that says it is a film": (
        lambda _: b"\0\0\0\x18ftypisom#EXTM3U\nfile:///etc/passwd",
        {"clip.not_a_video"},
    ),
    "a clip before an archive": (with_archive, set()),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool(models: Path) -> AsyncIterator[Workers]:
    workers = Workers(1, analyses.load, models, timeout=AT_MOST_S)
    await workers.start()
    yield workers
    await workers.stop()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("what", HOSTILE)
async def test_each_hostile_clip_has_its_answer_in_time_and_leaves_the_worker_whole(
    what: str, pool: Workers, media: MediaFiles
) -> None:
    make, answers = HOSTILE[what]
    clip = make(media.clip.read_bytes())
    before = await pool.run(os.getpid)
    began = cpu_s(before)
    report = await pool.run(analyses.analyse_clip, clip, CHALLENGE)
    assert cpu_s(before) - began < AT_MOST_S
    assert set(report.guidance) <= answers
    assert bool(report.guidance) == bool(answers)
    assert await pool.run(os.getpid) == before
    assert pool.jobs == 0


@pytest.mark.asyncio(loop_scope="module")
async def test_an_mp4_clip_is_as_good_as_any(pool: Workers, media: MediaFiles, tmp_path: Path) -> None:
    pictures = (frame.picture for frame in frames(media.clip.read_bytes(), 100, 640))
    report = await pool.run(analyses.analyse_clip, mp4(pictures, tmp_path / "clip.mp4"), CHALLENGE)
    assert report.guidance == ()
    assert report.embedding is not None


def test_a_clip_is_sampled_by_its_timestamps(media: MediaFiles) -> None:
    times = [frame.time for frame in frames(media.clip.read_bytes(), 10, 320)]
    steps = np.diff(times)
    assert times[0] == 0
    assert steps.min() > 0.08
    assert steps.max() < 0.2
    assert len(times) == pytest.approx(10 * times[-1], rel=0.1)


def test_what_is_beyond_a_limit_is_refused_before_anything_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = count()
    monkeypatch.setattr(video, "_retrieved", lambda _: next(decoded))
    assert clip_key(shown(1, 3_000)) == "clip.too_many_frames"
    assert next(decoded) == 0


@pytest.mark.parametrize(
    "data", [b"RIFF" + bytes(99), b"\x1a\x45\xdf\xa3" + bytes(5_000), bytes(4) + b"ftypisom" + bytes(500)]
)
def test_what_is_no_clip_is_called_so(data: bytes) -> None:
    assert clip_key(data) == "clip.not_a_video"


@pytest.fixture(scope="module", params=["webm", "mp4"])
def grey_clip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path: Path = tmp_path_factory.mktemp("clip") / f"grey.{request.param}"
    pictures = (grey(WIDTH, HEIGHT, 90 + i) for i in range(30))
    if request.param == "mp4":
        return mp4(pictures, path)
    write_frames(path, pictures)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (ClipLimits(data=1_000), "clip.too_large"),
        (ClipLimits(pixels=320 * 240), "clip.too_many_pixels"),
        (ClipLimits(frames=20), "clip.too_many_frames"),
        (ClipLimits(rate=10), "clip.too_many_frames"),
        (ClipLimits(longest=2.0), "clip.too_long"),
        (ClipLimits(shortest=3.0), "clip.too_short"),
    ],
)
def test_every_limit_of_a_clip_has_its_own_key(grey_clip: bytes, limits: ClipLimits, expected: str) -> None:
    assert clip_key(grey_clip, limits) == expected


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_corrupted_clip_gives_frames_or_a_key_and_nothing_else(grey_clip: bytes, data: st.DataObject) -> None:
    damaged = bytearray(grey_clip[: data.draw(st.integers(200, len(grey_clip)))])
    for _ in range(data.draw(st.integers(1, 12))):
        damaged[data.draw(st.integers(8, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        outcome = f"frames of {max(frame.picture.ndim for frame in frames(bytes(damaged), 10, 160))} dimensions"
    except UndecodableError as error:
        outcome = error.key
    assert outcome == "frames of 3 dimensions" or outcome.startswith("clip.")
