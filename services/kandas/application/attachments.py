"""What citizens attach: PDF or JPEG by what the file is, not by what it is called."""

import hashlib
import io
from collections.abc import Mapping
from typing import Final, Literal

from PIL import Image

from libs.common.contracts.kandas import DocumentKind
from libs.common.core.errors import Refused, Retryable
from libs.common.media import pdf
from libs.common.media.pdf import PdfRefusal
from services.kandas.application.states import Attachment
from services.kandas.refusals import KandasRefusal

MAX_BYTES: Final = 10 * 1024 * 1024
MAX_PIXELS: Final = 60_000_000
_Media = Literal["application/pdf", "image/jpeg"]
_OF_PDF: Final[Mapping[PdfRefusal, KandasRefusal]] = {
    PdfRefusal.LOCKED: KandasRefusal.ATTACHMENT_LOCKED,
    PdfRefusal.DAMAGED: KandasRefusal.ATTACHMENT_DAMAGED,
    PdfRefusal.TOO_MANY_PAGES: KandasRefusal.ATTACHMENT_TOO_MANY_PAGES,
}


def examine(person: str, kind: DocumentKind, data: bytes) -> Attachment:
    """Describe an uploaded file. Opens it, which may take seconds: call it in a thread.

    Raises:
        Refused: it is neither a PDF nor a JPEG, can't be opened, is cut off, or the picture is too large.
        Retryable: PDFs can't be opened now.
    """
    return Attachment(
        person=person, kind=kind, media=_media(data), sha256=hashlib.sha256(data).hexdigest(), size=len(data)
    )


def _media(data: bytes) -> _Media:
    if data.startswith(b"\xff\xd8\xff"):
        _check_picture(data)
        return "image/jpeg"
    if pdf.is_pdf(data[: pdf.HEAD_BYTES]):
        _check_pdf(data)
        return "application/pdf"
    raise Refused(KandasRefusal.ATTACHMENT_WRONG_TYPE)


def _check_pdf(data: bytes) -> None:
    try:
        pdf.check(data)
    except pdf.PdfRefusedError as error:
        raise Refused(_OF_PDF.get(error.reason, KandasRefusal.ATTACHMENT_TOO_COMPLEX)) from None
    except OSError as error:
        raise Retryable("the program that opens PDFs does not answer") from error


def _check_picture(data: bytes) -> None:
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise Refused(KandasRefusal.ATTACHMENT_TOO_LARGE)
            # Decodes a thumbnail only, yet reads the whole file: a cut-off one shows.
            picture.draft("RGB", (64, 64))
            picture.load()
    except (OSError, SyntaxError, Image.DecompressionBombError):
        raise Refused(KandasRefusal.ATTACHMENT_DAMAGED) from None
