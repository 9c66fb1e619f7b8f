"""Limits of tries per person, and of codes per person and per phone, across journeys.

A limit per journey alone would let somebody guess for ever by starting journey after journey; and without one per
phone, journeys for many persons would flood one phone with SMS.
"""

from datetime import datetime, timedelta

from pydantic import Field

from libs.common.core.errors import Refused
from libs.common.core.model import Model, evolve
from libs.common.delivery.decisions import Decision
from services.otp.refusals import Refusal


class LimitReached(Refused):
    """Too much was used up: ``otp.frozen``, with nothing more allowed before `until`."""

    def __init__(self, until: datetime) -> None:
        super().__init__(Refusal.FROZEN, retry_at=until)
        self.until = until


class LimitRules(Model):
    """How much is allowed within one window, before a person or phone is frozen."""

    window: timedelta = timedelta(hours=24)
    tries: int = Field(10, ge=1)
    codes: int = Field(10, ge=1)


class Usage(Model):
    """What one person or phone used up lately: times of wrong or undecided tries, and of codes made."""

    tries: tuple[datetime, ...] = ()
    codes: tuple[datetime, ...] = ()


def count_try(usage: Usage | None, rules: LimitRules, now: datetime) -> Decision[Usage]:
    """Count a try before it is made, so that no crash gives one away.

    Only tries limit tries: the last code that may be made may be tried, too.

    Raises:
        LimitReached: too many wrong codes in all journeys of this person.
    """
    used = _within_window(usage, rules, now)
    if until := _full_until(used.tries, rules.tries, rules):
        raise LimitReached(until)
    return Decision(evolve(used, Usage, tries=(*used.tries, now)))


def forgive_try(usage: Usage | None, tried_at: datetime) -> Decision[Usage] | None:
    """Take a try off again: its code was right.

    Earlier wrong ones do: whoever proves a phone of their own must not get fresh guesses at somebody else's.
    """
    if usage is None or tried_at not in usage.tries:
        return None
    place = usage.tries.index(tried_at)
    return Decision(evolve(usage, Usage, tries=usage.tries[:place] + usage.tries[place + 1 :]))


def count_code(usage: Usage | None, rules: LimitRules, now: datetime) -> Decision[Usage]:
    """Count a code that is about to be made.

    Raises:
        LimitReached: too many codes or wrong tries.
    """
    used = _within_window(usage, rules, now)
    limits_end = (_full_until(used.tries, rules.tries, rules), _full_until(used.codes, rules.codes, rules))
    if until := max(filter(None, limits_end), default=None):
        raise LimitReached(until)
    return Decision(evolve(used, Usage, codes=(*used.codes, now)))


def _full_until(used: tuple[datetime, ...], allowed: int, rules: LimitRules) -> datetime | None:
    """Return when one more will be allowed, if none is now."""
    return used[-allowed] + rules.window if len(used) >= allowed else None


def _within_window(usage: Usage | None, rules: LimitRules, now: datetime) -> Usage:
    since = now - rules.window
    known = usage or Usage()
    return Usage(
        tries=tuple(at for at in known.tries if at > since), codes=tuple(at for at in known.codes if at > since)
    )
