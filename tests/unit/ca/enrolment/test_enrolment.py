"""When certificates are given and when not: facts in any order, requests, endings. The rules alone, and the service."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.contracts.biometrics import FaceMatched
from libs.common.contracts.ca import CertificateText, CertIssued
from libs.common.contracts.events import Event
from libs.common.core.errors import Refused
from libs.common.core.sealing import Sealed
from services.ca.enrolment import domain, lifecycle, states
from services.ca.enrolment.blocklists import read_blocklist
from services.ca.enrolment.facts import EnrolmentFacts, FactEvent
from services.ca.enrolment.lifecycle import KEPT
from services.ca.enrolment.states import EnrolmentState, wake_at
from services.ca.model.certificate import Certificate, IntentRecord, RequestedKey
from services.ca.problems import PROBLEMS
from tests.unit.ca.enrolment.blocklists import badkeys_of
from tests.unit.ca.hierarchies import NOW, PERSON, CertificationAuthority
from tests.unit.ca.judges import run
from tests.unit.ca.office import (
    CITIZEN,
    CREATED,
    FACTS,
    JOURNEY,
    MATCHED,
    NEWER,
    STARTED,
    VERIFIED,
    Office,
    World,
    closed,
    csr,
    csrs,
    key,
)

REQUESTS = (RequestedKey(profile="SIGN", spki="01"), RequestedKey(profile="AUTH", spki="02"))
NOTES: tuple[FactEvent, ...] = (STARTED, VERIFIED, MATCHED, CREATED)


def noted(facts: Sequence[FactEvent]) -> EnrolmentState | None:
    state: EnrolmentState | None = None
    for fact in facts:
        decision = domain.note(state, fact)
        if decision is not None:
            assert not decision.events
            state = decision.state
    return state


def certificate(profile: str, serial: str) -> Certificate:
    return Certificate.model_validate(
        {
            "serial": serial,
            "key_id": "01",
            "issuer_key_id": "02",
            "profile": profile,
            "not_before": NOW,
            "not_after": NOW,
            "crl_shard": 0,
            "text": Sealed(CertificateText(pem="")),
        }
    )


RECORDS = (Sealed(IntentRecord(intent="")),) * 2
CERTIFICATES = (certificate("SIGN", "aa01"), certificate("AUTH", "bb02"))


FACT_NAMES = ("person", "phone", "face", "citizen")
COMMANDS: dict[str, Callable[[EnrolmentState | None], domain.Result | None]] = {
    "accept": lambda state: domain.accept(state, REQUESTS, NOW),
    "other keys": lambda state: domain.accept(state, REQUESTS[::-1], NOW),
    "intend": lambda state: domain.intend(state, RECORDS, NOW),
    "issued": lambda state: domain.issued(state, CERTIFICATES, NOW),
    "refuse": lambda state: domain.refuse(state, "csr.malformed"),
    "give up": lambda state: domain.give_up(state, "name.unusable"),
    "void": lambda state: domain.void(state, CERTIFICATES, "profile.broken", NOW),
    "fail": lambda state: domain.close(state, "failed", "journey.x", NOW),
    "end": lambda state: domain.close(state, "completed", "journey.x", NOW),
}


def opened() -> EnrolmentState:
    state = noted(NOTES)
    assert isinstance(state, states.Open)
    return state


def issuing() -> EnrolmentState:
    decision = domain.accept(opened(), REQUESTS, NOW)
    assert decision is not None
    return decision.state


def intended() -> EnrolmentState:
    decision = domain.intend(issuing(), RECORDS, NOW)
    assert decision is not None
    return decision.state


def issued() -> EnrolmentState:
    decision = domain.issued(intended(), CERTIFICATES, NOW)
    assert decision is not None
    return decision.state


@given(st.permutations(NOTES * 2))
def test_facts_in_any_order_and_twice_open_the_enrolment_with_the_last_missing_one(
    facts: list[FactEvent],
) -> None:
    seen: list[FactEvent] = []
    state = None
    opened_at = []
    for fact in facts:
        was_open = isinstance(state, states.Open)
        decision = domain.note(state, fact)
        state = decision.state if decision is not None else state
        seen.append(fact)
        complete = all(each in seen for each in NOTES)
        assert isinstance(state, states.Open) is complete
        if isinstance(state, states.Open) and not was_open:
            opened_at.append(len(seen))
    assert len(opened_at) == 1
    assert isinstance(state, states.Open)
    assert (state.facts.citizen_id, state.facts.person_ref) == (CITIZEN, "person-ref")


@pytest.mark.parametrize("missing", range(len(NOTES)))
def test_without_any_one_fact_requests_are_refused_and_nothing_is_issued(missing: int) -> None:
    state = noted(NOTES[:missing] + NOTES[missing + 1 :])
    with pytest.raises(Refused) as error:
        domain.accept(state, REQUESTS, NOW)
    assert (error.value.key, PROBLEMS[error.value.key]) == ("enrolment.not_open", 409)
    assert domain.issued(state, CERTIFICATES, NOW) is None
    assert domain.intend(state, (), NOW) is None


@settings(max_examples=200)
@given(st.lists(st.sampled_from([*FACT_NAMES, *COMMANDS]), max_size=30))
def test_whatever_happens_in_whatever_order_certificates_are_told_once_and_only_with_all_facts(
    steps: list[str],
) -> None:
    notes = dict(zip(FACT_NAMES, NOTES, strict=True))
    state: EnrolmentState | None = None
    sent: list[Event] = []
    known: set[str] = set()
    for step in steps:
        try:
            if step in notes:
                decision = domain.note(state, notes[step])
                known.add(step)
            else:
                decision = COMMANDS[step](state)
        except Refused:
            continue
        if decision is not None:
            state = decision.state
            sent += decision.events
    serials = [event.serial for event in sent if isinstance(event, CertIssued)]
    assert serials in ([], ["aa01", "bb02"])
    assert not serials or known == set(notes)
    # What is on record when the steps stop still has its end before it: stored, or counted as revoked.
    recorded = isinstance(state, states.Issuing) and state.intents
    assert not recorded or domain.issued(state, CERTIFICATES, NOW) is not None
    assert not recorded or domain.void(state, CERTIFICATES, "profile.broken", NOW) is not None


def test_only_the_first_record_of_what_will_be_signed_counts() -> None:
    first, second = ((Sealed(IntentRecord(intent=name)),) for name in ("first", "second"))
    decision = domain.intend(issuing(), first, NOW)
    assert decision is not None
    assert domain.intend(decision.state, second, NOW) is None


def test_other_keys_are_refused_once_requests_were_taken_and_the_same_ones_change_nothing() -> None:
    for state in (issuing(), issued()):
        assert domain.accept(state, REQUESTS, NOW) is None
        with pytest.raises(Refused) as error:
            domain.accept(state, REQUESTS[::-1], NOW)
        assert error.value.key == "enrolment.other_keys"


def test_a_completed_journey_keeps_its_certificates_and_any_other_ending_revokes_both() -> None:
    assert domain.close(issued(), "completed", "journey.completed", NOW) is None
    for outcome in ("failed", "expired", "cancelled"):
        decision = domain.close(issued(), outcome, "journey.x", NOW)
        assert decision is not None
        assert {event.topic for event in decision.events} == {"cert.revoked"}
        assert len(decision.events) == 2
        again = domain.close(decision.state, outcome, "journey.x", NOW)
        assert again is None


def test_what_is_revoked_stays_so_for_its_first_reason() -> None:
    first = domain.revoke(issued(), "aa01", "keyCompromise", NOW)
    assert first is not None
    everything = domain.revoke(first.state, None, "superseded", NOW)
    assert everything is not None
    assert isinstance(everything.state, states.Issued)
    assert [each.revoked_for for each in everything.state.certificates] == ["keyCompromise", "superseded"]
    assert len(everything.events) == 1
    assert domain.revoke(everything.state, None, "unspecified", NOW) is None


def test_an_enrolment_is_not_settled_before_the_lists_hold_every_revocation() -> None:
    revoked = domain.revoke(issued(), None, "keyCompromise", NOW)
    assert revoked is not None
    half = lifecycle.settle(revoked.state, frozenset({"aa01"}), NOW, KEPT)
    assert half is not None
    assert isinstance(half.state, states.Issued)
    assert (half.state.settled, wake_at(half.state)) == (False, NOW)
    whole = lifecycle.settle(half.state, frozenset({"bb02"}), NOW, KEPT)
    assert whole is not None
    assert isinstance(whole.state, states.Issued)
    assert (whole.state.settled, wake_at(whole.state)) == (True, NOW + KEPT)


def test_long_after_their_end_certificates_lose_what_names_the_holder_and_keep_their_numbers_and_revocations() -> None:
    revoked = domain.revoke(issued(), "aa01", "keyCompromise", NOW)
    assert revoked is not None
    early = lifecycle.settle(revoked.state, frozenset({"aa01"}), NOW + KEPT - timedelta(seconds=1), KEPT)
    assert early is not None
    assert isinstance(early.state, states.Issued)
    late = lifecycle.settle(early.state, frozenset(), NOW + KEPT, KEPT)
    assert late is not None
    assert isinstance(late.state, states.Retired)
    assert [(each.serial, each.revoked_for) for each in late.state.certificates] == [
        ("aa01", "keyCompromise"),
        ("bb02", None),
    ]
    assert (late.events, wake_at(late.state)) == ((), None)
    kept = late.state.model_dump_json()
    assert "text" not in kept
    assert (late.state.facts, late.state.requests) == (EnrolmentFacts(), ())
    for follows in (
        domain.close(late.state, "failed", "journey.failed", NOW),
        domain.revoke(late.state, None, "unspecified", NOW),
        domain.note(late.state, VERIFIED),
        lifecycle.settle(late.state, frozenset(), NOW, KEPT),
    ):
        assert follows is None, "nothing brings it back"


def test_a_revocation_that_is_not_listed_yet_keeps_certificates_from_being_retired() -> None:
    revoked = domain.revoke(issued(), None, "keyCompromise", NOW)
    assert revoked is not None
    late = lifecycle.settle(revoked.state, frozenset({"aa01"}), NOW + 2 * KEPT, KEPT)
    assert late is not None
    assert isinstance(late.state, states.Issued)


async def test_a_journey_with_all_facts_gets_two_certificates_for_its_own_keys_that_openssl_accepts(
    world: World, office: Office, authority: CertificationAuthority, tmp_path_factory: pytest.TempPathFactory
) -> None:
    sign, auth = await office.issued()
    assert (sign.profile, auth.profile) == ("SIGN", "AUTH")
    folder = tmp_path_factory.mktemp("issued")
    for number, each in ((1, sign), (2, auth)):
        read = x509.load_pem_x509_certificate(each.text.value.pem.encode())
        assert read.public_key() == key(number).public_key()
        assert f"{read.serial_number:x}" == each.serial
        assert f"IIN{PERSON.iin}" in read.subject.rfc4514_string()
        (folder / "certificate.pem").write_text(each.text.value.pem)
        home = authority.directory
        run("openssl", "verify", "-attime", str(int(NOW.timestamp()) + 1), "-x509_strict", "-CAfile", home / "root.pem",
            "-untrusted", home / "issuing.pem", folder / "certificate.pem")  # fmt: skip
    sent = world.sent()
    assert [(each["topic"], each["serial"], each["profile"], each["citizen_id"]) for each in sent] == [
        ("cert.issued", sign.serial, "SIGN", CITIZEN),
        ("cert.issued", auth.serial, "AUTH", CITIZEN),
    ]
    assert [each["key_id"] for each in sent] == [sign.key_id, auth.key_id]


@settings(max_examples=15, deadline=None)
@given(st.permutations(FACTS * 2))
async def test_events_in_any_order_and_twice_lead_to_the_same_two_certificates(
    authority: CertificationAuthority, facts: list[Event]
) -> None:
    world = World()
    office = Office(world, authority)
    metas = {fact.topic: world.meta(fact, JOURNEY) for fact in FACTS}
    for fact in facts:
        await office.receive(fact, meta=metas[fact.topic])
    assert await office.state() == "open"
    await office.request(JOURNEY, *csrs())
    await office.wake_due()
    for fact in facts:
        await office.receive(fact, meta=metas[fact.topic])
    await office.wake_due()
    assert [each["profile"] for each in world.sent("cert.issued")] == ["SIGN", "AUTH"]


async def test_the_same_requests_again_give_the_same_two_certificates(world: World, office: Office) -> None:
    before = await office.issued()
    for _ in range(2):
        await office.request(JOURNEY, *csrs())
        await office.wake_due()
    assert [each.serial for each in await office.certificates()] == [each.serial for each in before]
    assert len(world.sent()) == 2


async def test_other_keys_are_refused_and_stay_free_for_the_next_journey(world: World, office: Office) -> None:
    await office.issued()
    with pytest.raises(Refused) as error:
        await office.request(JOURNEY, *csrs(3))
    assert error.value.key == "enrolment.other_keys"
    assert len(await office.issued(NEWER, 3)) == 2
    assert not world.sent("cert.refused")


async def test_a_bad_request_after_good_ones_does_not_undo_what_was_accepted(world: World, office: Office) -> None:
    await office.opened()
    await office.request(JOURNEY, *csrs())
    with pytest.raises(Refused):
        await office.request(JOURNEY, "no request", csrs()[1])
    await office.wake_due()
    assert len(await office.certificates()) == 2
    assert not world.sent("cert.refused")


async def test_keys_sent_before_the_time_or_after_the_end_stay_free_for_another_journey(office: Office) -> None:
    await office.receive(STARTED)
    for ending in (False, True):
        if ending:
            await office.receive(closed("cancelled"))
        with pytest.raises(Refused) as error:
            await office.request(JOURNEY, *csrs(5))
        assert error.value.key == ("enrolment.closed" if ending else "enrolment.not_open")
    assert len(await office.issued(NEWER, 5)) == 2


async def test_a_key_certified_in_another_journey_is_refused_whatever_it_is_for(world: World, office: Office) -> None:
    await office.issued()
    await office.opened(NEWER)
    fresh, auth_used = csr(key(7)), csrs()[1]
    for pair in ((auth_used, fresh), (fresh, csrs()[0])):
        with pytest.raises(Refused) as error:
            await office.request(NEWER, *pair)
        assert (error.value.key, PROBLEMS[error.value.key]) == ("csr.key_in_use", 422)
    assert [(each["journey"], each["reason"], each["final"]) for each in world.sent("cert.refused")] == [
        (NEWER, "csr.key_in_use", False)
    ] * 2
    assert await office.state(NEWER) == "open"


async def test_a_key_on_the_blocklist_is_refused_and_the_citizen_may_send_another(
    world: World, authority: CertificationAuthority, tmp_path: Path
) -> None:
    office = Office(world, authority, blocked_keys=read_blocklist(badkeys_of(tmp_path, [key(2).public_key()])))
    await office.opened()
    with pytest.raises(Refused) as error:
        await office.request(JOURNEY, *csrs())
    assert error.value.key == "csr.key_compromised"
    await office.request(JOURNEY, *csrs(3))
    await office.wake_due()
    assert len(await office.certificates()) == 2


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        (("no request", csrs()[1]), "csr.malformed"),
        ((csrs()[0], csrs()[0]), "csr.same_key_twice"),
        ((csrs()[0], "x" * 10_000), "csr.malformed"),
    ],
)
async def test_a_bad_request_is_told_and_the_citizen_may_send_a_better_one(
    world: World, office: Office, pair: tuple[str, str], reason: str
) -> None:
    await office.opened()
    with pytest.raises(Refused) as error:
        await office.request(JOURNEY, *pair)
    assert (error.value.key, PROBLEMS[error.value.key]) == (reason, 422)
    assert [(each["topic"], each["reason"], each["final"]) for each in world.sent()] == [
        ("cert.refused", reason, False)
    ]
    await office.request(JOURNEY, *csrs())
    await office.wake_due()
    assert len(await office.certificates()) == 2


async def test_a_name_that_cannot_stand_in_a_certificate_ends_the_matter_with_one_final_refusal(
    world: World, office: Office
) -> None:
    person = STARTED.person.value.model_copy(update={"surname": "А\u202eБ"})
    await office.opened(facts=(STARTED.model_copy(update={"person": Sealed(person)}), *FACTS[1:]))
    await office.request(JOURNEY, *csrs())
    await office.wake_due()
    await office.wake_due()
    assert [(each["topic"], each["reason"], each["final"]) for each in world.sent()] == [
        ("cert.refused", "name.unusable", True)
    ]
    assert await office.certificates() == ()


async def test_facts_after_the_end_of_a_journey_open_nothing(world: World, office: Office) -> None:
    await office.receive(closed("expired"))
    await office.opened()
    with pytest.raises(Refused) as error:
        await office.request(JOURNEY, *csrs())
    assert error.value.key == "enrolment.closed"
    assert world.sent() == []
    assert "person" not in str(world.rows["enrolments"].rows[JOURNEY].state)


async def test_facts_of_another_journey_do_not_complete_this_one(office: Office) -> None:
    await office.opened(facts=[fact for fact in FACTS if not isinstance(fact, FaceMatched)])
    await office.opened(NEWER, facts=[fact for fact in FACTS if isinstance(fact, FaceMatched)])
    assert (await office.state(), await office.state(NEWER)) == ("collecting", "collecting")
