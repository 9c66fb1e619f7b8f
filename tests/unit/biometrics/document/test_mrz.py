from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.biometrics.document.mrz import ALPHABET, Mrz, MrzError, check_digit, parse
from services.biometrics.document.print_reader import Print, contradicts
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


# The zone of ICAO Doc 9303 part 5 with other fields; every check digit is computed anew.
TODAY = date(2026, 12, 1)


def card(birth: str, optional: str = "", expiry: str = "330305", names: str = "ERIKSSON<<ANNA<MARIA") -> Mrz:
    first = f"IDKAZ012345678{check_digit('012345678')}{optional}".ljust(30, "<")
    born, ends = birth + check_digit(birth), expiry + check_digit(expiry)
    second = f"{born}F{ends}KAZ".ljust(29, "<")
    second += check_digit(first[5:30] + born + ends + second[18:29])
    return parse([first, second, names.ljust(30, "<")], TODAY)


@pytest.mark.parametrize(
    ("birth", "iin", "born"),
    [
        ("310317", "310317400123", date(1931, 3, 17)),  # 95 years old, with a card valid to 2033
        ("310317", "", date(1931, 3, 17)),  # nobody is born in the future
        ("261201", "", date(2026, 12, 1)),  # born today
        ("261202", "", date(1926, 12, 2)),  # tomorrow
        ("250317", "250317300123", date(1925, 3, 17)),  # 101 years old: the register's rule on the seventh digit
        ("250317", "250317500123", date(2025, 3, 17)),  # a baby
        ("250317", "", date(2025, 3, 17)),
        ("250317", "900201300123", date(2025, 3, 17)),  # an IIN that speaks of another day names no century
        ("310317", "310317500123", date(1931, 3, 17)),  # a seventh digit that would lie in the future
        ("980317", "980317200123", date(1898, 3, 17)),
        ("240229", "", date(2024, 2, 29)),
        ("000229", "000229600123", date(2000, 2, 29)),
    ],
)
def test_a_birth_lies_never_in_the_future_and_in_the_iins_century(birth: str, iin: str, born: date) -> None:
    assert card(birth, iin).birth_date == born


def test_a_passport_of_somebody_of_95_is_read() -> None:
    optional, number = "310317400123<<", "N12345678"
    born, ends = "310317" + check_digit("310317"), "330305" + check_digit("330305")
    number, optional = number + check_digit(number), optional + check_digit(optional)
    last = check_digit(number + born + ends + optional)
    mrz = parse(["P<KAZERIKSSON<<ANNA".ljust(44, "<"), f"{number}KAZ{born}F{ends}{optional}{last}"], TODAY)
    assert (mrz.birth_date, mrz.expiry_date) == (date(1931, 3, 17), date(2033, 3, 5))


@pytest.mark.parametrize(
    "birth", ["3103<<", "31<<<<", "<<<<<<", "310300", "310000", "000000", "<<0317", "31<<17", "<<<<17", "<<03<<"]
)
def test_a_birth_whose_day_month_or_year_is_not_known_is_read_as_such(birth: str) -> None:
    assert card(birth, "310317400123").birth_date is None


def test_a_birth_that_is_not_known_contradicts_no_print() -> None:
    zone = card("3103<<", "310317400123")
    front = Print(iins=frozenset({"310317400123"}), dates=frozenset({date(1931, 3, 17)}))
    assert not contradicts(zone, front, None)
    assert contradicts(card("310318", "310317400123"), front, None)


@pytest.mark.parametrize("birth", ["310<17", "311317", "310230", "3<0317", "<<1317", "31<<32", "31<0<7"])
def test_a_birth_that_is_no_date_is_refused(birth: str) -> None:
    with pytest.raises(MrzError, match="birth date"):
        card(birth)


@pytest.mark.parametrize(
    ("names", "surname", "given_names"),
    [
        ("SUKARNO", "SUKARNO", ""),  # one name only: the primary identifier (Doc 9303 part 3, section 4.6)
        ("VAN<DER<MUELLEN<<JOHANNES", "VAN DER MUELLEN", "JOHANNES"),
        ("OCONNOR<<ENYA<SIOBHAN", "OCONNOR", "ENYA SIOBHAN"),
        ("NILAVADHANANANDA<<CHAYAPA<DEJT", "NILAVADHANANANDA", "CHAYAPA DEJT"),  # truncated
        ("BENNELONG<WOOLOOMOOLOO<WARRAND", "BENNELONG WOOLOOMOOLOO WARRAND", ""),
        ("", "", ""),
    ],
)
def test_names_are_read_as_doc_9303_lets_them_be_written(names: str, surname: str, given_names: str) -> None:
    mrz = card("740812", names=names)
    assert (mrz.surname, mrz.given_names) == (surname, given_names)
