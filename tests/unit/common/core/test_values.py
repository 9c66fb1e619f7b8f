"""Values are parsed once, at the border; what is no value does not come in."""

from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from libs.common.core.values import (
    Iin,
    JourneyId,
    Name,
    OptionalName,
    from_millis,
    iin_check_digit,
    new_id,
    to_millis,
    to_millis_up,
    utc_now,
)

iin: TypeAdapter[str] = TypeAdapter(Iin)
optional_name: TypeAdapter[str | None] = TypeAdapter(OptionalName)
journey: TypeAdapter[str] = TypeAdapter(JourneyId)
name: TypeAdapter[str] = TypeAdapter(Name)
elevens = st.text("0123456789", min_size=11, max_size=11)


def test_the_check_digit_is_the_weighted_sum_modulo_eleven() -> None:
    # 1*8 + 2*5 + 3*0 + 4*1 + 5*0 + 6*5 + 7*3 + 8*0 + 9*0 + 10*1 + 11*2 = 105 = 9 * 11 + 6
    assert iin_check_digit("85010530012") == 6
    assert iin.validate_python("850105300126") == "850105300126"


@given(elevens)
def test_a_number_with_its_check_digit_is_taken_and_with_any_other_refused(first: str) -> None:
    digit = iin_check_digit(first)
    for last in range(10):
        if last == digit:
            assert iin.validate_python(f"{first}{last}") == f"{first}{last}"
        else:
            with pytest.raises(ValidationError):
                iin.validate_python(f"{first}{last}")


# Not the eleventh: its weight is eleven, so that modulo eleven it does not count at all.
@given(elevens, st.integers(0, 9), st.integers(0, 9))
def test_one_mistyped_digit_is_found_unless_the_second_pass_decides(first: str, place: int, digit: int) -> None:
    weights = range(1, 12)
    wrong = first[:place] + str(digit) + first[place + 1 :]
    assume(wrong != first)
    first_pass = [sum(w * int(d) for w, d in zip(weights, text, strict=True)) % 11 for text in (first, wrong)]
    assume(10 not in first_pass)
    assert iin_check_digit(first) != iin_check_digit(wrong)


@pytest.mark.parametrize("text", ["", "1", "85010530012", "8501053001266", "85010530012x", "850105 300126", "½" * 12])
def test_what_is_not_twelve_digits_is_no_iin(text: str) -> None:
    with pytest.raises(ValidationError):
        iin.validate_python(text)


@pytest.mark.parametrize(
    "text",
    [
        "٨٥٠١٠٥٣٠٠١٢٦",
        "۸۵۰۱۰۵۳۰۰۱۲۶",
        "８５０１０５３００１２６",
        "८५०१०५३००१२६",
        " 850105300126\n",
        "\N{NO-BREAK SPACE}850105300126\N{ZERO WIDTH SPACE}",
        "\N{LEFT-TO-RIGHT EMBEDDING}850105300126\N{POP DIRECTIONAL FORMATTING}",
    ],
    ids=ascii,
)
def test_an_iin_is_one_value_whatever_the_script_of_its_digits_and_what_stands_around_it(text: str) -> None:
    assert iin.validate_python(text) == "850105300126"


@pytest.mark.parametrize("text", ["", "  ", "-", "—", "\N{ZERO WIDTH SPACE}"])
def test_empty_text_is_no_name(text: str) -> None:
    assert optional_name.validate_python(text) is None
    with pytest.raises(ValidationError):
        name.validate_python(text.strip(" -—\N{ZERO WIDTH SPACE}"))


def test_identifiers_are_uuids_in_one_form() -> None:
    assert journey.validate_python("6F9619FF-8B86-D011-B42D-00CF4FC964FF") == "6f9619ff-8b86-d011-b42d-00cf4fc964ff"
    with pytest.raises(ValidationError):
        journey.validate_python("../../etc/passwd")
    assert journey.validate_python(made := new_id()) == made


def test_a_name_has_something_in_it() -> None:
    assert name.validate_python("  Әсел ") == "Әсел"
    with pytest.raises(ValidationError):
        name.validate_python("   ")


def test_the_present_moment_is_in_utc_and_whole_milliseconds() -> None:
    now = utc_now()
    assert now.utcoffset() == timedelta(0)
    assert from_millis(to_millis(now)) == now


moments = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5))]))


@given(moments)
def test_milliseconds_are_exact_and_rounded_as_asked(moment: datetime) -> None:
    exact = Fraction((moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1), 1000)
    assert to_millis(moment) <= exact < to_millis(moment) + 1
    assert to_millis_up(moment) - 1 < exact <= to_millis_up(moment)


@given(st.integers(0, 4_102_444_800_000))
def test_milliseconds_and_moments_turn_into_each_other_without_loss(millis: int) -> None:
    assert to_millis(from_millis(millis)) == to_millis_up(from_millis(millis)) == millis
