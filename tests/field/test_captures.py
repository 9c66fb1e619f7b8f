"""Photographs and clips after public bug reports: taken, or refused in words that fit."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from libs.common.core.errors import Refused
from services.biometrics.capture.content import ACCEPTED, require, require_coding
from services.biometrics.check.parts import Part
from services.biometrics.media.decode import UndecodableError, picture
from services.biometrics.media.kinds import HEAD_BYTES
from services.biometrics.media.video import frames

FOLDER = Path(__file__).parent
PHOTOS, CLIPS = FOLDER / "photos", FOLDER / "clips"


def test_a_photo_with_an_odd_exif_tag_is_turned_upright_all_the_same() -> None:
    """Readers pass over what they do not know (CIPA DC-008, 4.6.2)."""
    plain = picture((PHOTOS / "plain-orientation-6.jpg").read_bytes(), 1280)
    odd = picture((PHOTOS / "x-resolution-as-ascii.jpg").read_bytes(), 1280)
    assert np.array_equal(plain, odd)
    lying = cv2.imdecode(
        np.fromfile(PHOTOS / "plain-orientation-6.jpg", np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    )
    assert lying is not None
    upright = cv2.cvtColor(cv2.rotate(lying, cv2.ROTATE_90_CLOCKWISE), cv2.COLOR_BGR2RGB)
    assert plain.shape == upright.shape
    assert cv2.absdiff(plain, upright).mean() < 2, "two decoders differ by rounding alone"


@pytest.mark.parametrize("part", ["selfie", "document-front", "document-back", "document-page"])
def test_a_heic_photo_is_called_so_whatever_its_name(part: Part) -> None:
    heic = (PHOTOS / "heic-renamed.jpg").read_bytes()
    with pytest.raises(Refused) as refused:
        require(heic[:HEAD_BYTES], ACCEPTED[part])
    assert refused.value.key == "picture.heic"
    with pytest.raises(UndecodableError) as undecodable:
        picture(heic, 1280)
    assert undecodable.value.key == "picture.heic"


def test_an_av1_clip_is_refused_for_its_coding_at_once_and_never_called_damaged() -> None:
    av1 = (CLIPS / "av1.webm").read_bytes()
    with pytest.raises(Refused) as refused:
        require_coding(av1)
    assert refused.value.key == "clip.unknown_coding"
    with pytest.raises(UndecodableError) as undecodable:
        list(frames(av1, 6, 640))
    assert undecodable.value.key == "clip.unknown_coding"


def test_the_same_clip_in_vp9_is_taken() -> None:
    vp9 = (CLIPS / "vp9-same-picture.webm").read_bytes()
    require_coding(vp9)
    seen = list(frames(vp9, 6, 640))
    assert len(seen) >= 10
    assert all(frame.picture.shape == (240, 320, 3) for frame in seen)
