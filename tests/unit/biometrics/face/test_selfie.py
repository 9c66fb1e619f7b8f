from collections.abc import Callable

import cv2
import numpy as np
import pytest

from services.biometrics.analysis.analyses import analyse_selfie, precheck_selfie
from services.biometrics.face.quality import SELFIE, advise, judge
from services.biometrics.media.decode import Picture
from services.biometrics.models.limits import Measures
from tests.fixtures.media.make import MediaFiles
from tests.fixtures.media.photos import Who
from tests.fixtures.media.puppet import Attitude, Puppet
from tests.unit.biometrics.conftest import jpeg

pytestmark = pytest.mark.usefixtures("loaded")

GOOD: Measures = {
    "InterEyeDistance": 100,
    "HeadSize": 0.45,
    "HeadOffCentre": 0.02,
    "FaceInPicture": 1,
    "LuminanceMean": 0.5,
    "UnderExposurePrevention": 0,
    "OverExposurePrevention": 0,
    "DynamicRange": 7,
    "IlluminationUniformity": 0.8,
    "Sharpness": 200,
    "HeadPoseYaw": 0,
    "HeadPosePitch": 0,
    "HeadPoseRoll": 0,
}


def scaled(picture: Picture, factor: float) -> Picture:
    return np.asarray(np.clip(picture * factor, 0, 255), np.uint8)


def shifted(picture: Picture, right: int) -> Picture:
    moved = cv2.warpAffine(
        picture, np.array([[1.0, 0, right], [0, 1, 0]]), picture.shape[1::-1], borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(moved, np.uint8)


def framed(picture: Picture, factor: float) -> Picture:
    """The same scene from further away (below 1) or nearer (above 1)."""
    height, width = picture.shape[:2]
    place = np.array([[factor, 0, width * (1 - factor) / 2], [0, factor, height * (1 - factor) / 2]])
    seen = cv2.warpAffine(picture, place, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(seen, np.uint8)


def turned(picture: Picture, degrees: float) -> Picture:
    height, width = picture.shape[:2]
    place = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    return np.asarray(cv2.warpAffine(picture, place, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8)


def one_sided(picture: Picture) -> Picture:
    light = np.where(np.arange(picture.shape[1]) < picture.shape[1] // 2, 1.5, 0.35)
    return np.asarray(np.clip(picture * light[None, :, None], 0, 255), np.uint8)


def test_a_good_selfie_passes_with_an_embedding_and_every_measure(media: MediaFiles) -> None:
    report = analyse_selfie(media.selfie.read_bytes())
    assert report.ok
    assert report.profile == "selfie-2"
    assert report.limits == SELFIE.limits
    assert set(SELFIE.limits) <= set(report.measures)
    assert all(limit.holds(report.measures[name]) for name, limit in SELFIE.limits.items())
    assert report.embedding is not None
    assert len(report.embedding) == 4 * 128
    assert set(GOOD) < set(report.measures)


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("selfie.too_dark", lambda picture: scaled(picture, 0.2)),
        ("selfie.too_bright", lambda picture: scaled(picture, 3.2)),
        ("selfie.uneven_light", one_sided),
        ("selfie.blurred", lambda picture: np.asarray(cv2.GaussianBlur(picture, (0, 0), 5), np.uint8)),
        ("selfie.come_closer", lambda picture: framed(picture, 0.55)),
        ("selfie.come_closer", lambda picture: framed(picture, 0.2)),
        ("selfie.move_back", lambda picture: framed(picture, 1.9)),
        ("selfie.centre_face", lambda picture: shifted(picture, 140)),
        ("selfie.look_straight", lambda picture: turned(picture, 25)),
        ("selfie.one_person_only", lambda picture: np.hstack([picture, picture])),
    ],
)
def test_the_citizen_is_told_what_to_change(
    scenes: dict[Who, Picture], key: str, change: Callable[[Picture], Picture]
) -> None:
    picture = change(np.asarray(cv2.resize(scenes["a"], None, fx=2, fy=2), np.uint8))
    report = analyse_selfie(jpeg(picture))
    assert key in report.guidance
    assert report.embedding is None


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        ({"InterEyeDistance": 90, "Sharpness": 40}, []),
        ({"InterEyeDistance": 89}, ["selfie.come_closer"]),
        ({"Sharpness": 39}, ["selfie.blurred"]),
    ],
)
def test_what_would_be_better_still_is_advised_and_not_refused(change: Measures, advice: list[str]) -> None:
    measures = {**GOOD, **change}
    assert judge(measures) == []
    assert advise(measures) == advice


def test_a_look_before_the_upload_judges_alike_and_embeds_nothing(
    media: MediaFiles, scenes: dict[Who, Picture]
) -> None:
    for data in (media.selfie.read_bytes(), jpeg(scaled(scenes["a"], 0.2))):
        whole, quick = analyse_selfie(data), precheck_selfie(data)
        assert (quick.guidance, quick.measures, quick.advice) == (whole.guidance, whole.measures, whole.advice)
        assert quick.embedding is None


def test_a_turned_head_is_asked_to_look_straight(puppets: dict[Who, Puppet]) -> None:
    larger = cv2.resize(puppets["a"].render(Attitude(yaw=27)), None, fx=1.6, fy=1.6)
    assert "selfie.look_straight" in analyse_selfie(jpeg(np.asarray(larger, np.uint8))).guidance


@pytest.mark.parametrize("seed", range(3))
def test_a_picture_without_a_face_is_called_so(seed: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 255, (30, 40, 3), np.uint8)
    landscape = np.asarray(cv2.resize(noise, (1280, 960), interpolation=cv2.INTER_CUBIC), np.uint8)
    assert analyse_selfie(jpeg(landscape)).guidance == ("selfie.no_face",)


def test_a_flat_picture_has_no_face() -> None:
    assert analyse_selfie(jpeg(np.full((500, 500, 3), 128, np.uint8))).guidance == ("selfie.no_face",)


def test_what_is_no_picture_gets_an_answer_and_no_exception() -> None:
    assert analyse_selfie(b"MZ not a picture").guidance == ("picture.not_an_image",)


def test_a_dark_face_is_not_called_blurred() -> None:
    assert judge({**GOOD, "LuminanceMean": 0.1, "Sharpness": 1}) == ["selfie.too_dark"]


@pytest.mark.parametrize(
    ("measure", "inside", "outside", "key"),
    [
        ("InterEyeDistance", 60, 59, "selfie.come_closer"),
        ("HeadSize", 0.30, 0.29, "selfie.come_closer"),
        ("HeadSize", 0.65, 0.66, "selfie.move_back"),
        ("FaceInPicture", 0.97, 0.96, "selfie.face_cut_off"),
        ("HeadOffCentre", 0.10, 0.11, "selfie.centre_face"),
        ("LuminanceMean", 0.20, 0.19, "selfie.too_dark"),
        ("LuminanceMean", 0.80, 0.81, "selfie.too_bright"),
        ("DynamicRange", 6.0, 5.9, "selfie.low_contrast"),
        ("IlluminationUniformity", 0.58, 0.57, "selfie.uneven_light"),
        ("Sharpness", 20, 19, "selfie.blurred"),
        ("UnderExposurePrevention", 0.35, 0.36, "selfie.too_dark"),
        ("OverExposurePrevention", 0.35, 0.36, "selfie.too_bright"),
        ("HeadPoseYaw", 15, 15.1, "selfie.look_straight"),
        ("HeadPosePitch", -15, -15.1, "selfie.look_straight"),
        ("HeadPoseRoll", -15, -15.1, "selfie.look_straight"),
    ],
)
def test_every_limit_of_the_profile_is_where_it_says(measure: str, inside: float, outside: float, key: str) -> None:
    assert judge({**GOOD, measure: inside}) == []
    assert judge({**GOOD, measure: outside}) == [key]
    limit = SELFIE.limits[measure]
    assert (limit.holds(inside), limit.holds(outside)) == (True, False), "what is kept on record is what is judged by"
