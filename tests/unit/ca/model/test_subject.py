import pytest
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from services.ca.model.subject import (
    COMMON_NAME_LENGTH,
    Authority,
    NaturalPerson,
    Organisation,
    UnusableNameError,
    is_printing,
)

words = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=80)


@given(surname=words, given_name=words)
def test_a_common_name_never_grows_over_its_limit_and_the_surname_stays_whole(surname: str, given_name: str) -> None:
    name = dict(NaturalPerson(iin="830717350867", surname=surname, given_name=given_name).attributes())

    assert 0 < len(name[NameOID.COMMON_NAME]) <= COMMON_NAME_LENGTH
    assert len(name[NameOID.SURNAME]) >= len(name[NameOID.COMMON_NAME].split(" ")[0])


@pytest.mark.parametrize("name", ["", "   ", "АЙ\x00ГҮЛ", "АЙГҮЛ\u202eЛҮГЙА", "\u200b", "АЙГҮЛ\nCN=БАСТЫҚ"], ids=ascii)
def test_a_name_that_is_empty_or_hides_characters_can_not_be_certified(name: str) -> None:
    with pytest.raises(UnusableNameError):
        NaturalPerson(iin="830717350867", surname=name)


def test_one_name_has_one_spelling_however_its_letters_are_composed() -> None:
    composed = NaturalPerson(iin="830717350867", surname="МАЙ", given_name="ӘЛИ")
    decomposed = NaturalPerson(iin="830717350867", surname="МАИ\u0306", given_name="  ӘЛИ ")

    assert composed.attributes() == decomposed.attributes()


@pytest.mark.parametrize("iin", ["", "83071735086", "8307173508670", "83071735086x", "٨٣٠٧١٧٣٥٠٨٦٧"])
def test_a_person_is_named_by_twelve_ascii_digits(iin: str) -> None:
    with pytest.raises(ValueError, match="twelve digits"):
        NaturalPerson(iin=iin, surname="МАЙ")


def test_a_person_with_a_single_name_can_be_certified() -> None:
    name = dict(NaturalPerson(iin="830717350867", surname="САКЕН").attributes())

    assert name[NameOID.COMMON_NAME] == "САКЕН"
    assert NameOID.GIVEN_NAME not in name


def test_an_organisation_is_named_with_its_business_number() -> None:
    name = dict(Organisation(name="Комитет", bin="000740000728", common_name="Мөр").attributes())

    assert name[NameOID.ORGANIZATIONAL_UNIT_NAME] == "BIN000740000728"


def test_an_authority_has_a_name_that_every_library_can_read() -> None:
    with pytest.raises(UnusableNameError, match="64 octets"):
        Authority(organisation="Орталық", common_name="Ұлттық куәландырушы орталық, түбір R1")


def test_letters_of_every_script_print() -> None:
    assert all(map(is_printing, ("Әлихан", "ءالىحان", "Äli O’Neil", "中")))
