"""Real photographs of two public persons, from the tests of a published package, fetched when first needed.

They are never committed: the package is fetched by name, its hash and each picture's are pinned.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from services.biometrics.models.files import sha256
from services.biometrics.models.packages import Package, PackageError, member, obtain

Who = Literal["a", "b"]

PHOTOGRAPHS: Final = Path("var/photos")
FACE_RECOGNITION: Final = Package(
    "face_recognition",
    "1.3.0",
    "5e5efdd1686aa566af0d3cc1313b131e4b197657a8ffd03669e6d3fad92705ec",
    wheel=False,
)
_FOLDER: Final = "face_recognition-1.3.0/tests/test_images"
_SHA256: Final = {
    "obama.jpg": "0930e3aa8cae5920329c0c8cbc6a2ab70f47b0e67b432875beaa95cbf7e741f6",
    "obama2.jpg": "a7efcc907375274796f39646510704aa86672d59f6d5469d69af3c85590976a6",
    "obama3.jpg": "76ac6bf97c36dc2da0ad16a537d6a5ac1b10f48d49aac29a0cca9a17cdbc3ca3",
    "biden.jpg": "3c17508bb91554c637a2eabddfae790e5bb1caba93130814fc2ac50be9760c4c",
}


@dataclass(frozen=True, slots=True)
class Person:
    """Which photograph serves for what: different ones, where there are several of the person."""

    selfie: str
    card: str
    clip: str


PEOPLE: dict[Who, Person] = {
    "a": Person(selfie="obama.jpg", card="obama3.jpg", clip="obama.jpg"),
    "b": Person(selfie="biden.jpg", card="biden.jpg", clip="biden.jpg"),
}


def photograph(name: str, folder: Path = PHOTOGRAPHS) -> bytes:
    """Return a photograph, fetching the package into `folder` the first time.

    Raises:
        PackageError: the package could not be fetched, or a picture in it is not the pinned one.
    """
    path = folder / name
    if not path.is_file():
        _fetch(folder)
    data = path.read_bytes()
    if sha256(data) != _SHA256[name]:
        raise PackageError(f"{path} has not its pinned SHA-256. Delete it; it will be fetched again.")
    return data


def _fetch(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        archive = obtain(FACE_RECOGNITION, Path(temporary))
        for name in _SHA256:
            (folder / name).write_bytes(member(archive, f"{_FOLDER}/{name}"))
