"""What citizens attach: PDF or JPEG by what the file is, not by what it is called."""

import hashlib
import io
from typing import Final, Literal

from PIL import Image

from libs.common.contracts.kandas import DocumentKind
from libs.common.core.errors import Refused
from services.kandas.application.states import Attachment
from services.kandas.refusals import KandasRefusal

MAX_BYTES: Final = 10 * 1024 * 1024
MAX_PIXELS: Final = 60_000_000
_END_WITHIN: Final = 2048
_Media = Literal["application/pdf", "image/jpeg"]


def examine(person: str, kind: DocumentKind, data: bytes) -> Attachment:
    """Describe an uploaded file.

    Raises:
        Refused: it is neither a PDF nor a JPEG, is cut off, or the picture is too large.
    """
    return Attachment(
        person=person, kind=kind, media=_media(data), sha256=hashlib.sha256(data).hexdigest(), size=len(data)
    )


def _media(data: bytes) -> _Media:
    if data.startswith(b"%PDF-"):
        if b"%%EOF" not in data[-_END_WITHIN:]:
            raise _damaged()
        return "application/pdf"
    if data.startswith(b"\xff\xd8\xff"):
        _check_picture(data)
        return "image/jpeg"
    raise Refused(KandasRefusal.ATTACHMENT_WRONG_TYPE)


def _check_picture(data: bytes) -> None:
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise Refused(KandasRefusal.ATTACHMENT_TOO_LARGE)
            # Decodes a thumbnail only, yet reads the whole file: a cut-off one shows.
            picture.draft("RGB", (64, 64))
            picture.load()
    except (OSError, SyntaxError, Image.DecompressionBombError):
        raise _damaged() from None


def _damaged() -> Refused:
    return Refused(KandasRefusal.ATTACHMENT_DAMAGED)
