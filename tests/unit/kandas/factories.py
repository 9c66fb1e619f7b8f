"""Applications and certificates in the states that tests begin from."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from libs.common.contracts.ca import CertIssued, CertRevoked
from libs.common.contracts.http.kandas import ApplicantForm, ApplicationForm, MemberForm
from libs.common.contracts.kandas import CheckAnswer
from libs.common.contracts.people import Person
from libs.common.core.model import evolve
from libs.common.core.sealing import Sealed
from services.kandas import settings
from services.kandas.application import domain
from services.kandas.application.domain import ApplicationRequest, Signing
from services.kandas.application.states import (
    ApplicantSignature,
    ApplicationState,
    Attachment,
    Checked,
    Draft,
    KandasApplication,
    Submitted,
)
from services.kandas.certificates import domain as certificates
from services.kandas.certificates.states import KnownCertificate, LiveCertificate
from services.kandas.documents.domain import record_document
from services.kandas.office import domain as office
from services.kandas.rules.domain import RuleBook
from services.kandas.rules.law import Law
from services.kandas.rules.working_days import WorkingDays

DATA = Path(settings.__file__).parent / "data"
NOW = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)  # a Monday
IIN = "830717350867"
CITIZEN = "7a4b3f0e-5a35-4d0a-9a51-6a5b8f6f4a01"
APPLICATION = "0f9d2a52-9d6e-4f0c-8c1e-3b0c1f4f2a11"
SERIAL = "4f" * 16
DIGEST = "ab" * 32

APPLICANT = ApplicantForm(
    iin=IIN,
    surname="Сейтжанұлы",
    given_name="Ерасыл",
    birth_date=date(1983, 7, 17),
    citizenship="CN",
    origin_country="CN",
    document_number="G12345678",
    document_in_state_language=True,
)
SPOUSE = MemberForm(
    surname="Қайратқызы",
    given_name="Айжан",
    birth_date=date(1986, 2, 1),
    citizenship="CN",
    origin_country="CN",
    document_number="G12345679",
    document_in_state_language=True,
    relation="spouse",
)
CHILD = evolve(SPOUSE, MemberForm, given_name="Нұрай", document_number="G12345680", relation="child")


DAYS = timedelta(days=1)
LAW = Law(RuleBook.load(DATA / "rules.json"), WorkingDays(), 30 * DAYS, 30 * DAYS, 90 * DAYS, 365 * DAYS)
FAMILY = ApplicationForm(service="grant", region="KZ-75", applicant=APPLICANT, family=(SPOUSE, CHILD))
REQUEST = ApplicationRequest.of(CITIZEN, FAMILY)


def extension(form: ApplicantForm) -> ApplicationRequest:
    return ApplicationRequest.of(CITIZEN, ApplicationForm(service="extension", region="KZ-75", applicant=form))


@dataclass(frozen=True)
class Given:
    """Applications brought to a state by the domain's own functions."""

    law: Law = LAW
    request: ApplicationRequest = REQUEST

    def draft(self) -> Draft:
        opened = domain.open_draft(None, APPLICATION, self.request, self.law, NOW)
        assert opened is not None
        assert isinstance(opened.state, Draft)
        return opened.state

    def complete(self, state: ApplicationState | None = None) -> ApplicationState:
        state = state or self.draft()
        assert isinstance(state, KandasApplication)
        for person, kind in state.missing():
            attachment = Attachment(person=person, kind=kind, media="application/pdf", sha256="c" * 64, size=9)
            decided = domain.attach(state, attachment)
            assert decided is not None
            state = decided.state
        return state

    def submitted(self) -> Submitted:
        decided = domain.sign(self.complete(), signing(), self.law)
        assert decided is not None
        assert isinstance(decided.state, Submitted)
        return decided.state

    def checked(self, clear: Callable[[str], bool] = lambda _person: True) -> Checked:
        state = self.submitted()
        answers = [CheckAnswer(person=p.id, clear=clear(p.id)) for p in state.persons]
        decided = domain.record_check(state, 1, answers, self.law, NOW)
        assert decided is not None
        assert isinstance(decided.state, Checked)
        return decided.state

    def decided(self, *persons: str) -> ApplicationState:
        state: ApplicationState = self.checked()
        for person in persons:
            made = office.decide(state, office.OfficerDecision(person, "granted", (), "officer-1"), self.law, NOW)
            assert made is not None
            published = record_document(made.state, person, "d" * 64, self.law, NOW)
            assert published is not None
            state = published.state
        return state


def issued(citizen: str = CITIZEN, iin: str = IIN) -> CertIssued:
    return CertIssued(
        serial=SERIAL,
        key_id="aa",
        issuer_key_id="bb",
        profile="SIGN",
        not_before=NOW - timedelta(days=1),
        not_after=NOW + timedelta(days=364),
        citizen_id=citizen,
        person_ref="ref",
        holder=Sealed(Person(iin=iin, surname="Сейтжанұлы", given_name="Ерасыл")),
    )


def revocation(at: datetime = NOW) -> CertRevoked:
    return CertRevoked(serial=SERIAL, profile="SIGN", reason="keyCompromise", revoked_at=at, citizen_id=CITIZEN)


def live() -> LiveCertificate:
    decided = certificates.issued(None, issued())
    assert decided is not None
    assert isinstance(decided.state, LiveCertificate)
    return decided.state


def signing(
    cms: str = "1", *, at: datetime = NOW, iin: str = IIN, certificate: KnownCertificate | None = None
) -> Signing:
    signature = ApplicantSignature(serial=SERIAL, document_sha256=DIGEST, cms_sha256=cms * 64, at=at)
    return Signing(signature, iin, DIGEST, certificate or live())
