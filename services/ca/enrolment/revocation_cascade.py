"""What ends together with the certificate that somebody asked to revoke. Pure.

A lost key (``keyCompromise``), a newer set (``superseded``) or no reason at all says nothing of other keys, and
citizens name what they mean. A clerk's word about the person (`OF_THE_PERSON`: died, left, was never the one they said)
ends everything that was issued to the person up to then: the other key of the pair, and newer sets as well.
"""

from datetime import datetime
from typing import Final, Literal

from libs.common.core.model import evolve
from libs.common.delivery.decisions import Decision
from services.ca.enrolment import domain
from services.ca.enrolment.domain import Result
from services.ca.enrolment.states import Ending, EnrolmentState, Issued
from services.ca.model.certificate import Reason

OF_THE_PERSON: Final = frozenset({"affiliationChanged", "cessationOfOperation", "privilegeWithdrawn"})
"""Reasons that speak of the holder, not of a key."""


def revoke(
    state: EnrolmentState | None, serial: str, reason: Reason, role: Literal["citizen", "clerk"], now: datetime
) -> Result | None:
    """Revoke a certificate as somebody asked; where a clerk speaks of the person, whatever is the person's."""
    if role != "clerk" or reason not in OF_THE_PERSON or not isinstance(state, Issued):
        return domain.revoke(state, serial, reason, now)
    if state.ending is None:
        state = evolve(state, Issued, ending=Ending(reason=reason, at=now), settled=False)
    return domain.revoke(state, None, reason, now) or Decision(state)


def end(state: EnrolmentState | None, ending: Ending, now: datetime) -> Result | None:
    """End another enrolment of the same person, if it was issued before; again changes nothing."""
    if not isinstance(state, Issued) or min(each.issued_at for each in state.certificates) > ending.at:
        return None
    return domain.revoke(state, None, ending.reason, now)
