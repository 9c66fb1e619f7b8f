import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from libs.common.contracts.kandas import DocumentKind
from libs.common.core.errors import Refused
from services.kandas.application.attachments import examine
from tests.fixtures.pdfs import make_pdf

PDF = make_pdf()


def jpeg(size: tuple[int, int] = (400, 300)) -> bytes:
    data = io.BytesIO()
    Image.effect_mandelbrot(size, (-2, -1, 1, 1), 20).save(data, "JPEG")
    return data.getvalue()


def test_a_pdf_and_a_jpeg_are_known_by_their_content() -> None:
    assert examine("p1", DocumentKind.PHOTO, PDF).media == "application/pdf"
    assert examine("p1", DocumentKind.PHOTO, jpeg()).media == "image/jpeg"


@pytest.mark.parametrize(
    ("data", "key"),
    [
        (b"", "attachment.wrong_type"),
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "attachment.wrong_type"),
        (b"MZ" + bytes(64), "attachment.wrong_type"),
        (PDF[:14], "attachment.damaged"),
        (PDF[:-300], "attachment.damaged"),
        (jpeg()[:-400], "attachment.damaged"),
        (b"\xff\xd8\xff\xe0" + bytes(64), "attachment.damaged"),
    ],
)
def test_anything_else_is_refused_with_its_key(data: bytes, key: str) -> None:
    with pytest.raises(Refused) as error:
        examine("p1", DocumentKind.PHOTO, data)
    assert error.value.key == key


def test_a_picture_of_absurd_size_is_refused_before_it_is_unpacked() -> None:
    data = io.BytesIO()
    Image.new("L", (9000, 8000)).save(data, "JPEG")
    with pytest.raises(Refused) as error:
        examine("p1", DocumentKind.PHOTO, data.getvalue())
    assert error.value.key == "attachment.too_large"


@given(st.binary(max_size=300), st.sampled_from([b"", b"%PDF-", b"\xff\xd8\xff"]))
def test_hostile_bytes_are_described_or_refused_and_nothing_else(data: bytes, start: bytes) -> None:
    assert outcome(start + data) in {"application/pdf", "image/jpeg", "attachment.damaged", "attachment.wrong_type"}


def outcome(data: bytes) -> str:
    try:
        return examine("p1", DocumentKind.PHOTO, data).media
    except Refused as refusal:
        return refusal.key
