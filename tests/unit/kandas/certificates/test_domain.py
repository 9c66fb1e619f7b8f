from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.contracts.ca import CertIssued, CertRevoked
from libs.common.core.errors import Refused
from libs.common.pki.trust import CLOCK_DIFFERENCE
from services.kandas.certificates import domain
from services.kandas.certificates.states import KnownCertificate, RevokedSeen
from services.kandas.problems import PROBLEMS
from tests.unit.kandas.factories import APPLICATION, CITIZEN, IIN, NOW, issued, live, revocation

FACTS = st.lists(st.sampled_from([issued(), revocation(), revocation(NOW + timedelta(hours=1))]), max_size=8)


def after(facts: list[CertIssued | CertRevoked]) -> KnownCertificate | None:
    state: KnownCertificate | None = None
    for fact in facts:
        decide = domain.issued if isinstance(fact, CertIssued) else domain.revoked
        decided = decide(state, fact)  # type: ignore[arg-type]  # the function goes with the kind of fact
        state = decided.state if decided else state
    return state


@given(FACTS, st.randoms())
def test_the_view_is_the_same_whatever_the_order_and_repetition_of_facts(
    facts: list[CertIssued | CertRevoked], random: object
) -> None:
    shuffled = facts + facts
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis hands over a random.Random
    assert after(shuffled) == after(facts)


@given(FACTS)
def test_once_revoked_never_usable_again(facts: list[CertIssued | CertRevoked]) -> None:
    state = after([*facts, revocation()])
    with pytest.raises(Refused) as error:
        domain.usable(state, CITIZEN, IIN, NOW)
    assert error.value.key == "certificate.revoked"


@pytest.mark.parametrize(
    ("change", "citizen", "iin", "key"),
    [
        ({"profile": "AUTH"}, CITIZEN, IIN, "certificate.wrong_profile"),
        ({"not_after": NOW}, CITIZEN, IIN, "certificate.expired"),
        ({"not_before": NOW + CLOCK_DIFFERENCE + timedelta(seconds=1)}, CITIZEN, IIN, "certificate.expired"),
        ({}, "somebody-else", IIN, "signature.not_applicant"),
        ({}, CITIZEN, "061211600012", "signature.not_applicant"),
    ],
)
def test_a_certificate_that_may_not_sign_is_refused_with_its_key(
    change: dict[str, object], citizen: str, iin: str, key: str
) -> None:
    state = live()
    with pytest.raises(Refused) as error:
        domain.usable(state.model_copy(update=change), citizen, iin, NOW)
    assert error.value.key == key


def test_a_certificate_of_an_authority_whose_clock_is_ahead_may_sign() -> None:
    state = live().model_copy(update={"not_before": NOW + CLOCK_DIFFERENCE})
    assert domain.usable(state, CITIZEN, IIN, NOW) == state


def test_a_certificate_whose_news_has_not_arrived_is_unknown_so_try_again() -> None:
    with pytest.raises(Refused) as error:
        domain.usable(None, CITIZEN, IIN, NOW)
    assert (error.value.key, PROBLEMS[error.value.key]) == ("certificate.unknown", 409)


def test_a_revocation_finds_the_applications_that_rest_on_the_certificate() -> None:
    state = live()
    noted = domain.relied_on(state, APPLICATION)
    assert noted is not None
    gone = domain.revoked(noted.state, revocation())
    assert gone is not None
    assert isinstance(gone.state, RevokedSeen)
    assert gone.state.applications == (APPLICATION,)
