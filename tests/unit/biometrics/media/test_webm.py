"""The demo's own clips, judged by the decoder that the service uses (FFmpeg's)."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from services.biometrics.media.decode import Picture
from services.biometrics.media.video import frames
from tests.fixtures.media.puppet import HEIGHT, RATE, WIDTH, write_frames
from tests.fixtures.media.webm import webm


def ramp(brightness: int) -> Picture:
    row = np.linspace(brightness, brightness + 60, 320).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(row[None, :, None], (240, 320, 3)))


def test_frames_come_back_in_their_order_and_at_their_times() -> None:
    shown = [ramp(3 * i) for i in range(60)]
    seen = list(frames(b"".join(webm(shown, 25, 320, 240)), 50, 640))
    assert [frame.time for frame in seen] == pytest.approx([i / 25 for i in range(60)], abs=0.001)
    for frame, picture in zip(seen, shown, strict=True):
        assert cv2.absdiff(frame.picture, picture).max() <= 6


def test_a_clip_is_what_a_browser_records_a_stream_without_duration(tmp_path: Path) -> None:
    path = tmp_path / "clip.webm"
    path.write_bytes(b"".join(webm([ramp(0)] * 3, 25, 320, 240)))
    capture = cv2.VideoCapture(str(path))
    assert int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little") == b"VP80"
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) <= 0
    assert b"webm" in path.read_bytes()[:64]


def test_every_frame_of_a_still_scene_has_its_own_grain(tmp_path: Path) -> None:
    write_frames(tmp_path / "still.webm", [np.full((HEIGHT, WIDTH, 3), 120, np.uint8)] * 24, noise=4)
    seen = [frame.picture for frame in frames((tmp_path / "still.webm").read_bytes(), 2 * RATE, WIDTH)]
    assert len(seen) == 24
    for i, picture in enumerate(seen):
        assert 1 < picture.std() < 5
        assert all(np.any(cv2.absdiff(picture, other) > 1) for other in seen[:i])


def test_a_frame_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="320 by 240, not 640 by 480"):
        list(webm([ramp(0)], 25, 640, 480))
