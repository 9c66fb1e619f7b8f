from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from libs.common.contracts.http.kandas import ApplicantForm
from libs.common.contracts.kandas import (
    CheckAnswer,
    DocumentKind,
    KandasDecision,
    KandasExtended,
    KandasGranted,
    KandasRefused,
    RefusalGround,
)
from libs.common.core.errors import Refused
from libs.common.core.model import evolve
from libs.common.delivery.decisions import Decision
from services.kandas.application import domain
from services.kandas.application.states import ApplicationState, Checked, Decided, KandasApplication, Returned, wake_at
from services.kandas.documents.domain import record_document
from services.kandas.office import domain as office
from services.kandas.office.domain import OfficerDecision
from tests.unit.kandas.factories import APPLICANT, LAW, NOW, SERIAL, Given, extension, signing

GRANT = OfficerDecision("p1", "granted", (), "officer-1")
REFUSE = OfficerDecision("p1", "refused", (RefusalGround.FALSE_DATA,), "officer-1")


def test_a_decision_is_published_only_when_its_sealed_document_is_stored(given: Given) -> None:
    made = office.decide(given.checked(), GRANT, given.law, NOW)
    assert made is not None
    assert (made.events, wake_at(made.state)) == ((), NOW), "the document is to be made at once"

    published = record_document(made.state, "p1", "d" * 64, given.law, NOW)

    assert published is not None
    (event,) = published.events
    assert isinstance(event, KandasGranted)
    assert (event.person, event.valid_until, event.rules) == ("p1", date(2027, 3, 2), "2025-10-26")
    assert event.document_sha256 == "d" * 64
    assert record_document(published.state, "p1", "e" * 64, given.law, NOW) is None, "only the first one counts"


def test_the_last_decision_ends_the_application(given: Given) -> None:
    assert isinstance(given.decided("p1", "p2"), Checked)
    assert isinstance(given.decided("p1", "p2", "p3"), Decided)


def test_a_decision_is_final_and_the_same_words_change_nothing(given: Given) -> None:
    state = given.decided("p1")
    assert office.decide(state, GRANT, given.law, NOW) is None
    with pytest.raises(Refused) as error:
        office.decide(state, REFUSE, given.law, NOW)
    assert error.value.key == "decision.already_made"


@pytest.mark.parametrize(
    ("verdict", "key"),
    [
        (OfficerDecision("p1", "extended", (), "o"), "decision.other_service"),
        (OfficerDecision("p1", "refused", (), "o"), "decision.reason_missing"),
        (OfficerDecision("p1", "granted", (RefusalGround.FALSE_DATA,), "o"), "decision.reason_needless"),
        (OfficerDecision("p9", "granted", (), "o"), "person.unknown"),
    ],
)
def test_what_the_rules_do_not_allow_is_refused_with_its_key(given: Given, verdict: OfficerDecision, key: str) -> None:
    with pytest.raises(Refused) as error:
        office.decide(given.checked(), verdict, given.law, NOW)
    assert error.value.key == key


def test_a_person_with_an_obstacle_can_only_be_refused(given: Given) -> None:
    checked = given.checked(clear=lambda person: person != "p1")
    with pytest.raises(Refused) as error:
        office.decide(checked, GRANT, given.law, NOW)
    assert error.value.key == "decision.check_not_clear"
    made = office.decide(checked, REFUSE, given.law, NOW)
    assert made is not None
    published = record_document(made.state, "p1", "d" * 64, given.law, NOW)
    assert published is not None
    assert isinstance(published.events[0], KandasRefused)
    assert published.events[0].reasons == ("refusal.false_data",)


def test_an_extension_runs_from_the_end_of_the_status_before(given: Given) -> None:
    form = evolve(APPLICANT, ApplicantForm, previous_end=date(2026, 2, 1))
    made = office.decide(
        Given(given.law, extension(form)).checked(), OfficerDecision("p1", "extended", (), "o"), given.law, NOW
    )
    assert made is not None
    published = record_document(made.state, "p1", "d" * 64, given.law, NOW)
    assert published is not None
    assert isinstance(published.events[0], KandasExtended)
    assert published.events[0].valid_until == date(2026, 8, 1)


@pytest.mark.parametrize(("stage", "key"), [("draft", "application.unknown"), ("submitted", "application.not_checked")])
def test_nothing_is_decided_before_the_ministry_answered(given: Given, stage: str, key: str) -> None:
    state: ApplicationState = given.draft() if stage == "draft" else given.submitted()
    with pytest.raises(Refused) as error:
        office.decide(state, GRANT, given.law, NOW)
    assert error.value.key == key


def test_documents_sent_back_for_must_be_brought_and_signed_for_again(given: Given) -> None:
    back = office.send_back(given.checked(), [("p3", DocumentKind.PHOTO)], given.law, NOW)

    assert back is not None
    assert isinstance(back.state, Returned)
    assert back.state.missing() == (("p3", DocumentKind.PHOTO),)
    with pytest.raises(Refused) as error:
        domain.sign(back.state, signing("2"), given.law)
    assert error.value.key == "documents.missing"


def test_a_decision_made_before_a_revocation_still_gets_its_document(given: Given) -> None:
    made = office.decide(given.checked(), GRANT, given.law, NOW)
    assert made is not None
    back = domain.certificate_revoked(made.state, SERIAL, given.law, NOW)
    assert back is not None
    assert wake_at(back.state) == NOW, "the document is still to be made"
    published = record_document(back.state, "p1", "d" * 64, given.law, NOW)
    assert published is not None
    assert [type(event) for event in published.events] == [KandasGranted]
    assert isinstance(published.state, Returned)


Step = Callable[[], Decision[ApplicationState] | None]
PERSONS = st.sampled_from(["p1", "p2", "p3"])
STEPS = st.one_of(
    st.tuples(st.just("grant"), PERSONS),
    st.tuples(st.just("refuse"), PERSONS),
    st.tuples(st.just("document"), PERSONS),
    st.tuples(st.just("revoke"), st.just("")),
    st.tuples(st.just("sign"), st.sampled_from("0123456789")),
    st.tuples(st.just("check"), st.sampled_from("123")),
    st.tuples(st.just("tick"), st.just("")),
)


@for_all(st.lists(STEPS, max_size=40))
def test_whatever_comes_in_whatever_order_each_person_gets_at_most_one_decision(steps: list[tuple[str, str]]) -> None:
    state: ApplicationState = Given().checked()
    decided: list[str] = []
    for name, argument in steps:
        try:
            decision = _step(state, name, argument)
        except Refused:
            continue
        if decision is not None:
            state = decision.state
            decided += [event.person for event in decision.events if isinstance(event, KandasDecision)]

    assert len(decided) == len(set(decided))
    assert isinstance(state, KandasApplication)
    assert sorted(d.person for d in state.decisions if d.document_sha256) == sorted(decided)
    assert isinstance(state, Decided) == (len(decided) == 3)


def _step(state: ApplicationState, name: str, argument: str) -> Decision[ApplicationState] | None:
    answers = [CheckAnswer(person=person, clear=True) for person in ("p1", "p2", "p3")]
    refused = OfficerDecision(argument, "refused", (RefusalGround.FALSE_DATA,), "o")
    steps: dict[str, Step] = {
        "grant": lambda: office.decide(state, OfficerDecision(argument, "granted", (), "o"), LAW, NOW),
        "refuse": lambda: office.decide(state, refused, LAW, NOW),
        "document": lambda: record_document(state, argument, "d" * 64, LAW, NOW),
        "revoke": lambda: domain.certificate_revoked(state, SERIAL, LAW, NOW),
        "sign": lambda: domain.sign(state, signing(argument), LAW),
        "check": lambda: domain.record_check(state, int(argument), answers, LAW, NOW),
        "tick": lambda: domain.tick(state, LAW, NOW),
    }
    return steps[name]()
