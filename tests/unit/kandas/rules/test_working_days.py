from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kandas import settings
from services.kandas.rules import working_days
from services.kandas.rules.working_days import MovedDays, WorkingDays

DAYS = st.dates(date(2018, 1, 1), date(2030, 12, 31))


@pytest.mark.parametrize(
    ("start", "term", "end"),
    [
        ("2022-03-03", 4, "2022-03-10"),
        ("2022-05-13", 4, "2022-05-19"),
        ("2021-12-30", 4, "2022-01-10"),
        ("2022-05-05", 4, "2022-05-13"),
        ("2021-03-18", 4, "2021-03-29"),
        ("2025-10-24", 3, "2025-10-30"),
    ],
)
def test_a_term_skips_weekends_holidays_and_moved_days(start: str, term: int, end: str) -> None:
    assert WorkingDays().add(date.fromisoformat(start), term) == date.fromisoformat(end)


def test_a_saturday_that_the_government_made_a_working_day_counts() -> None:
    assert WorkingDays().is_working(date(2022, 3, 5))
    assert not WorkingDays().is_working(date(2022, 3, 7))


def test_kurban_ait_and_orthodox_christmas_on_a_weekend_give_no_day_off() -> None:
    assert WorkingDays().is_working(date(2022, 7, 11)), "Kurban Ait 2022 was Saturday 9 July"
    assert WorkingDays().is_working(date(2024, 1, 8)), "Christmas 2024 was Sunday 7 January"


def test_decrees_given_as_data_win_over_the_package() -> None:
    moved = MovedDays(days_off=frozenset({date(2027, 6, 7)}), working_days=frozenset({date(2027, 6, 5)}))
    plain, decreed = WorkingDays(), WorkingDays(moved)

    assert (plain.is_working(date(2027, 6, 7)), plain.is_working(date(2027, 6, 5))) == (True, False)
    assert (decreed.is_working(date(2027, 6, 7)), decreed.is_working(date(2027, 6, 5))) == (False, True)


def test_the_file_of_moved_days_that_ships_is_readable() -> None:
    shipped = Path(settings.__file__).parent / "data" / "moved_days.json"
    assert MovedDays.load(shipped) == MovedDays()


@given(DAYS, st.integers(1, 40))
def test_a_term_ends_on_a_working_day_and_holds_exactly_so_many(start: date, term: int) -> None:
    days = WorkingDays()
    end = days.add(start, term)

    inside = [start + timedelta(days=n) for n in range(1, (end - start).days + 1)]
    assert days.is_working(end)
    assert sum(map(days.is_working, inside)) == term


def test_a_term_of_no_days_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        WorkingDays().add(date(2026, 1, 5), 0)


def test_the_day_changes_at_midnight_in_kazakhstan() -> None:
    assert working_days.today(datetime(2026, 3, 1, 18, 59, tzinfo=UTC)) == date(2026, 3, 1)
    assert working_days.today(datetime(2026, 3, 1, 19, 0, tzinfo=UTC)) == date(2026, 3, 2)
    assert working_days.end_of(date(2026, 3, 1)) == datetime(2026, 3, 1, 19, 0, tzinfo=UTC)
