"""Revocations that a citizen asked for in the cabinet, and that a code by SMS has to confirm. Pure.

Two services tell the halves, in whatever order: identity that a citizen who signed in asks, otp that the code came
back.
"""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from libs.common.contracts.identity import RevocationRequested
from libs.common.delivery.decisions import Decision


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class Wish(_Value):
    """What is to be revoked, and for whom."""

    citizen_id: str
    serial: str
    reason: str
    expires_at: datetime


class Confirmation(_Value):
    """One request. ``done``: it was carried out, or refused."""

    wish: Wish | None = None
    confirmed_at: datetime | None = None
    done: bool = False

    @property
    def counts(self) -> bool:
        """Whether both halves are there, and the code came in time."""
        return self.wish is not None and self.confirmed_at is not None and self.confirmed_at <= self.wish.expires_at


def ask(state: Confirmation | None, request: RevocationRequested, now: datetime) -> Decision[Confirmation] | None:
    """A citizen asks; the first word counts."""
    known = state or Confirmation()
    if known.wish is not None:
        return None
    wish = Wish(
        citizen_id=request.citizen_id, serial=request.serial, reason=request.reason, expires_at=request.expires_at
    )
    return _with(known.model_copy(update={"wish": wish}), now)


def confirm(state: Confirmation | None, at: datetime, now: datetime) -> Decision[Confirmation] | None:
    """The code came back, at ``at``."""
    known = state or Confirmation()
    if known.confirmed_at is not None:
        return None
    return _with(known.model_copy(update={"confirmed_at": at}), now)


def finish(state: Confirmation | None) -> Decision[Confirmation] | None:
    """It was carried out, or cannot be."""
    return None if state is None or state.done else Decision(state.model_copy(update={"done": True}))


def _with(state: Confirmation, now: datetime) -> Decision[Confirmation]:
    return Decision(state, wake_at=now if state.counts and not state.done else None)
