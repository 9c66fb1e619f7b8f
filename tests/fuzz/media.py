"""One parser of captures under Atheris (libFuzzer): `python -m tests.fuzz.media picture -max_total_time=60`.

A finding is an exception that is not the parser's own way to refuse, or a fault in a library. Compressed pixels change
as a whole or not at all, so the readers of print and zone get pixels as they are, four bits of brightness each.
"""

import io
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import atheris  # type: ignore[import-untyped]  # it ships no types
import cv2
import numpy as np
from PIL import Image

with atheris.instrument_imports(include=["services.biometrics", "PIL"]):
    from libs.common.media import pdf_program
    from services.biometrics.document import mrz
    from services.biometrics.document.binarise import Side
    from services.biometrics.document.card_detection import find_cards, rectified
    from services.biometrics.document.mrz_reader import MrzReader
    from services.biometrics.document.print_reader import PrintReader
    from services.biometrics.media import decode, video
    from tests.fixtures.media.card import Holder, back, page, photographed
    from tests.fixtures.media.webm import webm

_ZONE: Final = b"I<UTOD231458907<<<<<<<<<<<<<<<\n7408122F1204159UTO<<<<<<<<<<<6\nERIKSSON<<ANNA<MARIA<<<<<<<<<<"
_PASSPORT: Final = b"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10"
_LONGEST: Final = 400
_WIDTH, _ENLARGED = 280, 3
"""Of raw pixels, and how much larger they are shown: letters are to be as tall as readers take them."""
_HOLDER: Final = Holder("900201300123", "012345678", "SPECIMENOV", "ASKAR", date(1990, 2, 1), date(2034, 5, 6))


@dataclass(frozen=True)
class Parser:
    """A parser, what it is known to read, and what it refuses with."""

    parse: Callable[[bytes], object]
    examples: Callable[[], Iterable[bytes]]
    refuses: tuple[type[Exception], ...] = ()


def _saved(kind: str) -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").resize((160, 130)).convert("RGB").save(out, kind)
    return out.getvalue()


def _clips() -> Iterator[bytes]:
    pictures = [np.full((48, 64, 3), 40 * n, np.uint8) for n in range(6)]
    yield b"".join(webm(pictures, 3, 64, 48))
    with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
        writer = cv2.VideoWriter(file.name, cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), 3, (64, 48))
        for picture in pictures:
            writer.write(picture)
        writer.release()
        yield Path(file.name).read_bytes()


def _raw(picture: decode.Picture) -> bytes:
    """Give the picture as `_shown` reads it."""
    height = round(picture.shape[0] * _WIDTH / picture.shape[1]) // 2 * 2
    grey = cv2.cvtColor(cv2.resize(picture, (_WIDTH, height), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    pairs = np.asarray(grey, np.uint8).reshape(-1, 2) >> 4
    return bytes(pairs[:, 0] << 4 | pairs[:, 1])


def _shown(data: bytes) -> decode.Picture | None:
    """Show raw pixels: at least as large as pictures are that come to the readers."""
    packed = np.frombuffer(data, np.uint8)
    grey = (np.stack([packed >> 4, packed & 15], axis=1) * 17).astype(np.uint8).ravel()
    rows = grey.size // _WIDTH
    if rows * _ENLARGED < decode.PictureLimits().shortest:
        return None
    lines = cv2.resize(grey[: rows * _WIDTH].reshape(rows, _WIDTH), None, fx=_ENLARGED, fy=_ENLARGED)
    return np.asarray(cv2.cvtColor(lines, cv2.COLOR_GRAY2RGB), np.uint8)


def _read(data: bytes) -> None:
    """Find the document in a picture and read its print and its zone."""
    if (picture := _shown(data)) is None:
        return
    sides = [Side.of(rectified(picture, quad)) for quad in find_cards(picture)]
    for side in (*sides, Side.of(picture)):
        MrzReader().read([side, side.turned()])
        PrintReader().read(side.print, has_zone=True)


def _zone(data: bytes) -> mrz.Mrz:
    return mrz.parse(data.decode("latin-1").split("\n"))


def _pages() -> Iterator[bytes]:
    for side in (back(_HOLDER), page(_HOLDER, np.full((380, 300, 3), 128, np.uint8)), photographed(back(_HOLDER), 2)):
        yield _raw(side)


PARSERS: Final[Mapping[str, Parser]] = {
    "picture": Parser(
        lambda data: decode.picture(data, _LONGEST),
        lambda: [_saved(kind) for kind in ("JPEG", "PNG", "WEBP")],
        (decode.UndecodableError,),
    ),
    "pdf": Parser(lambda data: pdf_program.draw(data, _LONGEST), lambda: [_saved("PDF")], (pdf_program.PdfFault,)),
    "clip": Parser(lambda data: list(video.frames(data, 8, _LONGEST)), _clips, (decode.UndecodableError,)),
    "mrz": Parser(_zone, lambda: [_ZONE, _PASSPORT], (mrz.MrzError,)),
    "reader": Parser(_read, _pages),
}


def main(arguments: list[str]) -> None:
    """Fuzz until libFuzzer's limits are reached. A finding ends the process with a status of its own."""
    name, *options = arguments
    parser = PARSERS[name]
    corpus = Path(tempfile.mkdtemp(prefix="fuzz-"))
    for number, example in enumerate(parser.examples()):
        parser.parse(example)  # one that is refused would lead nowhere
        (corpus / f"example-{number}").write_bytes(example)

    def one_input(data: bytes) -> None:
        try:
            parser.parse(data)
        except parser.refuses:
            return

    limits = ["-max_len=60000", "-rss_limit_mb=2048", "-timeout=20", f"-artifact_prefix={corpus}/"]
    atheris.Setup([sys.argv[0], *limits, *options, str(corpus)], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
