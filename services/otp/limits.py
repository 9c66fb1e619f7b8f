"""Limits of tries and codes per person and per phone, across journeys.

A limit per journey alone would let somebody guess for ever by starting journey after journey; and without one per
phone, journeys for many persons would flood one phone with SMS.
"""

from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field

from libs.common.aggregates import Decision
from libs.common.errors import Refused


class LimitRules(BaseModel):
    """How much is allowed within one window, before a person or phone is frozen."""

    model_config = ConfigDict(frozen=True)

    window: timedelta = timedelta(hours=24)
    tries: int = Field(10, ge=1)
    codes: int = Field(10, ge=1)


class Usage(BaseModel):
    """What one person or phone used up lately: times of wrong or undecided tries, and of codes made."""

    model_config = ConfigDict(frozen=True)

    tries: tuple[datetime, ...] = ()
    codes: tuple[datetime, ...] = ()

    def frozen_until(self, rules: LimitRules, now: datetime) -> datetime | None:
        """Say until when nothing more is allowed, or None."""
        since = now - rules.window
        for used, allowed in ((self.tries, rules.tries), (self.codes, rules.codes)):
            recent = [at for at in used if at > since]
            if len(recent) >= allowed:
                return recent[-allowed] + rules.window
        return None


def count_try(usage: Usage | None, rules: LimitRules, now: datetime) -> Decision[Usage]:
    """Count a try before it is made, so that no crash gives one away.

    Raises:
        Refused: ``otp.frozen``: too many wrong codes in all journeys of this person.
    """
    used = _recent(usage, rules, now)
    if until := used.frozen_until(rules, now):
        detail = "Too many codes or wrong tries for this person. Please try again later, or go to a service centre."
        raise Refused("otp.frozen", detail, 429, retry_at=until)
    return Decision(used.model_copy(update={"tries": (*used.tries, now)}))


def clear_tries(usage: Usage | None, rules: LimitRules, now: datetime) -> Decision[Usage]:
    """The right code came: earlier tries are forgiven."""
    return Decision(_recent(usage, rules, now).model_copy(update={"tries": ()}))


def count_code(usage: Usage | None, rules: LimitRules, now: datetime) -> Decision[Usage]:
    """Count a code that is about to be made; the caller looks at `frozen_until` first."""
    used = _recent(usage, rules, now)
    return Decision(used.model_copy(update={"codes": (*used.codes, now)}))


def _recent(usage: Usage | None, rules: LimitRules, now: datetime) -> Usage:
    since = now - rules.window
    known = usage or Usage()
    return Usage(
        tries=tuple(at for at in known.tries if at > since), codes=tuple(at for at in known.codes if at > since)
    )
