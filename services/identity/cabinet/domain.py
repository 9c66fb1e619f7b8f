"""What other services report about a citizen, as the cabinet keeps it. Pure; facts may come in any order."""

from datetime import datetime

from libs.common.contracts.ca import CertExpiring, CertIssued, CertRevoked
from libs.common.contracts.http.identity import CabinetApplication, CabinetPerson, CabinetView
from libs.common.contracts.kandas import (
    KandasExtended,
    KandasGranted,
    KandasRefused,
    KandasReturned,
    KandasSubmitted,
)
from libs.common.core.model import evolve
from libs.common.delivery.decisions import Decision
from services.identity.accounts.states import Citizen, FiledApplication, PersonOutcome

ApplicationFact = KandasSubmitted | KandasReturned | KandasGranted | KandasExtended | KandasRefused
CitizenFact = CertIssued | CertExpiring | CertRevoked | ApplicationFact


def take_in(state: Citizen | None, fact: CitizenFact, subject: str, at: datetime) -> Decision[Citizen] | None:
    """Put a fact into the cabinet; facts about somebody unknown are dropped.

    Args:
        subject: what the message was about: the journey, or the application.
        at: when the fact came to be.
    """
    if state is None:
        return None
    match fact:
        case CertIssued() | CertExpiring() | CertRevoked():
            after = evolve(state, Citizen, certificates=state.certificates.with_fact(fact))
        case _:
            after = _with_application(state, fact, subject, at)
    return None if after == state else Decision(after)


def view(citizen_id: str, citizen: Citizen) -> CabinetView:
    """Return the cabinet as its citizen is shown it."""
    return CabinetView(
        citizen_id=citizen_id,
        certificates=citizen.certificates.view(),
        applications=tuple(
            CabinetApplication(
                application_id=each.application_id,
                status=each.status,
                updated_at=each.updated_at,
                persons=tuple(evolve(outcome, CabinetPerson) for outcome in each.outcomes),
            )
            for each in citizen.applications
        ),
    )


def _with_application(state: Citizen, fact: ApplicationFact, application_id: str, at: datetime) -> Citizen:
    kept = {each.application_id: each for each in state.applications}
    known = kept.get(application_id, FiledApplication(application_id=application_id, updated_at=at))
    kept[application_id] = _updated(known, fact, at)
    return evolve(state, Citizen, applications=tuple(kept.values()))


def _updated(known: FiledApplication, fact: ApplicationFact, at: datetime) -> FiledApplication:
    updated_at = max(known.updated_at, at)
    match fact:
        case KandasSubmitted():
            submitted_at = max(known.submitted_at or at, at)
            return evolve(
                known, FiledApplication, updated_at=updated_at, submitted_at=submitted_at, persons=fact.persons
            )
        case KandasReturned():
            returned_at = max(known.returned_at or at, at)
            return evolve(known, FiledApplication, updated_at=updated_at, returned_at=returned_at)
        case _ if all(each.person != fact.person for each in known.outcomes):
            outcomes = (*known.outcomes, _outcome(fact))
            return evolve(known, FiledApplication, updated_at=updated_at, outcomes=outcomes)
        case _:
            return known


def _outcome(fact: KandasGranted | KandasExtended | KandasRefused) -> PersonOutcome:
    return PersonOutcome(
        person=fact.person,
        outcome=fact.topic.removeprefix("kandas."),
        document_sha256=fact.document_sha256,
        valid_until=None if isinstance(fact, KandasRefused) else fact.valid_until,
    )
