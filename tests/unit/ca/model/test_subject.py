import unicodedata

import pytest
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from libs.common.pki.oids import FULL_NAME
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
def test_the_whole_name_stands_somewhere_and_the_common_name_has_something_of_both(
    surname: str, given_name: str
) -> None:
    person = NaturalPerson(iin="830717350867", surname=surname, given_name=given_name)
    name = dict(person.attributes())
    common, whole = name[NameOID.COMMON_NAME], f"{tidy(surname)} {tidy(given_name)}"

    assert 0 < len(common) <= COMMON_NAME_LENGTH
    assert name.get(FULL_NAME, common) == whole
    assert (FULL_NAME in name) == (len(whole) > COMMON_NAME_LENGTH)
    assert name[NameOID.SURNAME] == tidy(surname)
    shown = common.split(" ")
    assert tidy(surname).startswith(shown[0])
    assert tidy(given_name).startswith(shown[-1])


def tidy(text: str) -> str:
    return unicodedata.normalize("NFC", text)


LONGEST = NaturalPerson(
    iin="830717350867",
    surname="ӘБДІРАХМАНҚАЖЫМҰҚАНБЕТОВА-НҰРМҰХАМБЕТҚАЛИЕВА-ТОЛҚЫНБЕКОВА-ЖҰМАГҮЛОВА",
    given_name="АЙСҰЛУ ГҮЛБАҚЫТ",
    patronymic="НҰРЛАНҚЫЗЫ",
)


def test_no_surname_pushes_the_given_name_out_of_a_certificate() -> None:
    name = dict(LONGEST.attributes())
    assert len(LONGEST.surname) > COMMON_NAME_LENGTH
    assert name[FULL_NAME] == f"{LONGEST.surname} АЙСҰЛУ ГҮЛБАҚЫТ"
    assert name[NameOID.COMMON_NAME].endswith(" АЙСҰЛУ ГҮЛБАҚЫТ")


def test_a_given_name_longer_than_the_common_name_leaves_the_surname_readable() -> None:
    name = dict(NaturalPerson(iin="830717350867", surname="МАЙ", given_name="АЙ" * 40).attributes())
    assert name[NameOID.COMMON_NAME] == "МАЙ " + "АЙ" * 30
    assert name[FULL_NAME] == "МАЙ " + "АЙ" * 40


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
