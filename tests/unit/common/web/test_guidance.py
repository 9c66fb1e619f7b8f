"""Texts in three languages: none is missing, none says something else in between."""

import re
from pathlib import Path
from string import Template

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.web.texts import guidance, preferred
from services.biometrics.check.parts import SOURCES
from services.biometrics.liveness.challenge import ACTIONS, KINDS

BIOMETRICS = Path(__file__).parents[4] / "services" / "biometrics"
LATIN_WORDS = {"PDF"}


@pytest.mark.parametrize("key", guidance())
def test_every_text_is_there_in_three_languages_and_fills_in_the_same(key: str) -> None:
    words = guidance()[key]
    three = (words.kk, words.ru, words.en)
    assert all(each.strip() == each and each for each in three)
    assert len({frozenset(Template(each).get_identifiers()) for each in three}) == 1
    assert len({each[-1] == "." for each in three}) == 1
    for cyrillic in (words.kk, words.ru):
        assert set(re.findall(r"[A-Za-z]+", cyrillic)) <= LATIN_WORDS
        assert re.search("[а-яА-Я]", cyrillic)
    assert not re.search("[а-яёА-ЯЁ]", words.en)
    assert not re.search("[әғқңөұүһіӘҒҚҢӨҰҮҺІ]", words.ru)


def test_kazakh_texts_are_not_the_russian_ones() -> None:
    assert [key for key, words in guidance().items() if words.kk == words.ru] == []


def test_whatever_a_face_check_tells_has_words() -> None:
    pattern = (
        r'"((?:selfie|clip|document|picture)\.[a-z_]+|face\.[a-z]+_[a-z_]+|capture\.not_readable|review\.overdue)"'
    )
    used = {key for path in BIOMETRICS.rglob("*.py") for key in re.findall(pattern, path.read_text("utf-8"))}
    used |= {f"challenge.{action}" for action in ACTIONS} | {f"clip.no_{kind}" for kind in KINDS}
    used |= {f"{source}.takes_too_long" for source in SOURCES}
    topics = {"face.review_requested"}
    assert {"selfie.blurred", "document.pdf_locked", "clip.pad_doubt"} <= used, "the search finds what it should"
    assert used - topics <= guidance().keys()
    assert guidance().keys() - used == set(), "nobody tells these"


@pytest.mark.parametrize(
    ("accepted", "tongue"),
    [
        ("", "en"),
        ("*", "en"),
        ("de-DE,de", "en"),
        ("kk", "kk"),
        ("kk-KZ,kk;q=0.9,ru;q=0.8", "kk"),
        ("KK-Cyrl-KZ", "kk"),
        ("ru-KZ, kk;q=0.9", "ru"),
        ("en;q=0.5, ru;q=0.7 , kk;q=0.6", "ru"),
        ("kk;q=0, ru;q=0.1", "ru"),
        ("fr, ru;q=0.001", "ru"),
        ("kk;q=2, ru", "ru"),
        ("ru;level=1,en", "en"),
        ("xx," * 200 + "kk", "en"),
    ],
)
def test_the_language_is_the_one_the_reader_likes_best_of_those_there_are(accepted: str, tongue: str) -> None:
    assert preferred(accepted) == tongue


@given(st.text(max_size=300))
def test_no_header_at_all_breaks_the_choice(accepted: str) -> None:
    assert preferred(accepted) in ("kk", "ru", "en")
