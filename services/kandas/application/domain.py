r"""What may happen to a kandas application. Pure: time, ids and the law come in as arguments.

    Draft -> Submitted -> Checked -> Decided -> closed
      |          \         /   \
      |           Returned      (an officer: `office/domain.py`)
      v            |    \
    closed     Submitted  Decided | closed

Every function takes the present state and returns what follows, None where nothing does, or raises `Refused`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from libs.common.contracts.http.kandas import ApplicationForm
from libs.common.contracts.kandas import (
    CheckAnswer,
    KandasChecked,
    KandasOverdue,
    KandasReturned,
    KandasSubmitted,
    RefusalGround,
    Service,
)
from libs.common.core.errors import Refused
from libs.common.core.model import evolve
from libs.common.core.sealing import Sealed
from libs.common.delivery.decisions import Decision
from services.kandas.application.people import Particulars
from services.kandas.application.states import (
    ApplicantSignature,
    ApplicationState,
    Attachment,
    Candidate,
    Checked,
    ClosedApplication,
    Decided,
    Draft,
    KandasApplication,
    KeptApplication,
    Returned,
    Role,
    Submitted,
)
from services.kandas.application.transitions import closed, finished, returned, step
from services.kandas.certificates.domain import usable
from services.kandas.certificates.states import KnownCertificate
from services.kandas.refusals import KandasRefusal
from services.kandas.rules.domain import documents_needed
from services.kandas.rules.law import Law
from services.kandas.rules.working_days import end_of, today

CITIZENS_OF_KAZAKHSTAN: Final = frozenset({"KZ", "KAZ"})


@dataclass(frozen=True, slots=True)
class ApplicationRequest:
    """What a citizen asks for: a service for themselves and any number of family members."""

    citizen_id: str
    service: Service
    region: str
    people: tuple[tuple[Role, Particulars], ...]

    @classmethod
    def of(cls, citizen_id: str, form: ApplicationForm) -> "ApplicationRequest":
        """Return the request that a form makes, the applicant first."""
        family = ((member.relation, Particulars.of(member)) for member in form.family)
        return cls(citizen_id, form.service, form.region, (("applicant", Particulars.of(form.applicant)), *family))


@dataclass(frozen=True, slots=True)
class Signing:
    """A signature that was verified cryptographically, and what it is held against.

    Args:
        iin: of the holder of the certificate it was made with.
        document_sha256: of the application's canonical form as it is now.
        certificate: what this service knows of the certificate.
    """

    signature: ApplicantSignature
    iin: str
    document_sha256: str
    certificate: KnownCertificate | None


def open_draft(
    state: ApplicationState | None, application_id: str, request: ApplicationRequest, law: Law, now: datetime
) -> Decision[ApplicationState] | None:
    """Begin an application. The same request once more changes nothing."""
    draft = _draft(application_id, request, law, now)
    if state is None:
        return step(draft, now, "application.opened")
    if isinstance(state, KandasApplication) and _request_of(state) == _request_of(draft):
        return None
    raise Refused(KandasRefusal.OTHER_CONTENT)


def attach(state: ApplicationState | None, attachment: Attachment) -> Decision[ApplicationState] | None:
    """Put a document in its place, instead of the one that was there."""
    application = _editable(state)
    person = application.person(attachment.person)
    if person is None or attachment.kind not in person.needed or application.decision(person.id) is not None:
        raise Refused(KandasRefusal.ATTACHMENT_NOT_ASKED_FOR)
    if attachment in application.attachments:
        return None
    place = (attachment.person, attachment.kind)
    others = tuple(there for there in application.attachments if (there.person, there.kind) != place)
    return Decision(evolve(application, type(application), attachments=(*others, attachment)))


def sign(state: ApplicationState | None, signing: Signing, law: Law) -> Decision[ApplicationState] | None:
    """Submit. The same signature sent once more changes nothing."""
    signature = signing.signature
    if isinstance(state, Submitted | Checked) and state.signature.cms_sha256 == signature.cms_sha256:
        return None
    application = _editable(state)
    _complete(application)
    _applicants_own(application, signing)
    rules = law.book.on(today(signature.at))
    due_on = law.calendar.add(today(signature.at), rules.term_days(application.service))
    after = evolve(application, Submitted, signature=signature, due_on=due_on, round=application.round + 1)
    event = KandasSubmitted(
        service=application.service,
        citizen_id=application.citizen_id,
        region=application.region,
        persons=tuple(person.id for person in application.persons),
        document_sha256=signature.document_sha256,
        certificate_serial=signature.serial,
    )
    return step(after, signature.at, "application.submitted", event, due_on=due_on.isoformat())


def record_check(
    state: ApplicationState | None, number: int, answers: Sequence[CheckAnswer], law: Law, now: datetime
) -> Decision[ApplicationState] | None:
    """Record what the ministry's system answered to the check of signature ``number``.

    Raises:
        ValueError: the answers are not one for each person.
    """
    if not isinstance(state, Submitted) or state.round != number:
        return None
    if sorted(answer.person for answer in answers) != sorted(person.id for person in state.persons):
        raise ValueError("the ministry's system did not answer about every person once")
    asked_on = today(state.signature.at)
    rules = law.book.on(asked_on)
    found = {person.id: rules.obstacles(person.form.value, state.service, asked_on) for person in state.persons}
    whole = tuple(_joined(answer, found[answer.person]) for answer in answers)
    after = evolve(state, Checked, answers=whole)
    return step(after, now, "application.checked", KandasChecked(answers=whole, due_on=state.due_on))


def certificate_revoked(
    state: ApplicationState | None, serial: str, law: Law, now: datetime
) -> Decision[ApplicationState] | None:
    """Send an application back whose undecided part rests on a certificate that is no longer good."""
    if not isinstance(state, Submitted | Checked) or state.signature.serial != serial or not state.undecided():
        return None
    return returned(state, "certificate.revoked", law, now)


def tick(state: ApplicationState | None, law: Law, now: datetime) -> Decision[ApplicationState] | None:
    """Let time pass: a term runs out, what nobody signs lapses, what was kept falls due for purging."""
    if isinstance(state, Submitted | Checked) and not state.overdue and now >= end_of(state.due_on):
        event = KandasOverdue(due_on=state.due_on, region=state.region)
        return step(evolve(state, type(state), overdue=True), now, "application.overdue", event)
    if state is None or isinstance(state, Submitted):
        # A check that is still to be made comes back when the lease of the timer ends, not at once.
        return None
    return _run_out(state, law, now) or Decision(state)


def purged(state: ApplicationState | None) -> Decision[ApplicationState] | None:
    """Record that the blobs of a closed application are deleted."""
    if not isinstance(state, ClosedApplication) or state.purged:
        return None
    return Decision(evolve(state, ClosedApplication, purged=True))


def unknown() -> Refused:
    """Return the refusal of an application that is not there, or not the asker's to see."""
    return Refused(KandasRefusal.APPLICATION_UNKNOWN)


def owned_by(state: ApplicationState | None, citizen_id: str) -> ApplicationState:
    """Return the application if it is this citizen's, also when it is over."""
    if state is None or state.citizen_id != citizen_id:
        raise unknown()
    return state


def kept(state: ApplicationState | None) -> KeptApplication:
    """Return the application while its contents are kept."""
    if state is None:
        raise unknown()
    if isinstance(state, ClosedApplication):
        raise Refused(KandasRefusal.APPLICATION_CLOSED)
    return state


def _run_out(state: ApplicationState, law: Law, now: datetime) -> Decision[ApplicationState] | None:
    match state:
        case Draft() if now >= state.expires_at:
            return step(closed(state, "application.not_signed", now), now, "application.closed")
        case Returned() if now >= state.expires_at and not state.unsealed():
            lapsed = KandasReturned(reason="application.lapsed", citizen_id=state.citizen_id)
            after = finished(state, law, now) if state.decisions else closed(state, "application.lapsed", now)
            return step(after, now, "application.lapsed", lapsed)
        case Decided() if now >= state.documents_until:
            return step(closed(state, "application.purged", now), now, "application.purged")
        case Decided() if now >= state.attachments_until and state.attachments:
            return step(evolve(state, Decided, attachments=()), now, "application.attachments_purged")
        case _:
            return None


def _draft(application_id: str, request: ApplicationRequest, law: Law, now: datetime) -> Draft:
    if any(form.citizenship in CITIZENS_OF_KAZAKHSTAN for _, form in request.people):
        raise Refused(KandasRefusal.PERSON_ALREADY_CITIZEN)
    law.book.on(today(now)).term_days(request.service)
    persons = [
        Candidate(
            id=f"p{number}",
            role=role,
            form=Sealed(form),
            needed=documents_needed(request.service, form, applicant=role == "applicant"),
        )
        for number, (role, form) in enumerate(request.people, start=1)
    ]
    return Draft(
        id=application_id,
        citizen_id=request.citizen_id,
        service=request.service,
        region=request.region,
        persons=tuple(persons),
        opened_at=now,
        expires_at=now + law.draft,
    )


def _request_of(application: KandasApplication) -> tuple[object, ...]:
    people = tuple((person.role, person.form.value) for person in application.persons)
    return application.citizen_id, application.service, application.region, people


def _editable(state: ApplicationState | None) -> Draft | Returned:
    match state:
        case Draft() | Returned():
            return state
        case None:
            raise unknown()
        case _:
            raise Refused(KandasRefusal.APPLICATION_NOT_EDITABLE)


def _complete(application: KandasApplication) -> None:
    missing = application.missing()
    if missing:
        raise Refused(
            KandasRefusal.DOCUMENTS_MISSING, missing=[{"person": person, "kind": str(kind)} for person, kind in missing]
        )


def _applicants_own(application: KandasApplication, signing: Signing) -> None:
    if signing.signature.document_sha256 != signing.document_sha256:
        raise Refused(KandasRefusal.SIGNATURE_OTHER_DOCUMENT)
    if signing.iin != application.persons[0].form.value.iin:
        raise Refused(KandasRefusal.SIGNATURE_NOT_APPLICANT)
    usable(signing.certificate, application.citizen_id, signing.iin, signing.signature.at)


def _joined(answer: CheckAnswer, obstacles: tuple[RefusalGround, ...]) -> CheckAnswer:
    reasons = dict.fromkeys([*answer.reasons, *map(str, obstacles)])
    return CheckAnswer(person=answer.person, clear=answer.clear and not obstacles, reasons=tuple(reasons))
