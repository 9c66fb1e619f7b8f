"""The document of one decision: a kandas certificate, a decision to extend, or a reasoned refusal, as PDF.

One A4 page: who decides, what was decided about whom, on which grounds, and how anybody can verify it. The official
form is not published, so the page says of itself how it was issued. The same facts give the same bytes.
"""

import io
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Final

import segno
from fpdf import FPDF
from fpdf.enums import Align, XPos, YPos

from libs.common.contracts.http.kandas import PersonForm
from libs.common.contracts.kandas import Outcome, RefusalGround
from libs.common.texts.languages import WRITTEN, Language
from libs.common.texts.places import country_name, region_name
from services.kandas.texts import TEXTS

_WIDTH: Final = 210.0
_MARGIN: Final = 26.0
_INNER: Final = _WIDTH - 2 * _MARGIN
_LABEL: Final = 74.0
_FOOT: Final = 223.0
_BLUE: Final = (0, 84, 120)
_GOLD: Final = (184, 146, 62)
_INK: Final = (24, 28, 34)
_GREY: Final = (98, 104, 112)
_FONTS: Final = {
    ("serif", ""): "DejaVuSerif.ttf",
    ("serif", "B"): "DejaVuSerif-Bold.ttf",
    ("sans", ""): "DejaVuSans.ttf",
}
"""Of the DejaVu family, only the sans has the Arabic letters of Kazakh."""


@dataclass(frozen=True, slots=True)
class PageFacts:
    """What a document tells.

    Args:
        number: the document's number, which the verification address ends in.
        verify_url: the address that the QR code holds; free of personal data.
        decided_on: the day of the decision in Kazakhstan.
        rules: the id of the rules applied.
    """

    number: str
    verify_url: str
    person: PersonForm
    outcome: Outcome
    reasons: tuple[RefusalGround, ...]
    region: str
    decided_on: date
    valid_until: date | None
    rules: str


def render(facts: PageFacts, fonts: Path) -> bytes:
    """Make the PDF.

    Args:
        fonts: the folder with the DejaVu fonts (Debian: fonts-dejavu-core).

    Raises:
        FileNotFoundError: a font is missing.
    """
    page = _Page(facts, fonts)
    _frame(page)
    _heading(page, facts)
    _statement(page, facts)
    _table(page, facts)
    if facts.reasons:
        _grounds(page, facts.reasons)
    _foot(page, facts)
    return bytes(page.output())


class _Page(FPDF):
    """A page with the fonts loaded, and the few ways in which this document sets text."""

    def __init__(self, facts: PageFacts, fonts: Path) -> None:
        super().__init__(format="A4")
        for (family, style), name in _FONTS.items():
            self.add_font(family, style, fonts / name)
        self.set_text_shaping(True)
        self.set_margins(_MARGIN, _MARGIN)
        self.set_auto_page_break(False)
        self.set_creation_date(datetime.combine(facts.decided_on, time.min, UTC))
        self.set_title(_words(f"page.title.{facts.outcome}"))
        self.set_author(_words("page.body"))
        self.set_lang(Language.KAZAKH)
        self.add_page()

    def say(self, words: str, size: float, *, bold: bool = False, family: str = "serif", **more: object) -> None:
        """Set a paragraph over the width that is left; the next one begins below it at the left margin."""
        color = more.pop("color", _INK)
        self.set_font(family, "B" if bold else "", size)
        self.set_text_color(*color)  # type: ignore[misc]  # one of the colours above
        options = {"w": _INNER, "h": size * 0.47, "align": Align.L, "new_x": XPos.LMARGIN, "new_y": YPos.NEXT}
        self.multi_cell(text=words, **(options | more))  # type: ignore[arg-type]  # fpdf2's keywords, by name


def _words(key: str, language: Language = Language.KAZAKH) -> str:
    return TEXTS.text(key, language)


def _also(key: str) -> str:
    """Return the Russian and the English text on one line."""
    return f"{_words(key, Language.RUSSIAN)} · {_words(key, Language.ENGLISH)}"


def _frame(page: _Page) -> None:
    page.set_draw_color(*_BLUE)
    page.set_line_width(0.9)
    page.rect(11, 11, _WIDTH - 22, 275)
    page.set_draw_color(*_GOLD)
    page.set_line_width(0.25)
    page.rect(13, 13, _WIDTH - 26, 271)


def _heading(page: _Page, facts: PageFacts) -> None:
    title = f"page.title.{facts.outcome}"
    kazakh, russian, english = (_body(facts, language) for language in WRITTEN)
    page.set_y(24)
    page.say(_words("page.state").upper(), 13, bold=True, align=Align.C, color=_BLUE)
    page.say(_words("page.state", Language.KAZAKH_ARABIC), 12, family="sans", align=Align.C, color=_BLUE)
    page.ln(1.5)
    page.say(kazakh, 9.5, align=Align.C)
    page.say(f"{russian} · {english}", 7, family="sans", align=Align.C, color=_GREY)
    page.ln(3)
    _rule(page)
    page.ln(6)
    page.say(_words(title).upper(), 20 if facts.outcome == "granted" else 15, bold=True, align=Align.C)
    page.ln(0.5)
    page.say(_words(title, Language.KAZAKH_ARABIC), 15, family="sans", align=Align.C)
    page.ln(0.5)
    page.say(_also(title), 10, align=Align.C, color=_GREY)
    page.ln(1)
    page.say(f"№ {facts.number}", 8, family="sans", align=Align.C, color=_GREY)


def _body(facts: PageFacts, language: Language) -> str:
    return f"{_words('page.body', language)}: {region_name(TEXTS, facts.region, language)}"


def _rule(page: _Page) -> None:
    page.set_draw_color(*_GOLD)
    page.set_line_width(0.4)
    page.line(_MARGIN, page.get_y(), _WIDTH - _MARGIN, page.get_y())


def _statement(page: _Page, facts: PageFacts) -> None:
    kazakh, russian, english = (_words(f"page.statement.{facts.outcome}", language) for language in WRITTEN)
    page.ln(6)
    page.say(kazakh, 10.5)
    page.ln(0.8)
    page.say(russian, 7.5, family="sans", color=_GREY)
    page.say(english, 7.5, family="sans", color=_GREY)
    page.ln(3)


def _table(page: _Page, facts: PageFacts) -> None:
    person = facts.person
    rows = (
        ("surname", person.surname),
        ("given_name", person.given_name),
        ("patronymic", person.patronymic),
        ("birth_date", _day(person.birth_date)),
        ("iin", person.iin),
        ("citizenship", country_name(TEXTS, person.citizenship, Language.KAZAKH)),
        ("origin_country", country_name(TEXTS, person.origin_country, Language.KAZAKH)),
        ("document_number", person.document_number),
        ("decided_on", _day(facts.decided_on)),
        ("valid_until", facts.valid_until and _day(facts.valid_until)),
        ("rules", facts.rules),
    )
    for key, value in rows:
        if value:
            _row(page, f"page.field.{key}", value)


def _row(page: _Page, label: str, value: str) -> None:
    top = page.get_y()
    page.say(_words(label), 9, w=_LABEL, h=4.0)
    page.say(_also(label), 6.5, family="sans", w=_LABEL, h=2.7, color=_GREY)
    left_end = page.get_y()
    page.set_xy(_MARGIN + _LABEL, top + 0.6)
    page.say(value, 11, bold=True, w=_INNER - _LABEL, h=5.2)
    page.set_y(max(left_end, page.get_y()) + 0.6)
    page.set_draw_color(222, 224, 228)
    page.set_line_width(0.15)
    page.line(_MARGIN, page.get_y(), _WIDTH - _MARGIN, page.get_y())
    page.set_y(page.get_y() + 0.7)


def _grounds(page: _Page, reasons: tuple[RefusalGround, ...]) -> None:
    page.ln(2)
    page.say(_words("page.grounds"), 9.5, bold=True, color=_BLUE)
    for number, reason in enumerate(reasons, start=1):
        page.say(f"{number}. {_words(reason)}", 8.5)
        page.say(_also(reason), 6.5, family="sans", color=_GREY)


def _foot(page: _Page, facts: PageFacts) -> None:
    if page.get_y() > _FOOT:
        page.add_page()
        _frame(page)
    page.set_y(top := _FOOT)
    _rule(page)
    picture = io.BytesIO()
    segno.make(facts.verify_url, error="m", micro=False).save(picture, kind="png", scale=8, border=0)
    page.image(picture, x=_MARGIN, y=top + 4, w=30, alt_text=facts.verify_url)
    page.set_left_margin(_MARGIN + 36)
    page.set_y(top + 3.5)
    column = _INNER - 36
    page.say(_words("page.seal"), 9, bold=True, w=column, color=_BLUE)
    page.say(_also("page.seal"), 6.5, family="sans", w=column, color=_GREY)
    page.ln(1.2)
    page.say(_words("page.basis"), 7, w=column)
    if facts.outcome == "refused":
        page.say(_words("page.appeal"), 7, w=column)
    page.ln(1.2)
    kazakh, russian, english = (_words("page.electronic", language) for language in WRITTEN)
    page.say(kazakh, 6.5, family="sans", w=column, h=2.9)
    page.say(russian, 5.5, family="sans", w=column, h=2.5, color=_GREY)
    page.say(english, 5.5, family="sans", w=column, h=2.5, color=_GREY)
    page.set_left_margin(_MARGIN)
    page.set_y(279)
    page.say(facts.verify_url, 5.5, family="sans", align=Align.C, color=_GREY)


def _day(day: date) -> str:
    return day.strftime("%d.%m.%Y")
