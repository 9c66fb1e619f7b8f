"""What is done about certificates once they are out. Pure.

Lists take revocations in; the end is announced; and long after it, what names the holder is dropped.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from libs.common.contracts.ca import CertExpiring
from libs.common.contracts.events import Event
from libs.common.delivery.decisions import Decision
from services.ca.enrolment.domain import EnrolmentState, Issued, Result, Retired, Void
from services.ca.model.certificate import Numbered

NOTICES: Final = (30, 14, 7)
"""Days before the end at which a citizen is told, the furthest first."""

KEPT: Final = timedelta(days=3 * 365)
"""So long after their end certificates stay as they are, unless told otherwise."""


def settle(state: EnrolmentState | None, listed: frozenset[str], now: datetime, kept: timedelta) -> Result | None:
    """Note that older certificates were superseded and which serials the lists took in; announce what ends soon.

    Of notices that fell due together, as after an outage, only the most urgent is told. ``kept``: how long after their
    end certificates stay as they are.
    """
    if not isinstance(state, Issued | Void):
        return None
    certificates = tuple(
        each.model_copy(update={"listed": True}) if each.serial in listed else each for each in state.certificates
    )
    unlisted = [each.revoked_at for each in certificates if each.revoked_at is not None and not each.listed]
    update: dict[str, object] = {"certificates": certificates, "settled": not unlisted}
    events: tuple[Event, ...] = ()
    if isinstance(state, Issued) and (days := _due(certificates, state.noticed, now)) is not None:
        events = _notices(state, days)
        update["noticed"] = days
    retire_at = max(each.not_after for each in certificates) + kept
    if not unlisted and retire_at <= now:
        return Decision(Retired(certificates=tuple(map(_bare, certificates)), settled=True))
    after = state.model_copy(update=update)
    wake_at = max(unlisted) if unlisted else _next_notice(after, now) or retire_at
    return Decision(after, events, wake_at)


def _bare(certificate: Numbered) -> Numbered:
    """Leave the certificate itself out, which names its holder."""
    return Numbered(**{name: getattr(certificate, name) for name in Numbered.model_fields})


def _due(certificates: Iterable[Numbered], noticed: int | None, now: datetime) -> int | None:
    """Give the most urgent notice whose time has come and that was not told, as days; None if there is none."""
    end = _end(certificates)
    if end is None or end <= now:
        return None
    due = [days for days in NOTICES if end - timedelta(days=days) <= now and (noticed is None or days < noticed)]
    return min(due, default=None)


def _next_notice(state: EnrolmentState, now: datetime) -> datetime | None:
    """Give when the next notice falls due; None once the last one is told, or its time was missed."""
    if not isinstance(state, Issued) or (end := _end(state.certificates)) is None:
        return None
    return min((at for days in NOTICES if (at := end - timedelta(days=days)) > now), default=None)


def _notices(state: Issued, days: int) -> tuple[Event, ...]:
    return tuple(
        CertExpiring(
            serial=each.serial,
            profile=each.profile,
            not_after=each.not_after,
            days_left=days,
            citizen_id=state.facts.citizen_id or "",
        )
        for each in state.certificates
        if each.revoked_at is None
    )


def _end(certificates: Iterable[Numbered]) -> datetime | None:
    """Give when the first of the live certificates ends."""
    return min((each.not_after for each in certificates if each.revoked_at is None), default=None)
