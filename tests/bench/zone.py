"""``python -m tests.bench.zone``: how well documents are read, and at what cost, beside Tesseract in the same run.

Synthetic cards and passport pages are photographed tilted, blurred and noised. Both readers get the same lines of the
machine-readable zone; what is printed is read by ours alone. Prints Markdown, to be kept in ``docs/performance.md``.
Needs the Debian packages tesseract-ocr and tesseract-ocr-eng; the service itself does not.
"""

import argparse
import io
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy is imported, as in the service's workers

import cv2
import numpy as np
from PIL import Image

from services.biometrics.document.binarise import Side
from services.biometrics.document.card_detection import find_cards, rectified
from services.biometrics.document.glyphs import Grey
from services.biometrics.document.mrz import ALPHABET, Mrz, MrzError, parse
from services.biometrics.document.mrz_reader import BAND, MrzReader, lines_of
from services.biometrics.document.print_reader import PrintReader
from services.biometrics.media.decode import Picture
from services.biometrics.models.files import single_thread
from tests.fixtures.media import card

HOLDER: Final = card.Holder(
    "900201300123", "012345678", "SPECIMENOV", "ASKAR TESTOVICH", date(1990, 2, 1), date(2034, 5, 6)
)
SOFT: Final = (0.0, 0.7, 1.2, 1.8, 2.4)
_LINE: Final = 36
"""Height of a line at which Tesseract reads OCR-B best, pixels."""


@dataclass
class Tally:
    """What a reader came to."""

    right: int = 0
    wrong: int = 0
    seconds: float = 0.0
    by_softness: dict[float, int] = field(default_factory=lambda: dict.fromkeys(SOFT, 0))


def cpu_seconds() -> float:
    """Give what this process and its children took."""
    kinds = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in kinds)


def by_tesseract(side: Side) -> Mrz | None:
    """Read the zone with one start of Tesseract for all lines."""
    lines = list(lines_of(side.print[round(side.print.shape[0] * BAND) :]))
    texts = _tesseract([_framed(line.ink) for line in lines]) if lines else []
    for count, length in ((3, 30), (2, 44)):
        try:
            return parse([_fitted(text, length) for text in texts[-count:]])
        except MrzError:
            continue
    return None


def _framed(ink: Grey) -> Grey:
    scale = _LINE / ink.shape[0]
    line = cv2.resize(ink, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.copyMakeBorder(line, 16, 16, 16, 16, cv2.BORDER_CONSTANT, value=(255,)), np.uint8)


def _tesseract(lines: Sequence[Grey]) -> list[str]:
    first, *others = (Image.fromarray(line) for line in lines)
    stream = io.BytesIO()
    first.save(stream, "TIFF", save_all=True, append_images=others)
    # fmt: off
    command = [
        "tesseract", "stdin", "stdout", "-l", "eng", "--oem", "1", "--psm", "7", "--dpi", "300",
        "-c", f"tessedit_char_whitelist={ALPHABET}", "-c", "page_separator=\f",
        "-c", "load_system_dawg=0", "-c", "load_freq_dawg=0",
    ]
    # fmt: on
    done = subprocess.run(
        command, input=stream.getvalue(), capture_output=True, check=True, env={**os.environ, "OMP_THREAD_LIMIT": "1"}
    )
    return ["".join(page.split()) for page in done.stdout.decode().split("\f")]


def _fitted(text: str, length: int) -> str:
    """Give a line its length by its longest run of filler: what is most often read too short or too long."""
    longest = max(re.findall("<+", text), key=len, default="")
    return text.replace(longest, "<" * max(len(longest) + length - len(text), 0), 1) if longest else text


def photographed(number: int) -> tuple[float, Picture, Picture | None]:
    """Give the softness of picture `number`, the side with the zone, and the front where that is another."""
    softness = SOFT[number % len(SOFT)]
    face = np.full((380, 300, 3), 150, np.uint8)
    sides = (
        [card.page(replace(HOLDER, document_number="N12345678"), face)]
        if number % 3 == 0
        else [card.back(HOLDER), card.front(HOLDER, face)]
    )
    seen = [card.photographed(side, 10 * number + n, tilt=60, noise=5) for n, side in enumerate(sides)]
    soft = [np.asarray(cv2.GaussianBlur(each, (0, 0), softness) if softness else each, np.uint8) for each in seen]
    return softness, soft[0], soft[1] if len(soft) > 1 else None


def _count(tally: Tally, softness: float, read: Callable[[Side], str | None], side: Side) -> None:
    before = cpu_seconds()
    found = read(side)
    tally.seconds += cpu_seconds() - before
    tally.right += found == HOLDER.iin
    tally.wrong += found not in {None, HOLDER.iin}
    tally.by_softness[softness] += found == HOLDER.iin


def say(line: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{line}\n")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.zone", description=__doc__)
    parser.add_argument("--documents", type=int, default=120)
    count: int = parser.parse_args().documents
    single_thread()
    zones, prints = MrzReader(), PrintReader()

    def zone(side: Side) -> str | None:
        found = zones.read([side])
        return found[0].iin if found else None

    def zone_by_tesseract(side: Side) -> str | None:
        found = by_tesseract(side)
        return found.iin if found else None

    def beside_portrait(side: Side) -> str | None:
        return next(iter(prints.read(side.print, has_zone=False).iins), None)

    def beside_portrait_on_page(side: Side) -> str | None:
        return next(iter(prints.read(side.print, has_zone=True).iins), None)

    ours, theirs, printed = Tally(), Tally(), Tally()
    for number in range(count):
        softness, back, front = photographed(number)
        side = Side.of(rectified(back, find_cards(back)[0]))
        _count(ours, softness, zone, side)
        _count(theirs, softness, zone_by_tesseract, side)
        if front is None:
            _count(printed, softness, beside_portrait_on_page, side)
        else:
            _count(printed, softness, beside_portrait, Side.of(rectified(front, find_cards(front)[0])))
    say(f"{count} documents, a third of them passport pages; right by blur (standard deviation, pixels)\n")
    say("| reader | right | wrong | " + " | ".join(f"{soft:g}" for soft in SOFT) + " | CPU-ms |")
    say("|---" * (len(SOFT) + 4) + "|")
    for name, tally in (("zone, ours", ours), ("zone, Tesseract 5", theirs), ("printed IIN, ours", printed)):
        cells = " | ".join(str(tally.by_softness[soft]) for soft in SOFT)
        say(f"| {name} | {tally.right} | {tally.wrong} | {cells} | {1000 * tally.seconds / count:.0f} |")


if __name__ == "__main__":
    main()
