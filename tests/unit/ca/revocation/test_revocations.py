"""Who may revoke: signatures of the pair's keys, requests from the cabinet with their code, and nobody else."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from libs.common.contracts.identity import RevocationRequested
from libs.common.contracts.otp import OtpConfirmed
from libs.common.contracts.people import Contact
from libs.common.core.errors import Refused
from libs.common.core.sealing import Sealed
from services.ca.model.certificate import Certificate
from services.ca.revocation import confirmations
from services.ca.revocation.confirmations import Confirmation
from tests.unit.ca.hierarchies import NOW, establish
from tests.unit.ca.office import CITIZEN, NEWER, PHONE, STRANGER, Office, World, key
from tests.unit.ca.signing import Signer

REQUEST_ID = "7a4b3f0e-5a35-4d0a-9a51-6a5b8f6f4aff"


def signer(certificate: Certificate, number: int, folder: Path) -> Signer:
    return Signer(x509.load_pem_x509_certificate(certificate.text.value.pem.encode()), key(number), folder)


def order(serial: str, **changes: str) -> bytes:
    return json.dumps({"action": "revoke-certificate", "serial": serial, "reason": "keyCompromise"} | changes).encode()


def wish(serial: str, citizen_id: str = CITIZEN) -> RevocationRequested:
    return RevocationRequested(
        citizen_id=citizen_id,
        serial=serial,
        reason="keyCompromise",
        contact=Sealed(Contact(phone=PHONE)),
        person_ref="person-ref",
        phone_ref="phone-ref",
        expires_at=NOW + timedelta(minutes=15),
    )


async def refused(office: Office, request: bytes, signature: bytes) -> str:
    with pytest.raises(Refused) as error:
        await office.revocations.by_signature(request, signature)
    return error.value.key


async def live(office: Office) -> list[bool]:
    return [each.revoked_at is None for each in await office.certificates()]


@pytest.mark.parametrize("with_own_key", [True, False], ids=["its own key", "the other key of the pair"])
async def test_either_key_of_a_pair_revokes_a_certificate_without_session_or_phone(
    world: World, office: Office, tmp_path: Path, with_own_key: bool
) -> None:
    sign, auth = await office.issued()
    request = order(sign.serial)
    signature = (signer(sign, 1, tmp_path) if with_own_key else signer(auth, 2, tmp_path)).cms(data=request)
    for _ in range(2):
        await office.revocations.by_signature(request, signature)
    assert await live(office) == [False, True]
    assert [(each["serial"], each["reason"]) for each in world.sent("cert.revoked")] == [(sign.serial, "keyCompromise")]
    asked = [json.loads(each.fact.payload) for each in world.chain.entries if each.fact.kind == "revocation.asked"]
    assert [(each["by"], each["means"]) for each in asked] == [(CITIZEN, "signature")]


async def test_other_peoples_keys_altered_requests_and_look_alikes_revoke_nothing(
    office: Office, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    sign, _ = await office.issued()
    theirs, _ = await office.issued(NEWER, 3)
    request = order(sign.serial)
    stranger = establish(tmp_path_factory.mktemp("stranger"))
    alike = stranger.issue(stranger.order(key(1).public_key()))
    assert await refused(office, request, signer(theirs, 3, tmp_path).cms(data=request)) == "certificate.unknown"
    assert await refused(office, order(theirs.serial), signer(sign, 1, tmp_path).cms(data=request)) == (
        "signature.wrong_document"
    )
    assert await refused(office, request, Signer(alike, key(1), tmp_path).cms(data=request)) == ("signature.look_alike")
    for malformed in (b"", b"[]", order(sign.serial, action="sign"), order(sign.serial, reason="cACompromise")):
        assert await refused(office, malformed, b"0") == "revocation.malformed"
    assert await refused(office, request, b"0") == "signature.malformed"
    assert "keyCompromise" not in {each["reason"] for each in office.world.sent("cert.revoked")}


async def test_a_revoked_key_revokes_no_other(office: Office, tmp_path: Path) -> None:
    sign, auth = await office.issued()
    await office.revocations.by_clerk(sign.serial, "keyCompromise", "clerk-1")
    request = order(auth.serial)
    assert await refused(office, request, signer(sign, 1, tmp_path).cms(data=request)) == "certificate.revoked"
    assert await live(office) == [False, True]


@pytest.mark.parametrize("code_first", [True, False])
async def test_a_request_from_the_cabinet_is_carried_out_when_its_code_came_back(
    world: World, office: Office, code_first: bool
) -> None:
    sign, _ = await office.issued()
    halves = [wish(sign.serial), OtpConfirmed(phone_ref="phone-ref")]
    for half in reversed(halves) if code_first else halves:
        assert await live(office) == [True, True]
        await office.receive(half, REQUEST_ID)
        await office.receive(half, REQUEST_ID)
        await office.wake_due()
    assert await live(office) == [False, True]
    assert len(world.sent("cert.revoked")) == 1


@pytest.mark.parametrize("case", ["somebody else's", "too late", "unknown"])
async def test_a_confirmed_request_that_is_not_the_citizens_or_too_late_revokes_nothing(
    world: World, office: Office, case: str
) -> None:
    sign, _ = await office.issued()
    serial = "7f" * 16 if case == "unknown" else sign.serial
    await office.receive(wish(serial, STRANGER if case == "somebody else's" else CITIZEN), REQUEST_ID)
    world.now += timedelta(minutes=16 if case == "too late" else 1)
    await office.receive(OtpConfirmed(phone_ref="phone-ref"), REQUEST_ID)
    await office.wake_due()
    assert await live(office) == [True, True]
    assert not world.sent("cert.revoked")


@given(st.permutations(["ask", "ask", "other", "confirm", "confirm"]))
def test_the_first_word_counts_in_whatever_order_the_halves_come(steps: list[str]) -> None:
    state: Confirmation | None = None
    first = next(step for step in steps if step in {"ask", "other"})
    for step in steps:
        match step:
            case "ask":
                decision = confirmations.ask(state, wish("aa01"))
            case "other":
                decision = confirmations.ask(state, wish("bb02"))
            case _:
                decision = confirmations.confirm(state, NOW)
        state = state if decision is None else decision.state
    assert state is not None
    assert state.counts
    assert state.wish is not None
    assert state.wish.serial == {"ask": "aa01", "other": "bb02"}[first]
