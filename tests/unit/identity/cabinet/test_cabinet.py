"""The cabinet: what others tell about a citizen's certificates and applications, in any order."""

from datetime import date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from libs.common.contracts.kandas import KandasExtended, KandasGranted, KandasRefused, KandasReturned, KandasSubmitted
from libs.common.core.sealing import Sealed
from libs.common.testing.harness import NOON
from services.identity.accounts.pins import PinHash
from services.identity.accounts.states import Citizen
from services.identity.cabinet import domain
from services.identity.cabinet.domain import CitizenFact
from tests.unit.identity.factories import CITIZEN, UNHURRIED, issued, resident, revoked

APPLICATION, OTHER = "application-1", "application-2"
SHA = "ab" * 32
UNTIL = date(2027, 3, 2)


def submitted(*persons: str) -> KandasSubmitted:
    return KandasSubmitted(
        service="grant",
        citizen_id=CITIZEN,
        region="KZ-75",
        persons=persons,
        document_sha256=SHA,
        certificate_serial="aa01",
    )


def granted(person: str, sha: str = SHA) -> KandasGranted:
    return KandasGranted(
        person=person,
        citizen_id=CITIZEN,
        decided_at=NOON,
        reasons=(),
        rules="r1",
        document_sha256=sha,
        valid_until=UNTIL,
    )


def refused(person: str) -> KandasRefused:
    return KandasRefused(
        person=person, citizen_id=CITIZEN, decided_at=NOON, reasons=("x",), rules="r1", document_sha256=SHA
    )


RETURNED = KandasReturned(reason="documents", citizen_id=CITIZEN)


def empty() -> Citizen:
    return Citizen(resident=Sealed(resident()), pin=Sealed(PinHash(encoded="hash")), registered_at=NOON)


Reported = tuple[CitizenFact, str, datetime]


def after(*reported: Reported) -> Citizen:
    citizen = empty()
    for fact, subject, at in reported:
        decision = domain.take_in(citizen, fact, subject, at)
        citizen = citizen if decision is None else decision.state
    return citizen


def minutes(number: int) -> datetime:
    return NOON + timedelta(minutes=number)


STORY: tuple[Reported, ...] = (
    (issued("SIGN"), "journey", minutes(0)),
    (issued("AUTH"), "journey", minutes(0)),
    (submitted("p1", "p2"), APPLICATION, minutes(1)),
    (RETURNED, APPLICATION, minutes(2)),
    (submitted("p1", "p2"), APPLICATION, minutes(3)),
    (granted("p1"), APPLICATION, minutes(4)),
    (refused("p2"), APPLICATION, minutes(5)),
    (submitted("p1"), OTHER, minutes(6)),
    (RETURNED, OTHER, minutes(7)),
    (revoked("aa01"), "journey", minutes(8)),
)


@UNHURRIED
@given(st.lists(st.sampled_from(STORY), max_size=6).flatmap(lambda more: st.permutations([*STORY, *more])))
def test_the_cabinet_is_the_same_whatever_the_order_and_repetition(
    reported: list[Reported],
) -> None:
    citizen = after(*reported)
    views = citizen.certificates.view()
    assert {(each.serial, each.revoked) for each in views} == {("aa01", True), ("bb02", False)}
    assert len(views) == 2
    applications = {each.application_id: each for each in citizen.applications}
    assert applications.keys() == {APPLICATION, OTHER}
    assert applications[APPLICATION].status == "decided"
    assert {(each.person, each.outcome, each.valid_until) for each in applications[APPLICATION].outcomes} == {
        ("p1", "granted", UNTIL),
        ("p2", "refused", None),
    }
    assert applications[APPLICATION].updated_at == minutes(5)
    assert applications[OTHER].status == "returned"


ROUNDS: tuple[Reported, ...] = (
    (submitted("p1"), APPLICATION, minutes(1)),
    (RETURNED, APPLICATION, minutes(2)),
    (submitted("p1"), APPLICATION, minutes(3)),
    (RETURNED, APPLICATION, minutes(4)),
    (submitted("p1"), APPLICATION, minutes(5)),
)


@UNHURRIED
@given(st.integers(1, len(ROUNDS)).flatmap(lambda number: st.permutations(ROUNDS[:number])))
def test_the_youngest_fact_tells_whether_an_application_is_submitted_or_returned(reported: list[Reported]) -> None:
    assert after(*reported).applications[0].status == ("submitted" if len(reported) % 2 else "returned")


def test_an_application_is_not_decided_while_one_person_waits() -> None:
    reported: list[Reported] = [
        (submitted("p1", "p2"), APPLICATION, minutes(1)),
        (granted("p1"), APPLICATION, minutes(2)),
    ]
    assert after(*reported).applications[0].status == "submitted"


def test_the_first_decision_about_a_person_stands() -> None:
    citizen = after(
        (granted("p1", "aa" * 32), APPLICATION, minutes(1)), (granted("p1", "bb" * 32), APPLICATION, minutes(2))
    )
    assert [each.document_sha256 for each in citizen.applications[0].outcomes] == ["aa" * 32]


def test_an_extension_shows_until_when_it_holds() -> None:
    extended = KandasExtended(
        person="p1", citizen_id=CITIZEN, decided_at=NOON, reasons=(), rules="r", document_sha256=SHA, valid_until=UNTIL
    )
    [outcome] = after((extended, APPLICATION, NOON)).applications[0].outcomes
    assert (outcome.outcome, outcome.valid_until) == ("extended", UNTIL)


def test_facts_about_somebody_unknown_make_no_citizen() -> None:
    assert domain.take_in(None, issued("SIGN"), "journey", NOON) is None
