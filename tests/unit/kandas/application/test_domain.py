from datetime import UTC, datetime, timedelta

import pytest

from libs.common.contracts.http.kandas import ApplicantForm, ApplicationForm
from libs.common.contracts.kandas import (
    CheckAnswer,
    DocumentKind,
    KandasChecked,
    KandasOverdue,
    KandasReturned,
    KandasSubmitted,
)
from libs.common.core.errors import Refused
from libs.common.core.model import evolve
from services.kandas.application import domain
from services.kandas.application.domain import ApplicationRequest
from services.kandas.application.states import (
    ApplicationState,
    Attachment,
    ClosedApplication,
    Decided,
    Draft,
    Returned,
    Submitted,
    wake_at,
)
from services.kandas.certificates.domain import revoked
from services.kandas.rules.law import Law
from services.kandas.rules.working_days import end_of
from tests.unit.kandas.factories import (
    APPLICANT,
    APPLICATION,
    CITIZEN,
    NOW,
    SERIAL,
    Given,
    extension,
    live,
    revocation,
    signing,
)


def key_of(error: pytest.ExceptionInfo[Refused]) -> str:
    return error.value.key


def test_a_draft_lists_each_person_and_what_to_attach(given: Given) -> None:
    draft = given.draft()
    assert [(person.id, person.role) for person in draft.persons] == [
        ("p1", "applicant"),
        ("p2", "spouse"),
        ("p3", "child"),
    ]
    assert len(draft.missing()) == 3 + 2 + 2


def test_opening_the_same_draft_twice_changes_nothing_and_another_under_its_id_is_refused(given: Given) -> None:
    draft = given.draft()
    alone = ApplicationRequest.of(CITIZEN, ApplicationForm(service="grant", region="KZ-75", applicant=APPLICANT))

    assert domain.open_draft(draft, APPLICATION, given.request, given.law, NOW) is None
    with pytest.raises(Refused) as error:
        domain.open_draft(draft, APPLICATION, alone, given.law, NOW)
    assert key_of(error) == "idempotency.other_content"


def test_a_citizen_of_kazakhstan_cannot_be_in_an_application(given: Given) -> None:
    citizen = evolve(APPLICANT, ApplicantForm, citizenship="KAZ")
    request = ApplicationRequest.of(CITIZEN, ApplicationForm(service="grant", region="KZ-75", applicant=citizen))
    with pytest.raises(Refused) as error:
        domain.open_draft(None, APPLICATION, request, given.law, NOW)
    assert key_of(error) == "person.already_citizen"


def test_a_document_nobody_asked_for_is_refused(given: Given) -> None:
    stray = Attachment(person="p2", kind=DocumentKind.AUTOBIOGRAPHY, media="image/jpeg", sha256="e" * 64, size=1)
    with pytest.raises(Refused) as error:
        domain.attach(given.draft(), stray)
    assert key_of(error) == "attachment.not_asked_for"


def test_a_document_attached_again_takes_the_place_of_the_first(given: Given) -> None:
    first = Attachment(person="p1", kind=DocumentKind.PHOTO, media="image/jpeg", sha256="e" * 64, size=1)
    second = evolve(first, Attachment, sha256="f" * 64)

    once = domain.attach(given.draft(), first)
    assert once is not None
    assert domain.attach(once.state, first) is None
    twice = domain.attach(once.state, second)
    assert twice is not None
    assert isinstance(twice.state, Draft)
    assert twice.state.attachments == (second,)


def test_an_incomplete_application_cannot_be_signed_and_says_what_is_missing(given: Given) -> None:
    with pytest.raises(Refused) as error:
        domain.sign(given.draft(), signing(), given.law)
    assert key_of(error) == "documents.missing"
    assert {"person": "p1", "kind": "autobiography"} in error.value.facts["missing"]  # type: ignore[operator]  # a fact is of any type


def test_a_signed_application_is_submitted_with_its_term_in_working_days(given: Given) -> None:
    decided = domain.sign(given.complete(), signing(), given.law)

    assert decided is not None
    assert isinstance(decided.state, Submitted)
    assert decided.state.due_on.isoformat() == "2026-03-05", "three working days after Monday 2 March"
    assert [type(event) for event in decided.events] == [KandasSubmitted]
    assert wake_at(decided.state) == NOW, "the ministry's check is to be made at once"
    assert domain.sign(decided.state, signing(), given.law) is None, "the same signature changes nothing"


def test_a_second_other_signature_on_a_submitted_application_is_refused(given: Given) -> None:
    with pytest.raises(Refused) as error:
        domain.sign(given.submitted(), signing("2"), given.law)
    assert key_of(error) == "application.not_editable"


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"document_sha256": "0" * 64}, "signature.other_document"),
        ({"iin": "061211600012"}, "signature.not_applicant"),
    ],
)
def test_a_signature_that_is_not_the_applicants_own_is_refused(given: Given, change: dict[str, str], key: str) -> None:
    base = signing()
    wrong = domain.Signing(**{name: change.get(name, getattr(base, name)) for name in base.__slots__})
    with pytest.raises(Refused) as error:
        domain.sign(given.complete(), wrong, given.law)
    assert key_of(error) == key


def test_a_signature_by_a_revoked_certificate_is_refused(given: Given) -> None:
    gone = revoked(live(), revocation())
    assert gone is not None
    with pytest.raises(Refused) as error:
        domain.sign(given.complete(), signing(certificate=gone.state), given.law)
    assert key_of(error) == "certificate.revoked"


def test_the_ministrys_answers_are_joined_with_what_the_calendar_says(law: Law) -> None:
    late = evolve(APPLICANT, ApplicantForm, previous_end=NOW.date() - timedelta(days=300))
    state = Given(law, extension(late)).submitted()

    decided = domain.record_check(state, 1, [CheckAnswer(person="p1", clear=True)], law, NOW)

    assert decided is not None
    (event,) = decided.events
    assert isinstance(event, KandasChecked)
    assert event.answers[0] == CheckAnswer(person="p1", clear=False, reasons=("refusal.extension_window_passed",))
    assert wake_at(decided.state) == end_of(state.due_on), "then it waits for an officer until the term ends"


def test_answers_to_an_older_signature_count_for_nothing(given: Given) -> None:
    state = given.submitted()
    answers = [CheckAnswer(person=person.id, clear=True) for person in state.persons]
    assert domain.record_check(state, 0, answers, given.law, NOW) is None


def test_an_answer_that_leaves_out_a_person_is_an_error(given: Given) -> None:
    with pytest.raises(ValueError, match="every person"):
        domain.record_check(given.submitted(), 1, [CheckAnswer(person="p1", clear=True)], given.law, NOW)


def test_a_revocation_before_the_decision_sends_the_application_back_to_be_signed_again(given: Given) -> None:
    decided = domain.certificate_revoked(given.checked(), SERIAL, given.law, NOW)

    assert decided is not None
    assert isinstance(decided.state, Returned)
    assert decided.events == (KandasReturned(reason="certificate.revoked", citizen_id=CITIZEN),)
    signed = domain.sign(decided.state, signing("2", at=NOW + timedelta(days=1)), given.law)
    assert signed is not None
    assert isinstance(signed.state, Submitted)
    assert (signed.state.round, signed.state.due_on.isoformat()) == (2, "2026-03-06")


def test_the_revocation_of_another_certificate_changes_nothing(given: Given) -> None:
    assert domain.certificate_revoked(given.checked(), "00", given.law, NOW) is None


def test_a_term_that_passes_is_reported_once(given: Given) -> None:
    checked = given.checked()
    late = end_of(checked.due_on)

    before = domain.tick(checked, given.law, late - timedelta(seconds=1))
    assert before is not None
    assert (before.events, wake_at(before.state)) == ((), late)
    overdue = domain.tick(checked, given.law, late)
    assert overdue is not None
    assert overdue.events == (KandasOverdue(due_on=checked.due_on, region="KZ-75"),)
    again = domain.tick(overdue.state, given.law, late + timedelta(days=1))
    assert again is not None
    assert (again.events, wake_at(again.state)) == ((), None)


def test_a_check_the_ministry_never_answers_becomes_overdue_too_and_stays_due(given: Given) -> None:
    submitted = given.submitted()
    overdue = domain.tick(submitted, given.law, end_of(submitted.due_on))
    assert overdue is not None
    assert [type(event) for event in overdue.events] == [KandasOverdue]
    assert domain.tick(overdue.state, given.law, end_of(submitted.due_on)) is None, "the timer's lease brings it back"


def test_what_nobody_signs_is_closed_and_holds_nothing_personal(given: Given) -> None:
    draft = given.draft()
    over = domain.tick(draft, given.law, draft.expires_at)
    assert over is not None
    assert isinstance(over.state, ClosedApplication)
    assert over.state.reason == "application.not_signed"
    assert not {"persons", "attachments"} & set(over.state.model_dump())
    assert wake_at(over.state) == draft.expires_at, "its blobs are to be deleted at once"
    purged = domain.purged(over.state)
    assert purged is not None
    assert wake_at(purged.state) is None


def test_a_returned_application_lapses_but_keeps_what_was_decided(given: Given) -> None:
    back = domain.certificate_revoked(given.decided("p1"), SERIAL, given.law, NOW)
    assert back is not None
    assert isinstance(back.state, Returned)

    lapsed = domain.tick(back.state, given.law, back.state.expires_at)

    assert lapsed is not None
    assert isinstance(lapsed.state, Decided)
    assert [decision.person for decision in lapsed.state.decisions] == ["p1"]
    assert lapsed.events == (KandasReturned(reason="application.lapsed", citizen_id=CITIZEN),)


def test_a_decided_application_loses_first_its_attachments_then_everything(given: Given) -> None:
    state = given.decided("p1", "p2", "p3")
    assert isinstance(state, Decided)
    assert state.documents_until == end_of(datetime(2027, 3, 2, tzinfo=UTC).date()) + timedelta(days=365)

    first = domain.tick(state, given.law, state.attachments_until)
    assert first is not None
    assert isinstance(first.state, Decided)
    assert (first.state.attachments, wake_at(first.state)) == ((), state.documents_until)
    last = domain.tick(first.state, given.law, state.documents_until)
    assert last is not None
    assert isinstance(last.state, ClosedApplication)


@pytest.mark.parametrize("situation", ["draft", "submitted", "checked"])
def test_whatever_is_not_over_has_a_timer(given: Given, situation: str) -> None:
    states: dict[str, ApplicationState] = {
        "draft": given.draft(),
        "submitted": given.submitted(),
        "checked": given.checked(),
    }
    assert wake_at(states[situation]) is not None
