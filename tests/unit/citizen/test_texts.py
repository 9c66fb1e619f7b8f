"""Texts: every key shown has one, and nothing is ever left blank."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from libs.citizen import texts
from libs.citizen.texts import Explanation, Language, catalogue, explain, text
from libs.common.web.texts import guidance

LIBRARY = Path(texts.__file__).parent


def test_details_are_filled_in() -> None:
    assert text("otp.wrong_code", {"tries_left": 2}) == "That is not the code of the last SMS. Tries left: 2."


def test_an_unknown_key_is_shown_as_it_is() -> None:
    assert text("something.new", {"a": 1}) == "something.new"


@pytest.mark.parametrize("language", Language)
def test_a_language_that_lacks_a_text_shows_the_english_one(language: Language) -> None:
    assert text("keys.made", {"kind": "ec-p256"}, language)
    assert explain("iin.unknown", "told", {}, language).happened


def test_a_detail_with_a_dollar_sign_is_not_filled_in_again() -> None:
    assert "$due_on" in text("application.returned", {"reason": "$due_on", "due_on": "never"})


def test_an_unknown_problem_is_told_in_the_services_words() -> None:
    assert explain("something.new", "What the service says.") == Explanation(happened="What the service says.")


def test_a_part_that_speaks_of_a_missing_detail_is_left_out() -> None:
    explanation = explain("otp.frozen", "told", {})
    assert explanation.means == ""
    assert explanation.remedy
    assert "$" not in explanation.happened + explanation.remedy
    assert "10:15" in explain("otp.frozen", "told", {"retry_at": "10:15"}).means


def test_every_problem_is_explained_in_three_parts() -> None:
    for key, explanation in catalogue(Language.ENGLISH).problems.items():
        assert all((explanation.happened, explanation.means, explanation.remedy)), key


def test_every_line_the_ways_tell_has_a_text() -> None:
    reported = set(_keys_reported())
    assert {"keys.made", "captures.sent", "application.begun"} <= reported  # the search finds what it should
    assert reported <= set(catalogue(Language.ENGLISH).lines)


def test_everything_the_services_may_tell_has_a_text() -> None:
    """Guidance, grounds and ends of a journey are shown to citizens by key: none may go without words."""
    pattern = (
        r'"((?:selfie|clip|document|face|picture|refusal)\.[a-z_]+|journey\.(?:face|phone|certificate)_[a-z_]+ed)"'
    )
    services = [path.read_text("utf-8") for name in ("biometrics", "identity", "kandas") for path in _sources(name)]
    reported = {key for source in services for key in re.findall(pattern, source)}
    assert {
        "selfie.blurred",
        "refusal.false_data",
        "journey.face_rejected",
    } <= reported  # the search finds what it should
    english = catalogue(Language.ENGLISH)
    assert reported <= {*english.lines, *english.problems, *guidance()}


def test_what_a_face_check_tells_is_shown_in_the_language_that_was_chosen() -> None:
    shown = [text("selfie.blurred", {}, language) for language in Language]
    words = guidance()["selfie.blurred"]
    assert shown == [words.en, words.ru, words.kk, words.en, words.en]


def _sources(service: str) -> Iterator[Path]:
    root = LIBRARY.parents[1]
    yield root / "libs" / "common" / "contracts" / f"{service}.py"
    yield from (root / "services" / service).rglob("*.py")


def _keys_reported() -> Iterator[str]:
    for module in ("journey/eds.py", "journey/kandas.py"):
        yield from re.findall(
            r'(?:_report\(|ProgressLine\(clock\(\), )"([a-z_.]+)"', (LIBRARY / module).read_text("utf-8")
        )
