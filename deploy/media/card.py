"""A specimen identity card, a specimen passport page, and a photograph of each as a hand-held camera takes it.

The layout is invented. What matters is what a reader looks for: a card of the ID-1 format or a page of the ID-3
format (ISO/IEC 7810), a portrait on the left, digits printed beside it, and a machine-readable zone in OCR-B with the
IIN in its optional data: TD1 on the card's back (ICAO Doc 9303 part 5), TD3 at the foot of the page (part 4).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from services.biometrics.document.mrz import check_digit
from services.biometrics.media.decode import Picture

# ID-1 is 85.60 by 53.98 mm; here at 12 pixels a millimetre.
_WIDTH, _HEIGHT = 1027, 648
_PAGE: Final = (1500, 1056)
"""ID-3 is 125 by 88 mm."""
_OCR_B: Final = Path("/usr/share/fonts/opentype/ocr-b/OCRB.otf")
_SANS: Final = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")
_PITCH: Final = 30.48
"""Doc 9303 wants 10 characters an inch: 2.54 mm each."""
_PAPER, _LINES, _INK = (226, 236, 240), (208, 224, 234), (24, 26, 34)
_PORTRAIT: Final = (300, 380)


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


def page_zone(holder: Holder) -> tuple[str, str]:
    """Return the two lines of the TD3 zone."""
    names = f"{holder.surname}<<{holder.given_names}".replace(" ", "<")
    number, optional = holder.document_number.ljust(9, "<"), holder.iin.ljust(14, "<")
    birth, expiry = f"{holder.birth_date:%y%m%d}", f"{holder.expiry_date:%y%m%d}"
    number, birth, expiry = (each + check_digit(each) for each in (number, birth, expiry))
    personal = optional + (check_digit(optional) if optional.strip("<") else "<")
    second = f"{number}KAZ{birth}{holder.sex}{expiry}{personal}"
    return f"P<KAZ{names}".ljust(44, "<")[:44], second + check_digit(number + birth + expiry + personal)


def front(holder: Holder, portrait: Picture, font: Path = _SANS) -> Picture:
    """Draw the front: portrait on the left, text on the right, as a rule in another typeface than the zone's."""
    card, draw = _blank((_WIDTH, _HEIGHT))
    _paste(card, portrait, (50, 170))
    draw.text((50, 50), "SPECIMEN ЖЕКЕ КУӘЛІК", font=_font(40, font), fill=_INK)
    text = [holder.surname, holder.given_names, "", f"{holder.birth_date:%d.%m.%Y}", "", holder.iin]
    labels = ["ТЕГІ", "АТЫ", "ТУҒАН КҮНІ", "", "ЖСН", ""]  # noqa: RUF001 - as the country writes them
    for row, (line, label) in enumerate(zip(text, labels, strict=True)):
        draw.text((400, 180 + 70 * row), line or label, font=_font(34 if line else 22, font), fill=_INK)
    return np.asarray(card, np.uint8)


def page(holder: Holder, portrait: Picture, font: Path = _SANS) -> Picture:
    """Draw a passport's page: portrait on the left, text on the right, the zone below."""
    card, draw = _blank(_PAGE)
    _paste(card, portrait, (70, 220))
    draw.text((70, 60), "SPECIMEN PASSPORT", font=_font(44, font), fill=_INK)
    text = [
        holder.document_number,
        holder.surname,
        holder.given_names,
        f"{holder.birth_date:%d.%m.%Y}",
        holder.iin,
        f"{holder.expiry_date:%d.%m.%Y}",
    ]
    for row, line in enumerate(text):
        draw.text((480, 200 + 80 * row), line, font=_font(36, font), fill=_INK)
    _zone(draw, page_zone(holder), 80, 850)
    return np.asarray(card, np.uint8)


def back(holder: Holder) -> Picture:
    """Draw the back: a few words, and the machine-readable zone below."""
    card, draw = _blank((_WIDTH, _HEIGHT))
    draw.text((50, 60), f"№ {holder.document_number}", font=_font(36, _SANS), fill=_INK)
    draw.text((50, 130), "PLACE OF BIRTH: SPECIMEN", font=_font(28, _SANS), fill=_INK)
    draw.text((50, 200), f"DATE OF EXPIRY {holder.expiry_date:%d.%m.%Y}", font=_font(28, _SANS), fill=_INK)
    _zone(draw, zone(holder), 56, 440)
    return np.asarray(card, np.uint8)


def _zone(draw: ImageDraw.ImageDraw, lines: Sequence[str], left: int, top: int) -> None:
    for row, line in enumerate(lines):
        for column, character in enumerate(line):
            draw.text((left + _PITCH * column, top + 62 * row), character, font=_font(46, _OCR_B), fill=_INK)


def _paste(card: Image.Image, portrait: Picture, place: tuple[int, int]) -> None:
    face = Image.fromarray(portrait).convert("L").resize(_PORTRAIT).convert("RGB")
    card.paste(Image.blend(face, Image.new("RGB", face.size, _PAPER), 0.15), place)


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


def _blank(size: tuple[int, int]) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    card = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(card)
    width, height = size
    for y in range(-200, height, 10):
        draw.arc((-300, y, width + 300, y + 400), 0, 180, fill=_LINES)
    return card, draw


def _font(size: int, file: Path) -> ImageFont.FreeTypeFont:
    if not file.is_file():
        raise FileNotFoundError(f"{file} is missing: install the Debian packages fonts-ocr-b and fonts-dejavu-core.")
    return ImageFont.truetype(str(file), size)
