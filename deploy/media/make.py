"""All media of one citizen: selfie, both sides of the card, a passport's page, and the clip for a challenge."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import cv2

from deploy.media.card import Holder, back, front, page, photographed
from deploy.media.photos import PEOPLE, PHOTOGRAPHS, Who, photograph
from deploy.media.puppet import portrait, write_clip
from services.biometrics.face.face import FaceFinder
from services.biometrics.liveness.challenge import Action
from services.biometrics.media import decode
from services.biometrics.media.decode import Picture
from services.biometrics.models.files import verify

MODELS: Final = Path("var/models")


@dataclass(frozen=True, slots=True)
class MediaFiles:
    """Where the media of one citizen were written: JPEG pictures and a WebM clip."""

    selfie: Path
    front: Path
    back: Path
    page: Path
    clip: Path


def make_media(
    out: Path,
    *,
    iin: str,
    document_number: str,
    names: tuple[str, str],
    challenge: Sequence[Action],
    birth_date: date = date(1990, 2, 1),
    expiry_date: date = date(2034, 5, 6),
    who: Who = "a",
    models: Path = MODELS,
    photographs: Path = PHOTOGRAPHS,
) -> MediaFiles:
    """Write the media of an invented citizen with the face `who` into `out`.

    Pictures and movements are the same each time, the selfie's and the clip's files never: no camera makes one twice.

    Args:
        out: The folder; made if it is missing.
        iin: Printed on the card, and in the machine-readable zone.
        document_number: Of card and passport; nine characters at most.
        names: Surname and given names in Latin capitals.
        challenge: What the puppet in the clip does, in this order.
        birth_date: Printed on the card.
        expiry_date: Printed on the card.
        who: Which of the two persons in the photographs.
        models: A folder built by `services.biometrics.build_models`.
        photographs: Where the photographs are kept once fetched.

    Raises:
        ModelsError: the models were not built.
        PackageError: the photographs could not be fetched.
    """
    out.mkdir(parents=True, exist_ok=True)
    files = MediaFiles(out / "selfie.jpg", out / "front.jpg", out / "back.jpg", out / "page.jpg", out / "clip.webm")
    finder, person = FaceFinder(verify(models)), PEOPLE[who]
    holder = Holder(iin, document_number, *names, birth_date=birth_date, expiry_date=expiry_date)
    shots = [decode.picture(photograph(name, photographs), 2400) for name in (person.selfie, person.card, person.clip)]
    printed = portrait(shots[1], finder, width=300, height=380, face_height=0.55)
    _write_once(files.selfie, portrait(shots[0], finder, width=960, height=720, face_height=0.45))
    _write(files.front, photographed(front(holder, printed), seed=1))
    _write(files.back, photographed(back(holder), seed=2))
    _write(files.page, photographed(page(holder, printed), seed=3))
    write_clip(files.clip, shots[2], challenge, finder)
    return files


def _write_once(path: Path, picture: Picture) -> None:
    """Write a JPEG with a comment of its own (ITU-T T.81, B.2.4.5), as cameras write the moment into theirs."""
    _write(path, picture)
    jpeg, comment = path.read_bytes(), secrets.token_hex(8).encode()
    path.write_bytes(jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2) + comment + jpeg[2:])


def _write(path: Path, picture: Picture) -> None:
    if not cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)):
        raise OSError(f"{path} cannot be written.")
