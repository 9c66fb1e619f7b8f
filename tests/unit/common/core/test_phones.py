"""Phone numbers have one form, and the national plan says which are Kazakhstan's (Recommendation ITU-T E.164)."""

import pytest
from pydantic import TypeAdapter, ValidationError

from libs.common.core.phones import PhoneNumber
from libs.common.core.values import E164Phone

phone: TypeAdapter[str] = TypeAdapter(PhoneNumber)
normal: TypeAdapter[str] = TypeAdapter(E164Phone)


@pytest.mark.parametrize(
    "text",
    [
        "+77011234567",
        "87011234567",
        "7 701 123 45 67",
        "+7 (701) 123-45-67",
        "7011234567",
        "+7.701.123.45.67",
        "+7\N{NO-BREAK SPACE}701\N{EN DASH}123\N{NON-BREAKING HYPHEN}45\N{THIN SPACE}67",
        "\N{LEFT-TO-RIGHT EMBEDDING}+7 701 123 45 67\N{POP DIRECTIONAL FORMATTING}",
        "+7 ۷۰۱ ۱۲۳ ۴۵ ۶۷",
        "+٧ ٧٠١ ١٢٣ ٤٥ ٦٧",
        "＋７７０１１２３４５６７",
        "８ ７０１ １２３ ４５ ６７",
        "\N{RIGHT-TO-LEFT MARK}+৭ (৭০১) ১২৩-৪৫-৬৭",
        "+7 701 123\N{MINUS SIGN}45\N{MINUS SIGN}67",
    ],
    ids=ascii,
)
def test_a_phone_number_has_one_form_however_it_is_written(text: str) -> None:
    assert phone.validate_python(text) == "+77011234567"
    assert normal.validate_python(phone.validate_python(text)) == "+77011234567"


@pytest.mark.parametrize("text", ["+7 747 123 45 67", "+7 771 123 45 67", "+7 7172 55 66 77", "+7 727 250 00 00"])
def test_numbers_of_the_national_plan_are_taken(text: str) -> None:
    assert phone.validate_python(text).startswith("+77")


@pytest.mark.parametrize(
    "text",
    [
        "+7 495 123 45 67",  # Moscow
        "+7 912 345 67 89",  # a Russian mobile
        "8 912 345 67 89",
        "+7 750 123 45 67",  # not assigned
        "+998 90 123 45 67",
        "+1 701 123 45 67",
    ],
)
def test_numbers_that_share_the_country_code_or_look_alike_are_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        phone.validate_python(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "1414", "+7701123456", "+770112345678", "x" * 30, "+7 701 FLOWERS"),
        *("+77011234567 ext 5", "+77011234567;ext=5", "+7 701 123 45 67 / +7 702 123 45 67", "tel:+77011234567"),
        *("+7 701 123 45 6७8", "٠" * 12, "+7701123456½"),
    ],
)
def test_what_is_no_phone_number_or_more_than_one_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        phone.validate_python(text)


@pytest.mark.parametrize("text", ["87011234567", "+7701123456", "+7۷۰۱۱۲۳۴۵۶۷", "+77011234567\n"])
def test_inside_only_the_one_form_counts(text: str) -> None:
    with pytest.raises(ValidationError):
        normal.validate_python(text)
