"""A specimen identity card, front and back, and a photograph of each as a hand-held camera takes it.

The layout is invented. What matters is what a reader looks for: a card of the ID-1 format (ISO/IEC 7810), a
portrait on the left of the front, and on the back a TD1 machine-readable zone in OCR-B (ICAO Doc 9303 part 5)
with the IIN in the optional data of its first line.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from services.biometrics.decode import Picture
from services.biometrics.mrz import check_digit

# ID-1 is 85.60 by 53.98 mm; here at 12 pixels a millimetre.
_WIDTH, _HEIGHT = 1027, 648
_OCR_B = Path("/usr/share/fonts/opentype/ocr-b/OCRB.otf")
_PAPER, _LINES, _INK = (226, 236, 240), (208, 224, 234), (24, 26, 34)
_PORTRAIT = (300, 380)


@dataclass(frozen=True, slots=True)
class Holder:
    """What a card says of its holder. Names are in Latin capitals, as machine-readable zones want them."""

    iin: str
    document_number: str
    surname: str
    given_names: str
    birth_date: date
    expiry_date: date
    sex: str = "M"


def zone(holder: Holder) -> tuple[str, str, str]:
    """Return the three lines of the TD1 zone."""
    number = holder.document_number.ljust(9, "<")
    first = f"IDKAZ{number}{check_digit(number)}{holder.iin}".ljust(30, "<")
    birth, expiry = f"{holder.birth_date:%y%m%d}", f"{holder.expiry_date:%y%m%d}"
    birth, expiry = birth + check_digit(birth), expiry + check_digit(expiry)
    second = f"{birth}{holder.sex}{expiry}KAZ".ljust(29, "<")
    second += check_digit(first[5:30] + birth + expiry + second[18:29])
    third = f"{holder.surname}<<{holder.given_names}".replace(" ", "<").ljust(30, "<")[:30]
    return first, second, third


def front(holder: Holder, portrait: Picture) -> Picture:
    """Draw the front: portrait on the left, text on the right."""
    card, draw = _blank()
    face = Image.fromarray(portrait).convert("L").resize(_PORTRAIT).convert("RGB")
    card.paste(Image.blend(face, Image.new("RGB", face.size, _PAPER), 0.15), (50, 170))
    text = ["SPECIMEN", holder.surname, holder.given_names, f"{holder.birth_date:%d.%m.%Y}", holder.iin]
    draw.text((50, 50), "IDENTITY CARD", font=_font(44), fill=_INK)
    for row, line in enumerate(text):
        draw.text((400, 180 + 80 * row), line, font=_font(38), fill=_INK)
    return np.asarray(card, np.uint8)


def back(holder: Holder) -> Picture:
    """Draw the back: a few words, and the machine-readable zone below."""
    card, draw = _blank()
    draw.text((50, 60), "PLACE OF BIRTH: SPECIMEN", font=_font(30), fill=_INK)
    draw.text((50, 130), f"DATE OF EXPIRY: {holder.expiry_date:%d.%m.%Y}", font=_font(30), fill=_INK)
    # Doc 9303 wants 10 characters an inch: 2.54 mm each.
    for row, line in enumerate(zone(holder)):
        for column, character in enumerate(line):
            draw.text((56 + 30.48 * column, 440 + 62 * row), character, font=_font(46), fill=_INK)
    return np.asarray(card, np.uint8)


def photographed(card: Picture, seed: int, *, tilt: float = 50, noise: float = 4) -> Picture:
    """Return a photograph of the card: on a table, tilted by up to `tilt` pixels a corner, unevenly lit."""
    chance = np.random.default_rng(seed)
    width, height, side = 1600, 1200, 1240
    table = cv2.resize(chance.integers(60, 110, (30, 40, 3), np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)
    half = np.array([side, side * card.shape[0] / card.shape[1]]) / 2
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half + chance.uniform(-tilt, tilt, (4, 2))
    angle = np.radians(chance.uniform(-6, 6))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    places = (corners @ turn + [width / 2, height / 2]).astype(np.float32)
    across, down = card.shape[1], card.shape[0]
    flat = np.array([[0, 0], [across, 0], [across, down], [0, down]], np.float32)
    view = cv2.getPerspectiveTransform(flat, places)
    seen = cv2.warpPerspective(card, view, (width, height), flags=cv2.INTER_AREA)
    covered = cv2.warpPerspective(np.full(card.shape[:2], 255, np.uint8), view, (width, height))
    scene = np.where(covered[..., None] > 127, seen, table).astype(np.float32)  # noqa: PLR2004 - half covered
    scene *= np.linspace(0.7, 1.1, width, dtype=np.float32)[None, :, None]
    grain = chance.standard_normal(scene.shape, np.float32) * np.float32(noise)
    scene = cv2.GaussianBlur(scene, (0, 0), 0.8) + grain
    return np.clip(scene, 0, 255).astype(np.uint8)


def _blank() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    card = Image.new("RGB", (_WIDTH, _HEIGHT), _PAPER)
    draw = ImageDraw.Draw(card)
    for y in range(-200, _HEIGHT, 10):
        draw.arc((-300, y, _WIDTH + 300, y + 400), 0, 180, fill=_LINES)
    return card, draw


def _font(size: int) -> ImageFont.FreeTypeFont:
    if not _OCR_B.is_file():
        raise FileNotFoundError(f"{_OCR_B} is missing: install the Debian package fonts-ocr-b.")
    return ImageFont.truetype(str(_OCR_B), size)
