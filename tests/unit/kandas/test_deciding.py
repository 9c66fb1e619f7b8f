from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from libs.common.contracts.kandas import CheckAnswer, KandasDecision, KandasExtended, KandasGranted, KandasRefused
from libs.common.core.errors import Refused
from libs.common.delivery.decisions import Decision
from services.kandas import deciding, domain
from services.kandas.deciding import Verdict
from services.kandas.domain import Order
from services.kandas.rules import DocumentKind, RefusalReason
from services.kandas.states import Application, Checked, Decided, Returned, State
from tests.unit.kandas.situations import APPLICANT, CITIZEN, LAW, NOW, SERIAL, Given, signing

GRANT = Verdict("p1", "granted", (), "officer-1")
REFUSE = Verdict("p1", "refused", (RefusalReason.FALSE_DATA,), "officer-1")


def test_a_decision_is_told_only_when_its_sealed_document_is_stored(given: Given) -> None:
    made = deciding.decide(given.checked(), GRANT, given.law, NOW)
    assert made is not None
    assert (made.events, made.wake_at) == ((), NOW), "the document is to be made at once"

    told = deciding.record_document(made.state, "p1", "d" * 64, given.law, NOW)

    assert told is not None
    (event,) = told.events
    assert isinstance(event, KandasGranted)
    assert (event.person, event.valid_until, event.rules) == ("p1", date(2027, 3, 2), "2025-10-26")
    assert event.document_sha256 == "d" * 64
    assert deciding.record_document(told.state, "p1", "e" * 64, given.law, NOW) is None, "only the first one counts"


def test_the_last_decision_ends_the_application(given: Given) -> None:
    assert isinstance(given.decided("p1", "p2"), Checked)
    assert isinstance(given.decided("p1", "p2", "p3"), Decided)


def test_a_decision_is_final_and_the_same_words_change_nothing(given: Given) -> None:
    state = given.decided("p1")
    assert deciding.decide(state, GRANT, given.law, NOW) is None
    with pytest.raises(Refused) as error:
        deciding.decide(state, REFUSE, given.law, NOW)
    assert error.value.key == "decision.already_made"


@pytest.mark.parametrize(
    ("verdict", "key"),
    [
        (Verdict("p1", "extended", (), "o"), "decision.other_service"),
        (Verdict("p1", "refused", (), "o"), "decision.reason_missing"),
        (Verdict("p1", "granted", (RefusalReason.FALSE_DATA,), "o"), "decision.reason_needless"),
        (Verdict("p9", "granted", (), "o"), "person.unknown"),
    ],
)
def test_what_the_rules_do_not_allow_is_refused_with_its_key(given: Given, verdict: Verdict, key: str) -> None:
    with pytest.raises(Refused) as error:
        deciding.decide(given.checked(), verdict, given.law, NOW)
    assert error.value.key == key


def test_a_person_with_an_obstacle_can_only_be_refused(given: Given) -> None:
    checked = given.checked(clear=lambda person: person != "p1")
    with pytest.raises(Refused) as error:
        deciding.decide(checked, GRANT, given.law, NOW)
    assert error.value.key == "decision.check_not_clear"
    made = deciding.decide(checked, REFUSE, given.law, NOW)
    assert made is not None
    told = deciding.record_document(made.state, "p1", "d" * 64, given.law, NOW)
    assert told is not None
    assert isinstance(told.events[0], KandasRefused)
    assert told.events[0].reasons == ("refusal.false_data",)


def test_an_extension_runs_from_the_end_of_the_status_before(given: Given) -> None:
    form = APPLICANT.model_copy(update={"previous_end": date(2026, 2, 1)})
    extension = Given(given.law, Order(CITIZEN, "extension", "KZ-75", form, ()))
    made = deciding.decide(extension.checked(), Verdict("p1", "extended", (), "o"), given.law, NOW)
    assert made is not None
    told = deciding.record_document(made.state, "p1", "d" * 64, given.law, NOW)
    assert told is not None
    assert isinstance(told.events[0], KandasExtended)
    assert told.events[0].valid_until == date(2026, 8, 1)


@pytest.mark.parametrize(
    ("situation", "key"), [("draft", "application.unknown"), ("submitted", "application.not_checked")]
)
def test_nothing_is_decided_before_the_ministry_answered(given: Given, situation: str, key: str) -> None:
    state: State = given.draft() if situation == "draft" else given.submitted()
    with pytest.raises(Refused) as error:
        deciding.decide(state, GRANT, given.law, NOW)
    assert error.value.key == key


def test_documents_sent_back_for_must_be_brought_and_signed_for_again(given: Given) -> None:
    back = deciding.send_back(given.checked(), [("p3", DocumentKind.PHOTO)], given.law, NOW)

    assert back is not None
    assert isinstance(back.state, Returned)
    assert back.state.missing() == (("p3", DocumentKind.PHOTO),)
    with pytest.raises(Refused) as error:
        domain.sign(back.state, signing("2"), given.law)
    assert error.value.key == "documents.missing"


def test_a_decision_made_before_a_revocation_still_gets_its_document(given: Given) -> None:
    made = deciding.decide(given.checked(), GRANT, given.law, NOW)
    assert made is not None
    back = domain.certificate_revoked(made.state, SERIAL, given.law, NOW)
    assert back is not None
    assert back.wake_at == NOW, "the document is still to be made"
    told = deciding.record_document(back.state, "p1", "d" * 64, given.law, NOW)
    assert told is not None
    assert [type(event) for event in told.events] == [KandasGranted]
    assert isinstance(told.state, Returned)


Step = Callable[[], Decision[State] | None]
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
    state: State = Given().checked()
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
    assert isinstance(state, Application)
    assert sorted(d.person for d in state.decisions if d.document_sha256) == sorted(decided)
    assert isinstance(state, Decided) == (len(decided) == 3)


def _step(state: State, name: str, argument: str) -> Decision[State] | None:
    answers = [CheckAnswer(person=person, clear=True) for person in ("p1", "p2", "p3")]
    refused = Verdict(argument, "refused", (RefusalReason.FALSE_DATA,), "o")
    steps: dict[str, Step] = {
        "grant": lambda: deciding.decide(state, Verdict(argument, "granted", (), "o"), LAW, NOW),
        "refuse": lambda: deciding.decide(state, refused, LAW, NOW),
        "document": lambda: deciding.record_document(state, argument, "d" * 64, LAW, NOW),
        "revoke": lambda: domain.certificate_revoked(state, SERIAL, LAW, NOW),
        "sign": lambda: domain.sign(state, signing(argument), LAW),
        "check": lambda: domain.record_check(state, int(argument), answers, LAW, NOW),
        "tick": lambda: domain.tick(state, LAW, NOW),
    }
    return steps[name]()
