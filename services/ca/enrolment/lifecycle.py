"""What is done about certificates once they are out. Pure.

Lists take revocations in; the end is announced; and long after it, what names the holder is dropped.
"""

from datetime import datetime, timedelta
from typing import Final, TypeVar

from libs.common.contracts.ca import CertExpiring
from libs.common.contracts.events import Event
from libs.common.core.model import evolve
from libs.common.delivery.decisions import Decision
from services.ca.enrolment.domain import Result
from services.ca.enrolment.states import NOTICES, EnrolmentState, Issued, Retired, Void, live_until
from services.ca.model.certificate import RecordedCertificate

KEPT: Final = timedelta(days=3 * 365)
"""So long after their end certificates stay as they are, unless the settings say otherwise."""

Listed = TypeVar("Listed", bound=RecordedCertificate)


def settle(state: EnrolmentState | None, listed: frozenset[str], now: datetime, kept: timedelta) -> Result | None:
    """Note which serials the lists took in, and announce what ends soon; retire what ended long ago.

    Of notices that fell due in one go, as after an outage, only the most urgent is given.

    Args:
        listed: serial numbers of revoked certificates whose lists were told.
        kept: how long after their end certificates stay as they are.
    """
    if not isinstance(state, Issued | Void):
        return None
    retires_at = max(each.not_after for each in state.certificates) + kept
    settled = all(each.revoked_at is None or each.listed or each.serial in listed for each in state.certificates)
    if settled and retires_at <= now:
        numbers = tuple(evolve(each, RecordedCertificate) for each in _listed(state.certificates, listed))
        return Decision(Retired(certificates=numbers, settled=True))
    if isinstance(state, Void):
        certificates = _listed(state.certificates, listed)
        return Decision(evolve(state, Void, certificates=certificates, settled=settled, retires_at=retires_at))
    after = evolve(
        state,
        Issued,
        certificates=_listed(state.certificates, listed),
        settled=settled,
        retires_at=retires_at,
        noticed=_noticed(state, now),
    )
    return Decision(after, () if after.noticed in (state.noticed, 0) else _notices(state, after.noticed))


def _listed(certificates: tuple[Listed, ...], listed: frozenset[str]) -> tuple[Listed, ...]:
    return tuple(evolve(each, type(each), listed=True) if each.serial in listed else each for each in certificates)


def _noticed(state: Issued, now: datetime) -> int | None:
    """Return the most urgent notice whose time has come, as days; 0 where the end itself has come."""
    end = live_until(state.certificates)
    if end is None:
        return state.noticed
    if end <= now:
        return 0
    due = [days for days in NOTICES if end - timedelta(days=days) <= now]
    given = [] if state.noticed is None else [state.noticed]
    return min([*due, *given], default=None)


def _notices(state: Issued, days: int | None) -> tuple[Event, ...]:
    return tuple(
        CertExpiring(
            serial=each.serial,
            profile=each.profile,
            not_after=each.not_after,
            days_left=days or 0,
            citizen_id=state.facts.citizen_id or "",
        )
        for each in state.certificates
        if each.revoked_at is None
    )
