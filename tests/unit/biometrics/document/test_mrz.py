from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.biometrics.document.mrz import ALPHABET, MrzError, check_digit, parse
from tests.fixtures.media.card import Holder, zone

# The specimens of ICAO Doc 9303, part 5 (TD1) and part 4 (TD3).
TD1 = ["I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6", "ERIKSSON<<ANNA<MARIA<<<<<<<<<<"]
TD3 = ["P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"]

digits = st.text("0123456789", min_size=12, max_size=12)
words = st.lists(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=8), min_size=1, max_size=2)
holders = st.builds(
    Holder,
    iin=digits,
    document_number=st.text("0123456789", min_size=9, max_size=9),
    surname=st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=10),
    given_names=words.map(" ".join),
    birth_date=st.dates(date(1936, 1, 1), date(2020, 12, 31)),
    expiry_date=st.dates(date(2021, 1, 1), date(2035, 12, 31)),
    sex=st.sampled_from("MF"),
)


def test_the_card_specimen_of_doc_9303_is_read() -> None:
    mrz = parse(TD1)
    assert (mrz.layout, mrz.document_type, mrz.issuer, mrz.document_number) == ("TD1", "I", "UTO", "D23145890")
    assert (mrz.birth_date, mrz.expiry_date, mrz.sex) == (date(1974, 8, 12), date(2012, 4, 15), "F")
    assert (mrz.surname, mrz.given_names, mrz.iin) == ("ERIKSSON", "ANNA MARIA", None)


def test_the_passport_specimen_of_doc_9303_is_read() -> None:
    mrz = parse(TD3)
    assert (mrz.layout, mrz.document_number, mrz.nationality) == ("TD3", "L898902C3", "UTO")
    assert (mrz.birth_date, mrz.surname, mrz.given_names) == (date(1974, 8, 12), "ERIKSSON", "ANNA MARIA")


@pytest.mark.parametrize(("text", "digit"), [("520727", "3"), ("AB2134<<<", "5"), ("L898902C3", "6"), ("", "0")])
def test_check_digits_are_those_of_doc_9303(text: str, digit: str) -> None:
    assert check_digit(text) == digit


@given(holders)
def test_what_a_card_says_is_what_is_read(holder: Holder) -> None:
    mrz = parse(list(zone(holder)))
    assert (mrz.iin, mrz.document_number, mrz.sex) == (holder.iin, holder.document_number, holder.sex)
    assert (mrz.birth_date, mrz.expiry_date) == (holder.birth_date, holder.expiry_date)
    assert (mrz.surname, mrz.given_names) == (holder.surname, holder.given_names)


@given(holders, st.integers(0, 59), st.sampled_from("0123456789"))
def test_one_digit_read_wrong_is_always_noticed(holder: Holder, place: int, digit: str) -> None:
    lines = list(zone(holder))
    row, column = divmod(place, 30)
    if not lines[row][column].isdigit() or lines[row][column] == digit:
        return
    lines[row] = lines[row][:column] + digit + lines[row][column + 1 :]
    with pytest.raises(MrzError):
        parse(lines)


@given(holders)
def test_letters_that_look_like_digits_are_read_as_digits(holder: Holder) -> None:
    first, second, third = zone(holder)
    taken = str.maketrans("0158", "OISB")
    mrz = parse([first[:5] + first[5:].translate(taken), second[:7].translate(taken) + second[7:], third])
    assert (mrz.iin, mrz.document_number) == (holder.iin, holder.document_number)
    assert mrz.birth_date == holder.birth_date


@given(st.lists(st.text(ALPHABET, min_size=30, max_size=30), min_size=3, max_size=3) | st.lists(st.text()))
def test_any_other_lines_are_refused_and_nothing_else_happens(lines: list[str]) -> None:
    with pytest.raises(MrzError):
        parse(lines)


def test_the_message_names_the_field_and_not_its_value() -> None:
    with pytest.raises(MrzError) as caught:
        parse([TD1[0].replace("D231458907", "D231458901"), *TD1[1:]])
    assert "document number" in str(caught.value)
    assert "D2314" not in str(caught.value)
