"""Working days of Kazakhstan, in which the law counts the terms of a decision.

The days off that the law fixes, their moves from a weekend, and the Government's moves through 2025 come from the
``holidays`` package. What the Government moves later, and the days of Kurban Ait that the package only estimates, are
data: the file `MovedDays.load` reads. It ships without entries, since no later decree was at hand; the operator adds
them as they are published.
"""

from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import lru_cache
from pathlib import Path
from typing import Final

import holidays
from pydantic import BaseModel, ConfigDict

ALMATY: Final = timezone(timedelta(hours=5), "Asia/Almaty")
"""The single time of the country since 1 March 2024; a constant needs no time zone files in an image."""

_SATURDAY: Final = 5


class MovedDays(BaseModel):
    """What decrees change beyond the law: weekdays that became days off, weekend days that became working days."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    days_off: frozenset[date] = frozenset()
    working_days: frozenset[date] = frozenset()

    @classmethod
    def load(cls, path: Path) -> "MovedDays":
        """Read the file of moved days: ``{"days_off": ["2027-01-04"], "working_days": []}``."""
        return cls.model_validate_json(path.read_bytes())


class WorkingDays:
    """The national calendar.

    Args:
        moved: decrees the ``holidays`` package does not know; they win over it.
    """

    def __init__(self, moved: MovedDays | None = None) -> None:
        self._moved = moved or MovedDays()

    def is_working(self, day: date) -> bool:
        """Return whether state bodies work on this day."""
        if day in self._moved.working_days:
            return True
        if day in self._moved.days_off:
            return False
        off, working_weekends = _year(day.year)
        return day in working_weekends or (day.weekday() < _SATURDAY and day not in off)

    def add(self, start: date, days: int) -> date:
        """Return the last day of a term of so many working days that starts on the day after ``start``.

        Raises:
            ValueError: the term has no days.
        """
        if days < 1:
            raise ValueError("a term has at least one working day")
        day = start
        while days:
            day += timedelta(days=1)
            days -= self.is_working(day)
        return day


def today(now: datetime) -> date:
    """Return the date in Kazakhstan at a moment."""
    return now.astimezone(ALMATY).date()


def end_of(day: date) -> datetime:
    """Return the moment, in UTC, at which a day in Kazakhstan is over."""
    return datetime.combine(day + timedelta(days=1), time.min, ALMATY).astimezone(UTC)


@lru_cache(maxsize=16)
def _year(year: int) -> tuple[frozenset[date], frozenset[date]]:
    calendar = holidays.country_holidays("KZ", years=year)
    return frozenset(calendar), frozenset(calendar.weekend_workdays)
