"""The labelled folder that an operator brings.

    faces/<person>/<picture>              at least two pictures of a person make genuine comparisons
    clips/bona-fide/<clip> + .json        live people who did what they were asked
    clips/<kind of attack>/<clip> + .json printed, replay, mask, …: one folder a kind

Beside each clip ``clip.webm`` lies ``clip.json`` with what was asked for: ``{"challenge": ["left", "blink"]}``.
Names of folders and files stay here: no report repeats them, for they may name people.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from services.biometrics.liveness.challenge import Action, actions_of

BONA_FIDE: Final = "bona-fide"
PICTURES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp"})
CLIPS: Final = frozenset({".webm", ".mp4"})


class DatasetError(ValueError):
    """The folder cannot be evaluated; the message says what to change in it."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip, what its person was asked to do, and what it is: ``bona-fide``, or a kind of attack."""

    path: Path
    challenge: tuple[Action, ...]
    kind: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """Pictures by person, in the order of the folders' names, and clips."""

    faces: tuple[tuple[Path, ...], ...]
    clips: tuple[Clip, ...]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    challenge: tuple[Action, ...]


def read(folder: Path) -> Dataset:
    """Find what is in the folder.

    Raises:
        DatasetError: there is nothing to evaluate, a clip lacks its challenge, or a file is there twice.
    """
    people = tuple(_files(person, PICTURES) for person in _folders(folder / "faces"))
    clips = tuple(
        Clip(path, _challenge(path), kind.name) for kind in _folders(folder / "clips") for path in _files(kind, CLIPS)
    )
    if not any(people) and not clips:
        raise DatasetError(
            f"{folder} holds nothing to evaluate: pictures are expected in faces/<person>/, "
            f"clips in clips/{BONA_FIDE}/ and clips/<kind of attack>/."
        )
    _check_copies([*(picture for each in people for picture in each), *(clip.path for clip in clips)])
    return Dataset(tuple(filter(None, people)), clips)


def _check_copies(files: Iterable[Path]) -> None:
    """A picture beside itself is no comparison; under two people, one of its labels is wrong."""
    seen: dict[bytes, Path] = {}
    for file in files:
        with file.open("rb") as opened:
            content = hashlib.file_digest(opened, "sha256").digest()
        if (other := seen.setdefault(content, file)) != file:
            raise DatasetError(f"{other} and {file} are the same file. Keep it where it belongs, and only there.")


def _folders(folder: Path) -> Iterator[Path]:
    return iter(sorted(each for each in folder.iterdir() if each.is_dir())) if folder.is_dir() else iter(())


def _files(folder: Path, suffixes: frozenset[str]) -> tuple[Path, ...]:
    return tuple(sorted(each for each in folder.iterdir() if each.suffix.lower() in suffixes and each.is_file()))


def _challenge(clip: Path) -> tuple[Action, ...]:
    beside = clip.with_suffix(".json")
    try:
        asked = _Asked.model_validate_json(beside.read_bytes())
    except FileNotFoundError:
        raise DatasetError(f'{clip} needs {beside.name} beside it: {{"challenge": ["left", "blink"]}}.') from None
    except ValidationError as error:
        raise DatasetError(f"{beside} does not say what was asked for: {error.errors()[0]['msg']}.") from None
    try:
        return actions_of(asked.challenge)
    except ValueError as error:
        raise DatasetError(f"{beside}: {error}") from None
