"""What an application says of a person, as people type it: one name, empty fields, digits of any script."""

from typing import Any

import pytest
from pydantic import ValidationError

from libs.common.contracts.http.kandas import MemberForm

MEMBER: dict[str, Any] = {
    "surname": "Сакен",
    "given_name": "Ерасыл",
    "birth_date": "1986-02-01",
    "citizenship": "CN",
    "origin_country": "CN",
    "document_number": "G12345679",
    "relation": "spouse",
}


def member(**changes: object) -> MemberForm:
    return MemberForm.model_validate(MEMBER | changes)


@pytest.mark.parametrize("none", [None, "", " ", "-"])
def test_somebody_with_one_name_can_apply(none: str | None) -> None:
    """ICAO Doc 9303-3, 4.6: a name without parts is the primary identifier, here the surname."""
    assert member(given_name=none, patronymic=none).full_name == "Сакен"


def test_one_name_counts_wherever_it_was_written() -> None:
    form = member(surname="", given_name="Сакен")
    assert (form.surname, form.given_name) == ("Сакен", None)


def test_nobody_applies_without_a_name() -> None:
    with pytest.raises(ValidationError):
        member(surname="", given_name="")


def test_an_empty_field_of_what_not_everybody_has_means_none() -> None:
    form = member(iin="", patronymic="", previous_end="")
    assert (form.iin, form.patronymic, form.previous_end) == (None, None, None)


@pytest.mark.parametrize("written", ["G۱۲۳۴۵۶۷۹", " G12345679 ", "G１２３４５６７９", "G12345679\N{ZERO WIDTH SPACE}"])
def test_a_document_number_is_one_value_whatever_the_script_of_its_digits(written: str) -> None:
    assert member(document_number=written).document_number == "G12345679"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("\N{FULLWIDTH LATIN CAPITAL LETTER G}12345679", "G12345679"),
        ("AB\N{NO-BREAK SPACE}123\N{EN DASH}456", "AB 123-456"),
        ("АА 1234567", "АА 1234567"),
    ],
)
def test_a_document_number_is_kept_as_papers_print_it(written: str, kept: str) -> None:
    assert member(document_number=written).document_number == kept


@pytest.mark.parametrize("written", ["cn", " CN ", "\N{FULLWIDTH LATIN CAPITAL LETTER C}N", "CN\N{ZERO WIDTH SPACE}"])
def test_a_country_is_one_code_however_it_was_typed(written: str) -> None:
    assert member(citizenship=written).citizenship == "CN"


@pytest.mark.parametrize("number", ["", "G1", "G12345679\nX", "<G12345679>"])
def test_what_is_no_document_number_is_refused(number: str) -> None:
    with pytest.raises(ValidationError):
        member(document_number=number)
