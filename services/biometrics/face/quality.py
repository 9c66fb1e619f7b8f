"""Is a selfie good enough, and if not, what should the citizen change.

Measures carry the names of ISO/IEC 29794-5 and of its open implementation OFIQ where those name one. Thresholds
are a versioned profile: a report can always be read again beside the profile it was judged by.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.biometrics.face.face import CHIN, OVAL, Face, patch, similarity
from services.biometrics.media.decode import GuidanceKey, Picture
from services.biometrics.models.limits import Limit, Limits, Measures

# The face in a normal place: outer corners of the eyes and chin, in a square of 256 pixels.
_SIDE: Final = 256
_PLACE: Final = np.array([[76.0, 100.0], [180.0, 100.0], [128.0, 236.0]])
_DARK, _BRIGHT = 25, 247


@dataclass(frozen=True, slots=True)
class QualityProfile:
    """Limits of the measures; each default was set on measured pictures.

    FakeAnalyser being open is measured and not judged: an absolute limit would punish narrow eyes.

    Attributes:
        version: Changes whenever a limit or a measure does.
        eye_distance: Least InterEyeDistance, pixels; and what to aim for.
        in_picture: Least FaceInPicture, share of the face's points that lie in the picture.
        head_size: Least and most HeadSize, face height over picture height.
        off_centre: Most HeadOffCentre, fraction of the picture's side.
        luminance: Least and most LuminanceMean, 0 to 1.
        exposure: Most UnderExposurePrevention and OverExposurePrevention, fraction of the face that is too dark or
            too bright (OFIQ's measures before they are turned into scores).
        dynamic_range: Least DynamicRange, bits of entropy.
        uniformity: Least IlluminationUniformity, 0 to 1.
        sharpness: Least Sharpness; and what to aim for.
        angle: Most HeadPose yaw, pitch or roll, degrees either way.
    """

    version: str = "selfie-2"
    eye_distance: tuple[float, float] = (60, 90)
    in_picture: float = 0.97
    head_size: tuple[float, float] = (0.30, 0.65)
    off_centre: float = 0.10
    luminance: tuple[float, float] = (0.20, 0.80)
    exposure: float = 0.35
    dynamic_range: float = 6.0
    uniformity: float = 0.58
    sharpness: tuple[float, float] = (20, 40)
    angle: float = 15

    @property
    def limits(self) -> Limits:
        """The limits by their measures' names, to be kept beside what was measured."""
        turned = Limit(at_least=-self.angle, at_most=self.angle)
        return {
            "InterEyeDistance": Limit(at_least=self.eye_distance[0]),
            "HeadSize": Limit(at_least=self.head_size[0], at_most=self.head_size[1]),
            "HeadOffCentre": Limit(at_most=self.off_centre),
            "FaceInPicture": Limit(at_least=self.in_picture),
            "LuminanceMean": Limit(at_least=self.luminance[0], at_most=self.luminance[1]),
            "UnderExposurePrevention": Limit(at_most=self.exposure),
            "OverExposurePrevention": Limit(at_most=self.exposure),
            "DynamicRange": Limit(at_least=self.dynamic_range),
            "IlluminationUniformity": Limit(at_least=self.uniformity),
            "Sharpness": Limit(at_least=self.sharpness[0]),
            "HeadPoseYaw": turned,
            "HeadPosePitch": turned,
            "HeadPoseRoll": turned,
        }


SELFIE: Final = QualityProfile()


def measure(picture: Picture, face: Face) -> Measures:
    """Return every measure of the one face in `picture`."""
    luminance, left, right = _luminance(picture, face)
    values = luminance[left | right]
    height, width = picture.shape[:2]
    bounds, pose = face.bounds, face.pose
    centre = (bounds[:2] + bounds[2:]) / 2 / [width, height] - 0.5
    laplacian = cv2.Laplacian(luminance, cv2.CV_64F)
    return {
        "SingleFacePresent": 1.0,
        "InterEyeDistance": face.eye_distance,
        "HeadSize": float((bounds[3] - bounds[1]) / height),
        "HeadOffCentre": float(np.abs(centre).max()),
        "FaceInPicture": float(((face.points[:, :2] >= 0) & (face.points[:, :2] < [width, height])).all(axis=1).mean()),
        **_margins(face, width, height),
        "LuminanceMean": float(values.mean() / 255),
        "UnderExposurePrevention": float((values <= _DARK).mean()),
        "OverExposurePrevention": float((values >= _BRIGHT).mean()),
        "DynamicRange": _entropy(values),
        "IlluminationUniformity": _common(luminance[left], luminance[right]),
        "Sharpness": float(laplacian[left | right].var()),
        "HeadPoseYaw": pose.yaw,
        "HeadPosePitch": pose.pitch,
        "HeadPoseRoll": pose.roll,
        "EyesOpen": face.eye_openness,
    }


def judge(measures: Measures, profile: QualityProfile = SELFIE) -> list[GuidanceKey]:
    """Return what to change, the most useful first; nothing when the picture is good enough.

    Sharpness is judged only where the light is right: a dark face looks blurred too.
    """
    found = [*_place(measures, profile), *_light(measures, profile)]
    if measures["Sharpness"] < profile.sharpness[0] and not any(key in _LIGHT for key in found):
        found.append("selfie.blurred")
    angles = (measures[f"HeadPose{name}"] for name in ("Yaw", "Pitch", "Roll"))
    if any(abs(angle) > profile.angle for angle in angles):
        found.append("selfie.look_straight")
    return [GuidanceKey(key) for key in found]


def advise(measures: Measures, profile: QualityProfile = SELFIE) -> list[GuidanceKey]:
    """Return what would be better still in a picture that is good enough: nothing is refused for it."""
    found = []
    if measures["InterEyeDistance"] < profile.eye_distance[1]:
        found.append("selfie.come_closer")
    if measures["Sharpness"] < profile.sharpness[1]:
        found.append("selfie.blurred")
    return [GuidanceKey(key) for key in found]


def _margins(face: Face, width: int, height: int) -> Measures:
    """Return the distances from the middle of the eyes to the picture's edges, in distances of the eyes.

    Names as in ISO/IEC 29794-5; the left is the picture's.
    """
    across, down = face.at(33, 133, 263, 362)
    return {
        "LeftwardCropOfTheFaceImage": float(across / face.eye_distance),
        "RightwardCropOfTheFaceImage": float((width - across) / face.eye_distance),
        "MarginAboveOfTheFaceImage": float(down / face.eye_distance),
        "MarginBelowOfTheFaceImage": float((height - down) / face.eye_distance),
    }


def _place(measures: Measures, profile: QualityProfile) -> Iterator[str]:
    smallest, largest = profile.head_size
    if measures["FaceInPicture"] < profile.in_picture:
        yield "selfie.face_cut_off"
    if measures["InterEyeDistance"] < profile.eye_distance[0] or measures["HeadSize"] < smallest:
        yield "selfie.come_closer"
    elif measures["HeadSize"] > largest:
        yield "selfie.move_back"
    if measures["HeadOffCentre"] > profile.off_centre:
        yield "selfie.centre_face"


_LIGHT: Final = ("selfie.too_dark", "selfie.too_bright", "selfie.low_contrast", "selfie.uneven_light")


def _light(measures: Measures, profile: QualityProfile) -> Iterator[str]:
    darkest, brightest = profile.luminance
    if measures["LuminanceMean"] < darkest or measures["UnderExposurePrevention"] > profile.exposure:
        yield "selfie.too_dark"
    elif measures["LuminanceMean"] > brightest or measures["OverExposurePrevention"] > profile.exposure:
        yield "selfie.too_bright"
    elif measures["DynamicRange"] < profile.dynamic_range:
        yield "selfie.low_contrast"
    if measures["IlluminationUniformity"] < profile.uniformity:
        yield "selfie.uneven_light"


def _luminance(picture: Picture, face: Face) -> tuple[Picture, NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the face's luminance in its normal place, and masks of its left and right half."""
    eyes_chin = face.points[[33, 263, CHIN], :2]
    matrix = similarity(_PLACE, eyes_chin)
    luminance = cv2.cvtColor(patch(picture, matrix, (_SIDE, _SIDE)), cv2.COLOR_RGB2GRAY)
    inverse = similarity(eyes_chin, _PLACE)
    oval = face.points[OVAL, :2] @ inverse[:, :2].T + inverse[:, 2]
    mask = np.zeros((_SIDE, _SIDE), np.uint8)
    cv2.fillConvexPoly(mask, oval.astype(np.int32), 1)
    columns = np.arange(_SIDE) < _SIDE // 2
    return np.asarray(luminance, np.uint8), (mask > 0) & columns, (mask > 0) & ~columns


def _entropy(values: NDArray[np.uint8]) -> float:
    shares = np.bincount(values, minlength=256) / values.size
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum())


def _common(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> float:
    """Return the part that the brightness histograms of the two halves have in common."""
    histograms = [np.histogram(half, 32, (0, 256))[0] / max(half.size, 1) for half in (left, right)]
    return float(np.minimum(*histograms).sum())
