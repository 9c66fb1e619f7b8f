"""Revocations that a citizen asked for in the cabinet, and that a code by SMS has to confirm. Pure.

Two services publish the halves, in whatever order: identity that a citizen who signed in asks, otp that the code came
back.
"""

from datetime import datetime

from libs.common.contracts.identity import RevocationRequested
from libs.common.core.model import Model, evolve
from libs.common.delivery.decisions import Decision


class RevocationWish(Model):
    """What is to be revoked, and for whom."""

    citizen_id: str
    serial: str
    reason: str
    expires_at: datetime


class Confirmation(Model):
    """One request. ``done``: it was carried out, or refused."""

    wish: RevocationWish | None = None
    confirmed_at: datetime | None = None
    done: bool = False

    @property
    def counts(self) -> bool:
        """Whether both halves are there, and the code came in time."""
        return self.wish is not None and self.confirmed_at is not None and self.confirmed_at <= self.wish.expires_at


def wake_at(state: Confirmation) -> datetime | None:
    """Return when it is to be carried out: once both halves are there, since the code came back."""
    return state.confirmed_at if state.counts and not state.done else None


def ask(state: Confirmation | None, request: RevocationRequested) -> Decision[Confirmation] | None:
    """Note that a citizen asks; the first word counts."""
    known = state or Confirmation()
    if known.wish is not None:
        return None
    wish = RevocationWish(
        citizen_id=request.citizen_id, serial=request.serial, reason=request.reason, expires_at=request.expires_at
    )
    return Decision(evolve(known, Confirmation, wish=wish))


def confirm(state: Confirmation | None, at: datetime) -> Decision[Confirmation] | None:
    """Note that the code came back, at ``at``."""
    known = state or Confirmation()
    return None if known.confirmed_at is not None else Decision(evolve(known, Confirmation, confirmed_at=at))


def finish(state: Confirmation | None) -> Decision[Confirmation] | None:
    """Note that it was carried out, or cannot be."""
    return None if state is None or state.done else Decision(evolve(state, Confirmation, done=True))
