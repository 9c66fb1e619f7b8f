"""Citizens: the Digital ID, and what lies in the personal cabinet. Pure; facts may come in any order."""

from datetime import date, datetime

from libs.common.contracts.ca import CertExpiring, CertIssued, CertRevoked
from libs.common.contracts.kandas import (
    KandasExtended,
    KandasGranted,
    KandasRefused,
    KandasReturned,
    KandasSubmitted,
)
from libs.common.contracts.people import Contact
from libs.common.core.sealing import Sealed
from libs.common.delivery.decisions import Decision
from services.identity.facts import add_certificate, add_serial
from services.identity.pins import PinHash
from services.identity.states import Certificate, Frozen, Resident

ApplicationFact = KandasSubmitted | KandasReturned | KandasGranted | KandasExtended | KandasRefused
CitizenFact = CertIssued | CertExpiring | CertRevoked | ApplicationFact


class PersonOutcome(Frozen):
    """The final decision about one person of an application; ``person`` means nothing outside it."""

    person: str
    outcome: str
    document_sha256: str
    valid_until: date | None


class Application(Frozen):
    """A kandas application as far as its applicant's cabinet shows it."""

    application_id: str
    updated_at: datetime
    submitted_at: datetime | None = None
    returned_at: datetime | None = None
    persons: tuple[str, ...] = ()
    outcomes: tuple[PersonOutcome, ...] = ()

    @property
    def status(self) -> str:
        """Derive the status: ``decided`` once every person has an outcome, else by the younger fact."""
        if self.outcomes and {each.person for each in self.outcomes} >= set(self.persons):
            return "decided"
        if self.returned_at and (self.submitted_at is None or self.submitted_at < self.returned_at):
            return "returned"
        return "submitted"


class Reach(Frozen):
    """Where codes go: the phone that was proven last. None is known of citizens registered before it was kept."""

    contact: Sealed[Contact]
    person_ref: str
    phone_ref: str


class Citizen(Frozen):
    """Somebody with a Digital ID."""

    resident: Sealed[Resident]
    pin: Sealed[PinHash]
    reach: Reach | None = None
    registered_at: datetime
    certificates: tuple[Certificate, ...] = ()
    revoked: tuple[str, ...] = ()
    expiring: tuple[str, ...] = ()
    applications: tuple[Application, ...] = ()


def may_renew(state: Citizen, now: datetime) -> bool:
    """Tell whether the citizen holds a certificate for signing that is good now, as far as the cabinet knows."""
    return any(
        each.profile == "SIGN" and each.acts_for is None and each.serial not in state.revoked and now <= each.not_after
        for each in state.certificates
    )


def register(
    state: Citizen | None, resident: Sealed[Resident], reach: Reach, pin: PinHash, now: datetime
) -> Decision[Citizen]:
    """Make a citizen, or renew what we know of one: whoever proved phone and face again chooses the PIN anew."""
    if state is None:
        return Decision(Citizen(resident=resident, reach=reach, pin=Sealed(pin), registered_at=now))
    return Decision(state.model_copy(update={"resident": resident, "reach": reach, "pin": Sealed(pin)}))


def take_in(state: Citizen | None, fact: CitizenFact, subject: str, at: datetime) -> Decision[Citizen] | None:
    """Put a fact into the cabinet.

    Args:
        subject: what the message was about: the journey, or the application.
        at: when the fact came to be.
    """
    if state is None:
        return None
    match fact:
        case CertIssued():
            after = state.model_copy(update={"certificates": add_certificate(state.certificates, fact)})
        case CertExpiring():
            after = state.model_copy(update={"expiring": add_serial(state.expiring, fact.serial)})
        case CertRevoked():
            after = state.model_copy(update={"revoked": add_serial(state.revoked, fact.serial)})
        case _:
            after = _with_application(state, fact, subject, at)
    return None if after == state else Decision(after)


def _with_application(state: Citizen, fact: ApplicationFact, application_id: str, at: datetime) -> Citizen:
    kept = {each.application_id: each for each in state.applications}
    known = kept.get(application_id, Application(application_id=application_id, updated_at=at))
    kept[application_id] = _updated(known, fact, at)
    return state.model_copy(update={"applications": tuple(kept.values())})


def _updated(known: Application, fact: ApplicationFact, at: datetime) -> Application:
    update: dict[str, object] = {"updated_at": max(known.updated_at, at)}
    match fact:
        case KandasSubmitted():
            update["persons"] = fact.persons
            update["submitted_at"] = max(known.submitted_at or at, at)
        case KandasReturned():
            update["returned_at"] = max(known.returned_at or at, at)
        case _ if all(each.person != fact.person for each in known.outcomes):
            update["outcomes"] = (*known.outcomes, _outcome(fact))
        case _:
            return known
    return known.model_copy(update=update)


def _outcome(fact: KandasGranted | KandasExtended | KandasRefused) -> PersonOutcome:
    return PersonOutcome(
        person=fact.person,
        outcome=fact.topic.removeprefix("kandas."),
        document_sha256=fact.document_sha256,
        valid_until=None if isinstance(fact, KandasRefused) else fact.valid_until,
    )
