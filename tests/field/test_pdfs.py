"""PDFs as people have them: octets before the header, passwords, files cut off on the way.

The files of ``pdf`` came with reports; the others are their kin. Two services open PDFs, both in one way.
"""

from pathlib import Path

import pytest

from libs.common.contracts.kandas import DocumentKind
from libs.common.core.errors import Refused
from libs.common.media import pdf
from libs.common.media.pdf import PdfRefusal, PdfRefusedError
from services.biometrics.media import pdf as drawn
from services.biometrics.media.decode import UndecodableError
from services.biometrics.media.kinds import HEAD_BYTES, kind_of
from services.kandas.application.attachments import examine
from tests.fixtures.pdfs import changed_since, locked, make_pdf

FOLDER = Path(__file__).with_name("pdf")
FINE = (FOLDER / "fine.pdf").read_bytes()
SEVERAL = make_pdf(3)

TAKEN = {
    "a byte order mark before the header": (FOLDER / "byte-order-mark.pdf").read_bytes(),
    "headers of a mail before it": b"Content-Type: application/pdf\r\n" * 30 + b"\r\n" + FINE,
    "an empty line before it": b"\r\n" + FINE,
    "a password of the owner alone": (FOLDER / "fine-owner-password-only.pdf").read_bytes(),
    "a password of the owner alone, AES-256": locked(FINE, "", "invented"),
    "no line break at the end": FINE.rstrip(),
    "zeros at the end": FINE + bytes(5000),
    "a change appended": changed_since(FINE),
    "three pages": SEVERAL,
}
REFUSED = {
    "a password": ((FOLDER / "needs-a-password.pdf").read_bytes(), PdfRefusal.LOCKED),
    "a password, AES-256": (locked(FINE, "invented", "invented"), PdfRefusal.LOCKED),
    "fourteen octets": (FINE[:14], PdfRefusal.DAMAGED),
    "nothing but a header": (b"%PDF-1.7\n%%EOF\n", PdfRefusal.DAMAGED),
    "an appended change cut off": (changed_since(FINE)[:-200], PdfRefusal.DAMAGED),
    "no page": (FINE.replace(b"/Count 1", b"/Count 0").replace(b"/Kids", b"/Kidz"), PdfRefusal.DAMAGED),
    **{f"cut off after {n} tenths": (SEVERAL[: len(SEVERAL) * n // 10], PdfRefusal.DAMAGED) for n in range(1, 10)},
}


@pytest.mark.parametrize("data", TAKEN.values(), ids=TAKEN)
def test_what_readers_open_is_taken(data: bytes) -> None:
    """ISO 32000-2, 7.5.2: offsets count from the percent sign of the header; readers look for it in 1024 octets."""
    assert examine("p1", DocumentKind.PHOTO, data).media == "application/pdf"
    assert kind_of(data[:HEAD_BYTES]) == "application/pdf"


@pytest.mark.parametrize(("data", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_nobody_can_open_is_refused_for_what_it_is(data: bytes, reason: PdfRefusal) -> None:
    with pytest.raises(PdfRefusedError) as error:
        pdf.check(data)
    assert error.value.reason == reason
    with pytest.raises(Refused) as refusal:
        examine("p1", DocumentKind.PHOTO, data)
    assert refusal.value.key == f"attachment.{reason}"
    with pytest.raises(UndecodableError) as undecodable:
        drawn.pages(data, 400)
    assert undecodable.value.key == f"document.pdf_{reason}"


def test_pdfs_of_very_many_pages_are_refused_in_words_of_their_own() -> None:
    with pytest.raises(Refused) as refusal:
        examine("p1", DocumentKind.PHOTO, make_pdf(501))
    assert refusal.value.key == "attachment.too_many_pages"


def test_what_begins_too_late_is_no_pdf() -> None:
    with pytest.raises(Refused) as refusal:
        examine("p1", DocumentKind.PHOTO, b" " * 1025 + FINE)
    assert refusal.value.key == "attachment.wrong_type"
