"""What relying parties' systems are told: only what is wholly good is valid."""

import base64
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.common.cms import SignatureRefused, verify_detached
from libs.common.health import Health
from libs.common.http import create_app
from services.ca.verification import Verification
from services.ca.verification_api import verification_routes
from tests.unit.ca.authority import NOW, PERSON, CertificationAuthority, establish, pem
from tests.unit.ca.counter import Counter
from tests.unit.ca.judges import run
from tests.unit.ca.office import METRICS, World, key

DATA = "Өтініш".encode()

Asks = Callable[..., Any]


@pytest.fixture
def world() -> World:
    return World()


@pytest_asyncio.fixture
async def counter(world: World, authority: CertificationAuthority) -> Counter:
    return await Counter(world, authority).open()


@pytest.fixture
def asked(counter: Counter, world: World) -> Asks:
    verification = Verification(counter.authority.hierarchy.trust, counter.ocsp, world.clock)
    app = create_app("ca", metrics=METRICS, health=Health(), routers=[verification_routes(verification)])

    async def post(what: str, *, status: int = 200, **form: object) -> Any:
        readable = {name: text(value) for name, value in form.items()}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ca") as http:
            answer = await http.post(f"/v1/verify/{what}", json=readable)
        assert answer.status_code == status, answer.text
        return answer.json()

    return post


def text(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def signed(certificate: x509.Certificate, private: ec.EllipticCurvePrivateKey, folder: Path) -> bytes:
    """Let OpenSSL sign, as a citizen's program does."""
    (folder / "key.pem").write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / "certificate.pem").write_bytes(pem(certificate))
    (folder / "data").write_bytes(DATA)
    run("openssl", "cms", "-sign", "-binary", "-cades", "-md", "sha256", "-in", folder / "data", "-outform", "DER",
        "-signer", folder / "certificate.pem", "-inkey", folder / "key.pem", "-out", folder / "signature")  # fmt: skip
    return (folder / "signature").read_bytes()


async def test_a_good_certificate_is_valid_and_the_record_says_so_signed(counter: Counter, asked: Asks) -> None:
    certificate = await counter.citizen()

    verdict = await asked("certificate", certificate=der(certificate))

    proof = ocsp.load_der_ocsp_response(base64.b64decode(verdict["revocation"]["ocsp"]))
    assert (verdict["valid"], verdict["reason"], verdict["revocation"]["status"]) == (True, None, "good")
    assert proof.certificate_status is ocsp.OCSPCertStatus.GOOD
    assert proof.serial_number == certificate.serial_number
    assert verdict["signer"]["pem"].encode() == pem(certificate)


@pytest.mark.parametrize(
    ("reason", "before_it"), [("superseded", True), ("cessationOfOperation", True), ("keyCompromise", False)]
)
async def test_after_a_revocation_nothing_is_valid_and_before_it_only_if_the_key_was_not_lost(
    counter: Counter, asked: Asks, reason: Any, *, before_it: bool
) -> None:
    certificate = await counter.citizen()
    counter.world.now += timedelta(hours=1)
    await counter.revoke(certificate, reason)

    after = await asked("certificate", certificate=der(certificate))
    before = await asked("certificate", certificate=der(certificate), at=NOW + timedelta(minutes=1))

    assert (after["valid"], after["reason"]) == (False, "revoked")
    assert after["revocation"]["reason"] == reason
    assert before["valid"] is before_it


async def test_a_signature_is_valid_until_its_certificate_is_revoked(
    counter: Counter, asked: Asks, tmp_path: Path
) -> None:
    certificate = await counter.citizen()
    signature = signed(certificate, key(1), tmp_path)

    good = await asked("cms", cms=signature, data=DATA)
    other = await asked("cms", cms=signature, data=b"another document")
    await counter.revoke(certificate, "superseded")
    revoked = await asked("cms", cms=signature, data=DATA)

    assert (good["valid"], good["signer"]["serial_number"]) == (True, f"{certificate.serial_number:x}")
    assert [each["reason"] for each in (other, revoked)] == ["wrong_document", "revoked"]


async def test_a_certificate_of_our_key_that_is_in_no_record_is_not_valid(counter: Counter, asked: Asks) -> None:
    stray = counter.authority.issue(counter.authority.order(ec.generate_private_key(ec.SECP256R1()).public_key()))

    verdict = await asked("certificate", certificate=der(stray))

    assert (verdict["valid"], verdict["reason"]) == (False, "unknown_certificate")
    assert verdict["revocation"]["status"] == "unknown"


async def test_a_look_alikes_certificate_and_signature_are_a_strangers(asked: Asks, tmp_path: Path) -> None:
    look_alike = establish(tmp_path / "look-alike")
    private = ec.generate_private_key(ec.SECP256R1())
    forged = look_alike.issue(look_alike.order(private.public_key()))

    of_certificate = await asked("certificate", certificate=der(forged))
    of_signature = await asked("cms", cms=signed(forged, private, tmp_path), data=DATA)

    assert {each["reason"] for each in (of_certificate, of_signature)} == {"look_alike"}
    assert {each["valid"] for each in (of_certificate, of_signature)} == {False}


async def test_a_certificate_counts_for_its_purpose_and_its_time_alone(counter: Counter, asked: Asks) -> None:
    certificate = der(await counter.citizen())

    for form, reason in (
        ({"use": "AUTH"}, "wrong_profile"),
        ({"at": NOW - timedelta(days=1)}, "expired_certificate"),
        ({"at": counter.world.now + timedelta(seconds=1)}, "time_in_future"),
    ):
        verdict = await asked("certificate", certificate=certificate, **form)
        assert (verdict["valid"], verdict["reason"]) == (False, reason)


async def test_when_nobody_can_tell_of_revocation_nothing_is_called_valid(
    world: World, counter: Counter, asked: Asks
) -> None:
    certificate = der(await counter.citizen())
    world.rows["responders"].rows.clear()

    assert (await asked("certificate", status=503, certificate=certificate))["key"] == "verify.unavailable"


@pytest.mark.parametrize("junk", [b"", b"\x30", b"\x30" * 4000, b"\x30\x80\x00\x00", bytes(40_000)], ids=len)
async def test_junk_is_malformed(asked: Asks, junk: bytes) -> None:
    for verdict in (await asked("certificate", certificate=junk), await asked("cms", cms=junk, data=DATA)):
        assert (verdict["valid"], verdict["signer"]) == (False, None)
        assert verdict["reason"] in {"malformed", "not_der"}


async def test_forms_that_are_none_are_refused_and_not_repeated(asked: Asks) -> None:
    for form in ({}, {"certificate": "Әліппе"}, {"certificate": "", "at": "2026-03-02T09:00:00"}, {"certificate": 5}):
        answer = await asked("certificate", status=422, **form)
        assert "Әліппе" not in str(answer)


@given(changes=st.lists(st.tuples(st.integers(0), st.integers(0, 255)), min_size=1, max_size=4))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_mutated_signature_never_raises_anything_but_its_refusal(
    authority: CertificationAuthority, signature: bytes, changes: list[tuple[int, int]]
) -> None:
    mutated = bytearray(signature)
    for position, value in changes:
        mutated[position % len(mutated)] = value
    try:
        verified = verify_detached(bytes(mutated), DATA, authority.trust, NOW)
    except SignatureRefused:
        return
    assert verified.iin == PERSON.iin


@pytest.fixture(scope="module")
def signature(authority: CertificationAuthority, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    private = ec.generate_private_key(ec.SECP256R1())
    certificate = authority.issue(authority.order(private.public_key()))
    return signed(certificate, private, tmp_path_factory.mktemp("signed"))
