from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.contracts.http.kandas import PersonForm
from libs.common.contracts.kandas import DocumentKind, RefusalGround, Service
from libs.common.core.errors import Refused
from libs.common.core.model import evolve
from services.kandas import settings
from services.kandas.rules.domain import RuleBook, documents_needed, plus_months

BOOK = RuleBook.load(Path(settings.__file__).parent / "data" / "rules.json")
FORM = PersonForm(
    surname="Сейтжан",
    given_name="Ерасыл",
    birth_date=date(1990, 4, 16),
    citizenship="CN",
    origin_country="CN",
    document_number="G12345678",
)


@pytest.mark.parametrize(
    ("day", "service", "rules_id", "term"),
    [
        ("2021-06-01", "grant", "2021", 5),
        ("2022-03-03", "grant", "2022", 4),
        ("2022-03-03", "extension", "2022", 4),
        ("2025-10-25", "grant", "2025-08", 30),
        ("2025-10-26", "grant", "2025-10-26", 3),
        ("2026-11-22", "extension", "2025-10-26", 2),
    ],
)
def test_the_rules_of_a_day_give_its_term(day: str, service: Service, rules_id: str, term: int) -> None:
    found = BOOK.on(date.fromisoformat(day))
    assert (found.id, found.term_days(service)) == (rules_id, term)


def test_a_term_nobody_could_name_is_not_invented() -> None:
    with pytest.raises(Refused) as refusal:
        BOOK.on(date(2018, 5, 1)).term_days("grant")
    assert refusal.value.key == "rules.term_unknown"


def test_before_the_first_rules_there_are_none() -> None:
    with pytest.raises(Refused) as refusal:
        BOOK.on(date(2017, 12, 31))
    assert refusal.value.key == "rules.none_in_force"


def test_two_rules_for_one_day_are_refused() -> None:
    with pytest.raises(ValueError, match="one entry a day"):
        RuleBook([BOOK.on(date(2022, 1, 1))] * 2)


def test_a_grant_lasts_a_year_and_an_extension_half_a_year_from_the_previous_end() -> None:
    now = BOOK.on(date(2026, 3, 2))
    assert now.valid_until("grant", date(2026, 3, 2), None) == date(2027, 3, 2)
    assert now.valid_until("extension", date(2026, 3, 2), date(2026, 1, 31)) == date(2026, 7, 31)


def test_an_extension_asked_for_too_late_or_a_second_time_meets_an_obstacle() -> None:
    now = BOOK.on(date(2026, 3, 2))
    in_time = evolve(FORM, PersonForm, previous_end=date(2025, 9, 2))
    late = evolve(in_time, PersonForm, previous_end=date(2025, 9, 1))
    again = evolve(in_time, PersonForm, extensions_before=1)

    assert now.obstacles(in_time, "extension", date(2026, 3, 2)) == ()
    assert now.obstacles(late, "extension", date(2026, 3, 2)) == (RefusalGround.WINDOW_PASSED,)
    assert now.obstacles(again, "extension", date(2026, 3, 2)) == (RefusalGround.EXTENDED_BEFORE,)
    assert now.obstacles(FORM, "grant", date(2026, 3, 2)) == ()


def test_documents_depend_on_the_service_the_person_and_what_the_papers_show() -> None:
    plain = evolve(FORM, PersonForm, document_in_state_language=True)
    unshown = evolve(plain, PersonForm, nationality_in_document=False)

    assert documents_needed("extension", FORM, applicant=True) == (DocumentKind.PREVIOUS_STATUS,)
    assert documents_needed("grant", plain, applicant=False) == (DocumentKind.IDENTITY_DOCUMENT, DocumentKind.PHOTO)
    assert set(documents_needed("grant", FORM, applicant=True)) == {
        DocumentKind.AUTOBIOGRAPHY,
        DocumentKind.IDENTITY_DOCUMENT,
        DocumentKind.TRANSLATION,
        DocumentKind.PHOTO,
    }
    assert DocumentKind.NATIONALITY_PROOF in documents_needed("grant", unshown, applicant=False)


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [("2024-01-31", 1, "2024-02-29"), ("2025-12-15", 12, "2026-12-15"), ("2025-11-30", 3, "2026-02-28")],
)
def test_months_end_on_the_same_day_or_the_last(start: str, months: int, end: str) -> None:
    assert plus_months(date.fromisoformat(start), months) == date.fromisoformat(end)


@given(st.dates(date(2018, 1, 1), date(2040, 1, 1)))
def test_from_2018_on_every_day_has_rules_that_began_by_then(day: date) -> None:
    assert BOOK.on(day).since <= day
