"""Kazakh in three scripts. The judges are texts and tables that others published."""

import pytest
from babel.dates import get_day_names, get_month_names
from hypothesis import given
from hypothesis import strategies as st

from libs.common.texts.languages import Language
from libs.common.texts.scripts import in_script

CYRILLIC, ARABIC, LATIN = Language.KAZAKH, Language.KAZAKH_ARABIC, Language.KAZAKH_LATIN


@pytest.mark.parametrize(
    ("cyrillic", "arabic"),
    [
        ("Қазақстан Республикасы", "قازاقستان رەسپۋبليكاسى"),
        ("Қандас куәлігі", "قانداس كۋالىگى"),
        ("түн", "ٴتۇن"),
        ("көл", "كول"),
        ("циркуль", "تسيركۋل"),
        ("жаңа, ұл; кім?", "جاڭا، ۇل؛ كىم؟"),
    ],
)
def test_arabic_script_follows_the_table(cyrillic: str, arabic: str) -> None:
    assert in_script(cyrillic, ARABIC) == arabic


def test_months_and_days_agree_with_those_of_cldr() -> None:
    """CLDR writes the high hamza as U+0621; we write it as U+0674, the letter that Unicode has for Kazakh."""
    for names in (get_month_names, get_day_names):
        cyrillic, published = names("wide", locale="kk"), names("wide", locale="kk_Arab")
        assert {key: in_script(name, ARABIC) for key, name in cyrillic.items()} == {
            key: name.replace("\u0621", "\u0674") for key, name in published.items()
        }


def test_latin_script_agrees_with_the_published_sample_of_the_alphabet_of_2021() -> None:
    cyrillic = (
        "Бұрыңғы өткен заманда, бір данышпан кісі, Бағдат шаһарының бір үлкен қазысының үйіне келіп қоныпты. "
        "Сонда қазы қорқып, — „Бұл маған келген бала керек! Не де болса, бұған жалынып, сый беріп, қалайын!“"
    )
    assert in_script(cyrillic, LATIN) == (
        "Būryñğy ötken zamanda, bır danyşpan kısı, Bağdat şaharynyñ bır ülken qazysynyñ üiıne kelıp qonypty. "
        "Sonda qazy qorqyp, — „Būl mağan kelgen bala kerek! Ne de bolsa, būğan jalynyp, syi berıp, qalaiyn!“"
    )


@pytest.mark.parametrize(
    ("cyrillic", "latin"),
    [
        ("Иіс", "İıs"),
        ("Ілгері", "Ilgerı"),
        ("ЖСН", "JSN"),
        ("ЭЦҚ-мен", "ESQ-men"),
        ("цифрлық", "sifrlyq"),
        ("Я", "İa"),
    ],
)
def test_latin_capitals_and_exceptions(cyrillic: str, latin: str) -> None:
    assert in_script(cyrillic, LATIN) == latin


@pytest.mark.parametrize("language", [ARABIC, LATIN])
@pytest.mark.parametrize(
    "kept",
    [
        "%(tries_left)s",
        "https://қазақстан.қаз/а,б?в",
        "қызмет@мысал.қаз",
        "PDF",
        "Digital ID",
        "1,5",
        "2.10",
        "№ 477-IV",
        "+7 701 234 56 78",
        "«-»",
    ],
)
def test_what_is_no_kazakh_word_is_not_touched(kept: str, language: Language) -> None:
    assert in_script(kept, language) == kept
    assert kept in in_script(f"заң {kept} бойынша", language)


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_other_languages_stay_as_they_are(text: str) -> None:
    assert all(in_script(text, each) == text for each in (CYRILLIC, Language.RUSSIAN, Language.ENGLISH))
