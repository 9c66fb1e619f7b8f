"""Texts: every key that is shown has words in each language, and nothing is shown as a bare key."""

import ast
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from typer.main import get_command

from libs.citizen import texts
from libs.citizen.api.biometrics import Part
from libs.citizen.cli import app
from libs.citizen.errors import CitizenError, JourneyEnded, ProblemError
from libs.citizen.texts import Explanation, catalogue, choose, explain, hint, line, words
from libs.common.contracts.http.identity import ApplicationStatus
from libs.common.contracts.kandas import RefusalGround
from libs.common.texts.catalogue import shared
from libs.common.texts.languages import Language

LIBRARY = Path(texts.__file__).parents[1]
OWN = frozenset(catalogue()) - frozenset(shared())
ID = re.compile(r"[a-z_]+(\.[a-zA-Z_0-9]+)+")
FAMILIES = {
    "application_status": get_args(ApplicationStatus),
    "inspect": ("holder", "purpose", "good_from", "good_until", "serial", "key", "key_id", "issuer"),
    "kandas.column": ("person", "name", "decision", "reasons"),
    "key": ("rsa", "ec"),
    "preview": ("pdf", "zip", "jpeg", "png", "other"),
    "prompt": tuple(part.member for part in Part),
    "purpose": ("SIGN", "AUTH"),
}
"""Ids whose last part is a value."""


def literals() -> Iterator[str]:
    """Every text literal of the library that has the form of an id."""
    for path in LIBRARY.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and ID.fullmatch(node.value):
                yield node.value


def raised() -> Iterator[str]:
    """The ids of the explanations of all errors that the library raises by themselves."""
    for path in LIBRARY.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(ast.Name(name), [ast.Constant(str(text)), *_]) if ERROR.search(name):
                    yield text


ERROR = re.compile(r"^(CitizenError|KeystoreError|Unreachable|WaitedTooLong|AnswerUnusable)$|Refused$")


def commands() -> Iterator[str]:
    def below(command: object, path: str) -> Iterator[str]:
        yield f"command.{path}"
        for name, child in getattr(command, "commands", {}).items():
            yield from below(child, name if path == "citizen" else f"{path}.{name}")

    yield from below(get_command(app), "citizen")


def test_each_text_of_ours_has_a_use_and_each_use_a_text() -> None:
    families = {f"{family}.{value}" for family, values in FAMILIES.items() for value in values}
    errors = {f"error.{each}.happened" for each in raised() if f"problem.{each}.happened" not in catalogue()}
    used = {*literals(), *commands(), *families, *errors, f"error.{texts.UNKNOWN}.happened"}
    assert {"error.keystore.unreadable.happened", "error.ask.malformed.base64.happened", "command.eds.renew"} <= used
    assert families | errors | set(commands()) <= set(catalogue())
    explained = re.compile(r"error\.(.*)\.(means|remedy)")
    spare = {key for key in OWN - used if not explained.fullmatch(key)}
    assert spare == set()
    for key in OWN:
        if found := explained.fullmatch(key):
            assert f"error.{found[1]}.happened" in OWN or found[1] in catalogue()


def test_all_that_services_may_show_by_key_has_a_text() -> None:
    waits = ("citizen.code", "citizen.face", "clerk.review", "citizen.pin", "citizen.requests", "ca.issuance")
    shown = {*RefusalGround, *(f"waits.{each}" for each in waits)}
    shown |= {f"journey.{each}" for each in ("completed", "failed", "expired", "cancelled")}
    assert shown <= set(catalogue())


def test_days_in_a_timeline_are_written_as_the_language_does() -> None:
    detail: dict[str, object] = {"due_on": "2026-03-06"}
    assert "6 March 2026" in line("application.submitted", detail)
    choose(Language.KAZAKH_LATIN)
    assert "2026 jylğy 6 nauryz" in line("application.submitted", detail)


def test_counts_take_the_form_their_language_asks_for() -> None:
    choose(Language.RUSSIAN)
    forms = [words("staff.files_in", count=count, folder="f") for count in (1, 3, 5)]
    assert forms == ["1 файл лежит в папке f", "3 файла лежат в папке f", "5 файлов лежат в папке f"]


def test_a_key_of_a_newer_service_is_never_shown_bare() -> None:
    assert line("something.new", {"a": 1}) == "Another event (code: something.new)."
    assert hint("something.new") is None


def test_what_a_service_says_is_shown_as_it_is() -> None:
    error = ProblemError("otp.frozen", 429, "Codes are frozen.", "Wait until noon.", {"retry_at": "2026-03-02T12:00Z"})
    assert explain(error) == Explanation("Codes are frozen.", ("Wait until noon.",))


@pytest.mark.parametrize("language", Language)
def test_a_refusal_without_words_is_explained_all_the_same(language: Language) -> None:
    choose(language)
    explanation = explain(ProblemError("http.403", 403))
    assert explanation.happened
    assert explanation.more
    assert "403" not in explanation.happened.replace("403", "", 1)


@pytest.mark.parametrize("language", Language)
def test_the_end_of_a_journey_is_explained_with_what_to_do(language: Language) -> None:
    choose(language)
    explanation = explain(JourneyEnded("journey.face_rejected"))
    assert len(explanation.more) == 2
    assert "journey." not in explanation.text


def test_a_reason_that_is_not_known_here_still_has_words() -> None:
    assert explain(CitizenError("something.new")).happened.startswith("It was not done")


@pytest.mark.parametrize("key", sorted(OWN))
def test_each_text_can_be_filled_in_without_a_warning(key: str) -> None:
    facts = dict.fromkeys(catalogue().placeholders(key), 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert all(catalogue().text(key, language, **facts) for language in Language)
