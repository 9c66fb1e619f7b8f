import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from services.biometrics.media.decode import UndecodableError, picture
from services.biometrics.media.kinds import kind_of


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def gradient(mode: str = "RGB", size: tuple[int, int] = (300, 200)) -> Image.Image:
    return Image.linear_gradient("L").resize(size).convert(mode)


def key(data: bytes) -> str:
    with pytest.raises(UndecodableError) as caught:
        picture(data, 1280)
    return caught.value.key


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_three_kinds_are_told_by_content(kind: str) -> None:
    assert picture(encoded(gradient(), kind), 1280).shape == (200, 300, 3)


@pytest.mark.parametrize("data", [b"", b"hello", b"GIF89a" + bytes(99), b"%PDF-1.7", b"<svg/>", b"BM" + bytes(99)])
def test_what_is_no_picture_is_called_so(data: bytes) -> None:
    assert key(data) == "picture.not_an_image"


def test_a_picture_of_more_than_20_megabytes_is_refused_unread() -> None:
    assert key(b"\xff\xd8\xff" + bytes(20_000_000)) == "picture.too_large"


@pytest.mark.parametrize("size", [(8160, 6120), (8192, 6144)])
def test_what_phones_call_50_megapixels_is_taken(size: tuple[int, int]) -> None:
    assert picture(encoded(gradient("L", size), "JPEG"), 1280).shape[:2] == (960, 1280)


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1", b"msf1", b"hevc", b"avif", b"avis"])
def test_what_phones_write_in_place_of_a_jpeg_is_named(brand: bytes) -> None:
    assert key(b"\x00\x00\x00\x18ftyp" + brand + bytes(60)) == "picture.heic"


@pytest.mark.parametrize("others", [(b"mif1", b"heic"), (b"mp42", b"avif"), (b"miaf", b"MiHB")])
def test_a_picture_whose_first_brand_is_another_is_named_too(others: tuple[bytes, ...]) -> None:
    """ISO/IEC 14496-12, 4.3: a file may be taken for whatever its box of brands lists."""
    brands = b"isom\0\0\0\0" + b"".join(others)
    assert key(struct.pack(">I4s", 8 + len(brands), b"ftyp") + brands + bytes(60)) == "picture.heic"


def test_what_stands_behind_the_brands_is_none() -> None:
    assert kind_of(struct.pack(">I4s8s4s", 20, b"ftyp", b"isom", b"avc1") + b"mif1heic" + bytes(60)) == "video/mp4"


def png_claiming(width: int, height: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1_000_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(20_000, 20_000), (12_001, 200), (10_000, 9_500), (2**31 - 1, 2**31 - 1)])
def test_a_decompression_bomb_is_refused_by_the_size_it_claims(size: tuple[int, int]) -> None:
    assert key(png_claiming(*size)) == "picture.too_many_pixels"


def test_a_tiny_picture_is_called_too_small() -> None:
    assert key(encoded(gradient(size=(119, 400)), "PNG")) == "picture.too_small"


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_an_animated_picture_is_refused(kind: str) -> None:
    other = Image.new("RGB", (300, 200), "red")
    assert key(encoded(gradient(), kind, save_all=True, append_images=[other])) == "picture.animated"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_truncated_picture_is_called_damaged(kind: str) -> None:
    data = encoded(Image.effect_noise((300, 200), 90).convert("RGB"), kind)
    assert key(data[: len(data) // 2]) == "picture.damaged"


def test_a_picture_lying_on_its_side_is_put_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    lying = Image.new("RGB", (300, 200), "black")
    lying.paste("white", (0, 0, 100, 200))  # its left is the upright picture's top
    upright = picture(encoded(lying, "JPEG", exif=exif), 1280)
    assert upright.shape == (300, 200, 3)
    assert upright[20].mean() > 250
    assert upright[-20].mean() < 5


@pytest.mark.parametrize("orientation", [1, 6])
def test_of_a_phones_photograph_with_a_map_of_depth_behind_it_the_photograph_is_taken(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    shown = gradient() if orientation == 1 else gradient().transpose(Image.Transpose.ROTATE_90)
    data = encoded(shown, "MPO", save_all=True, append_images=[Image.new("RGB", (150, 100), "red")], exif=exif)
    assert data.startswith(b"\xff\xd8\xff"), "it is a JPEG by its first bytes"
    decoded = picture(data, 1280)
    assert decoded.shape == (200, 300, 3)
    assert decoded[:10].mean() < 30
    assert decoded[-10:].mean() > 225


@pytest.mark.parametrize(("mode", "kind"), [("CMYK", "JPEG"), ("L", "JPEG"), ("RGBA", "PNG"), ("P", "PNG")])
def test_every_colour_mode_comes_out_as_rgb(mode: str, kind: str) -> None:
    decoded = picture(encoded(gradient(mode), kind), 1280)
    assert decoded.shape == (200, 300, 3)
    assert decoded[:10].mean() < 30
    assert decoded[-10:].mean() > 225


def test_sixteen_bits_are_scaled_and_not_cut_off() -> None:
    deep = Image.fromarray(np.linspace(0, 65535, 200 * 300).reshape(200, 300).astype(np.uint16))
    decoded = picture(encoded(deep, "PNG"), 1280)
    assert abs(float(decoded[100].mean()) - 128) < 2


def test_what_is_transparent_is_seen_on_white() -> None:
    hidden = Image.new("RGBA", (300, 200), (0, 0, 0, 0))
    assert picture(encoded(hidden, "PNG"), 1280).min() == 255


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["JPEG", "PNG", "WEBP"]), st.data())
def test_a_corrupted_picture_gives_pixels_or_a_key_and_nothing_else(kind: str, data: st.DataObject) -> None:
    original = bytearray(encoded(gradient(size=(160, 130)), kind))
    for _ in range(data.draw(st.integers(1, 8))):
        original[data.draw(st.integers(12, len(original) - 1))] = data.draw(st.integers(0, 255))
    try:
        outcome = f"picture of {picture(bytes(original), 400).ndim} dimensions"
    except UndecodableError as error:
        outcome = error.key
    assert outcome == "picture of 3 dimensions" or outcome.startswith("picture.")
