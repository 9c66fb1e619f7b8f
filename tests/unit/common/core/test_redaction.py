"""The second net: what it catches, and what it lets through unharmed."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from libs.common.core.redaction import MASK, clean, clean_item, personal_key, scrub

digits_12 = st.text("0123456789", min_size=12, max_size=12)
# What stands around a value in a message: anything but what would make it part of a longer number or identifier.
around = st.text(" ,.;:'\"=()[]{}<>|абвәң\n\t", max_size=5)


@given(before=around, iin=digits_12, after=around)
def test_an_iin_is_masked_wherever_it_stands_in_a_text(before: str, iin: str, after: str) -> None:
    assert iin not in scrub(f"{before}{iin}{after}")


@pytest.mark.parametrize("text", ["iin_850101300123", "iin850101300123", "x-850101300123-y", "/v1/850101300123/face"])
def test_an_iin_is_masked_beside_letters_and_dashes(text: str) -> None:
    assert "850101300123" not in scrub(text)


@pytest.mark.parametrize(
    "phone",
    [
        *("+77011234567", "77011234567", "87011234567", "+7 701 123 45 67", "+7 (701) 123-45-67"),
        *("8 701 123 45 67", "8(701)1234567", "8-701-123-45-67", "+7-701-123-4567"),
        *("+7\N{NO-BREAK SPACE}701\N{NO-BREAK SPACE}123\N{NO-BREAK SPACE}45\N{NO-BREAK SPACE}67", "+7.701.123.45.67"),
        *("+7\N{MINUS SIGN}701\N{MINUS SIGN}123\N{EN DASH}45\N{NON-BREAKING HYPHEN}67", "+৭ ৭০১ ১২৩ ৪৫ ৬৭"),
        *("+7 ۷۰۱ ۱۲۳ ۴۵ ۶۷", "٨٧٠١١٢٣٤٥٦٧"),
    ],
)
@pytest.mark.parametrize("frame", ["{}", "to {}.", "phone={},x", "<{}>", "sms:{}"])
def test_a_phone_number_is_masked_however_it_is_written(phone: str, frame: str) -> None:
    assert scrub(frame.format(phone)) == frame.format(MASK)


@pytest.mark.parametrize("email", ["a@b.kz", "aigerim.s+eds@mail.example.kz", "АЙГЕРІМ@почта.қаз", "a_b%c@x-y.com"])
def test_an_email_address_is_masked(email: str) -> None:
    assert scrub(f"mail to {email}, please") == f"mail to {MASK}, please"


@given(st.uuids())
@example(UUID("12345678-1234-4123-8123-123456789012"))
@example(UUID("77011234-5678-4701-8123-870112345678"))
def test_a_uuid_passes_unharmed_even_if_it_is_all_digits(value: UUID) -> None:
    for text in (str(value), f"journey {value}, step", f"/v1/journeys/{value}/code", value.hex):
        assert scrub(text) == text


@given(st.text("0123456789abcdef", min_size=16, max_size=64))
@example("123456789012abcd")
@example("1234567890120000")
def test_a_hexadecimal_identifier_passes_unharmed(value: str) -> None:
    for text in (value, f"serial={value}", f"00-{value}-{value}-01", value.upper()):
        assert scrub(text) == text


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_time_passes_unharmed(moment: datetime) -> None:
    for text in (moment.isoformat(), moment.strftime("%Y-%m-%d %H:%M:%S,%f"), moment.strftime("%Y%m%dT%H%M%SZ")):
        assert scrub(text) == text


@pytest.mark.parametrize(
    "text", ["1732237200123", "offset 1234567", "0.123456789012", "1732237200.123456", "127.0.0.1:29092", "otp.sent.v1"]
)
def test_counters_epochs_addresses_and_names_of_events_pass_unharmed(text: str) -> None:
    assert scrub(text) == text


@pytest.mark.parametrize("key", ["iin", "IIN", "given_name", "Authorization", "set-cookie", "journey_token", "code"])
def test_the_whole_value_under_a_personal_key_is_masked(key: str) -> None:
    for value in ("Айгерім", 123456, ["a", "b"], {"x": 1}):
        assert clean_item(key, value) == MASK


@pytest.mark.parametrize("key", ["status_code", "topic_name", "step", "journey_id", "certificate", "tokens_left"])
def test_a_key_that_only_resembles_a_personal_one_is_not_touched(key: str) -> None:
    assert not personal_key(key)


def test_no_value_under_a_personal_key_stays_none_so_that_absence_can_be_seen() -> None:
    assert clean_item("email", None) is None


def test_containers_are_gone_through_with_their_keys() -> None:
    found = clean({"to": ["+77011234567", {"surname": "Серік", "n": 3}], "850101300123": ("a@b.kz", 1.5)})
    assert found == {"to": [MASK, {"surname": MASK, "n": 3}], MASK: [MASK, 1.5]}


def test_other_objects_are_described_and_then_scrubbed() -> None:
    class Someone:
        def __str__(self) -> str:
            return "Someone(iin=850101300123)"

    assert clean(Someone()) == f"Someone(iin={MASK})"
    assert clean(b"850101300123") == "<12 bytes>"
    assert clean(datetime(2026, 1, 2, tzinfo=UTC)) == "2026-01-02T00:00:00+00:00"


def test_a_container_that_holds_itself_comes_to_an_end() -> None:
    loop: list[Any] = []
    loop.append(loop)
    assert "…" in str(clean(loop))


def test_a_long_hostile_text_takes_no_longer_than_its_length_warrants() -> None:
    for hostile in (
        "a" * 100_000 + "@",
        "8 " * 50_000,
        "1-" * 50_000,
        "x@" * 50_000,
        "f" * 100_000,
        "12345678-" * 9_000,
    ):
        assert isinstance(scrub(hostile), str)  # a quadratic pattern would run into the suite's time limit
