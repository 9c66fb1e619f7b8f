"""One parser of pictures under Atheris (libFuzzer): `python -m tests.fuzz.media picture -max_total_time=60`.

A finding is an exception that is not the parser's own way to refuse, or a fault in a library.
"""

import io
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import atheris  # type: ignore[import-untyped]  # it ships no types
from PIL import Image

with atheris.instrument_imports(include=["services.biometrics", "PIL"]):
    from services.biometrics import decode, mrz, pdf_drawing

_ZONE: Final = b"I<UTOD231458907<<<<<<<<<<<<<<<\n7408122F1204159UTO<<<<<<<<<<<6\nERIKSSON<<ANNA<MARIA<<<<<<<<<<"
_LONGEST: Final = 400


@dataclass(frozen=True)
class Parser:
    """A parser, what it refuses with, and what it is known to read."""

    parse: Callable[[bytes], object]
    refuses: type[Exception]
    examples: tuple[bytes, ...]


def _saved(kind: str) -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").resize((160, 130)).convert("RGB").save(out, kind)
    return out.getvalue()


def _zone(data: bytes) -> mrz.Mrz:
    return mrz.parse(data.decode("latin-1").split("\n"))


PARSERS: Final[Mapping[str, Parser]] = {
    "picture": Parser(
        lambda data: decode.picture(data, _LONGEST),
        decode.UndecodableError,
        tuple(_saved(kind) for kind in ("JPEG", "PNG", "WEBP")),
    ),
    "pdf": Parser(lambda data: pdf_drawing.draw(data, _LONGEST), pdf_drawing.RefusedError, (_saved("PDF"),)),
    "mrz": Parser(_zone, mrz.MrzError, (_ZONE,)),
}


def main(arguments: list[str]) -> None:
    """Fuzz until libFuzzer's limits are reached. A finding ends the process with a status of its own."""
    name, *options = arguments
    parser = PARSERS[name]
    corpus = Path(tempfile.mkdtemp(prefix="fuzz-"))
    for number, example in enumerate(parser.examples):
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
