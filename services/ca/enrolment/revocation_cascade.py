"""What ends together with a person's own certificates: the mandates that rest on who the person is. Pure.

A lost key (``keyCompromise``), a newer set (``superseded``) or no reason at all says nothing of the keys of a person's
mandates: those go on. So does what citizens revoke themselves: they name what they mean. But
- a clerk's word about the person (`OF_THE_PERSON`: died, left, was never the one they said) ends everything that was
  issued or confirmed up to then, the other key of the pair as well;
- a journey that failed never established who somebody is: what rested on its certificates ends with them, that is, the
  mandates that were confirmed, or whose certificates were signed for, since then. Older ones rest on older proof.
"""

from dataclasses import replace
from datetime import datetime
from typing import Final, Literal

from libs.common.delivery.decisions import Decision
from services.ca.enrolment import domain
from services.ca.enrolment.domain import Ending, EnrolmentState, Issued, Issuing, Open, Result
from services.ca.model.certificate import Reason

OF_THE_PERSON: Final = frozenset({"affiliationChanged", "cessationOfOperation", "privilegeWithdrawn"})
"""Reasons that speak of the holder, not of a key."""


def revoke(
    state: EnrolmentState | None, serial: str, reason: Reason, role: Literal["citizen", "clerk"], now: datetime
) -> Result | None:
    """Revoke a certificate as somebody asked; where a clerk speaks of the person, whatever is the person's."""
    personal = isinstance(state, Issued) and state.facts.mandate is None
    if role != "clerk" or reason not in OF_THE_PERSON or not personal:
        return domain.revoke(state, serial, reason, now)
    return _ending(state, domain.revoke(state, None, reason, now), Ending(reason=reason, at=now))


def close(state: EnrolmentState | None, outcome: str, reason: str, now: datetime) -> Result | None:
    """End a journey; if it failed after certificates were out, what rested on them ends too."""
    decision = domain.close(state, outcome, reason, now)
    if decision is None or not isinstance(state, Issued):
        return decision
    since = min(each.not_before for each in state.certificates)
    return _ending(state, decision, Ending(reason="cessationOfOperation", at=now, since=since))


def end(state: EnrolmentState | None, ending: Ending, now: datetime) -> Result | None:
    """End another enrolment of the same person, if it rests on what ended; again changes nothing."""
    if not isinstance(state, Open | Issuing | Issued) or not _rests(state, ending):
        return None
    if isinstance(state, Issued):
        return domain.revoke(state, None, ending.reason, now)
    return domain.close(state, "cancelled", "person.ended", now)


def _ending(state: EnrolmentState | None, decision: Result | None, ending: Ending) -> Result | None:
    """Note the ending, to be carried out when the enrolment is settled; the first one stays."""
    if not isinstance(state, Issued) or state.ending is not None:
        return decision
    mark = {"ending": ending}
    if decision is None:
        return Decision(state.model_copy(update=mark), wake_at=ending.at)
    return replace(decision, state=decision.state.model_copy(update=mark))


def _rests(state: Open | Issuing | Issued, ending: Ending) -> bool:
    issued = [each.not_before for each in state.certificates] if isinstance(state, Issued) else []
    mandate = state.facts.mandate
    if mandate is None:
        return ending.since is None and bool(issued) and min(issued) <= ending.at
    if mandate.confirmed_at > ending.at:
        return False
    if ending.since is None or isinstance(state, Issuing):
        return True
    return any(each >= ending.since for each in (mandate.confirmed_at, *issued))
