"""What relying parties are told about certificates, and whether outside judges believe it."""

import asyncio
import base64
from collections.abc import Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import quote

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.ocsp import OCSPCertStatus, OCSPResponseStatus
from cryptography.x509.oid import AuthorityInformationAccessOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.common.core.errors import Unavailable
from libs.common.testing.faults import Crash, Faults
from services.ca.model.ids import CertificateId
from services.ca.model.status import Known, RevokedStatus
from services.ca.ocsp.questions import MAX_OCTETS, MAX_QUESTIONS, OcspRefused, read_questions
from services.ca.ocsp.service import PREPARED_FOR
from tests.fuzz.ber_forms import opened
from tests.unit.ca.hierarchies import CertificationAuthority, establish, pem
from tests.unit.ca.judges import lint_ocsp
from tests.unit.ca.ocsp_harness import URL, OcspHost, openssl
from tests.unit.ca.office import World

SUCCESSFUL, MALFORMED, TRY_LATER, UNAUTHORIZED = (
    OCSPResponseStatus.SUCCESSFUL,
    OCSPResponseStatus.MALFORMED_REQUEST,
    OCSPResponseStatus.TRY_LATER,
    OCSPResponseStatus.UNAUTHORIZED,
)
NONCE = bytes(range(32))
MALFORMED_DER = bytes.fromhex("30030a0101")
HOSTILE = (
    b"",
    b"\x30",
    b"\x30" * 5000,
    b"\x30\x80\x00\x00",
    bytes(MAX_OCTETS + 1),
    b"\x30\x84\xff\xff\xff\xff",
    b"A" * 3_000_000,
)


@pytest_asyncio.fixture
async def counter(world: World, authority: CertificationAuthority) -> OcspHost:
    return await OcspHost(world, authority).open()


@pytest.mark.parametrize("digest", [hashes.SHA1(), hashes.SHA256()], ids=lambda digest: digest.name)  # noqa: S303 - what clients send
async def test_a_certificate_is_good_until_it_is_revoked_and_then_revoked_for_its_reason(
    counter: OcspHost, digest: hashes.HashAlgorithm
) -> None:
    certificate = await counter.citizen()
    question = counter.question(certificate, digest=digest)

    before = await counter.asked(question)
    counter.world.now += timedelta(seconds=5)
    await counter.revoke(certificate, "keyCompromise")
    after = await counter.asked(question)

    assert before.certificate_status is OCSPCertStatus.GOOD
    assert after.certificate_status is OCSPCertStatus.REVOKED
    assert after.revocation_reason is x509.ReasonFlags.key_compromise
    assert after.revocation_time_utc == counter.world.now
    assert after.hash_algorithm.name == digest.name


async def test_a_revocation_is_told_within_a_second_by_a_replica_that_answered_good_before(
    counter: OcspHost, world: World, authority: CertificationAuthority
) -> None:
    other = await OcspHost(world, authority).open()
    certificate = await counter.citizen()
    question = counter.question(certificate)
    assert (await other.asked(question)).certificate_status is OCSPCertStatus.GOOD

    await counter.revoke(certificate, "superseded")
    world.now += timedelta(seconds=1)

    for replica in (other, counter):
        assert (await replica.asked(question)).certificate_status is OCSPCertStatus.REVOKED
        fresh = replica.question(certificate, NONCE)
        assert (await replica.asked(fresh)).certificate_status is OCSPCertStatus.REVOKED


async def test_replicas_share_one_responder_certificate(
    counter: OcspHost, world: World, authority: CertificationAuthority
) -> None:
    other = await OcspHost(world, authority).open()
    question = counter.question(authority.hierarchy.seal)

    assert (await counter.asked(question)).certificates == (await other.asked(question)).certificates


@pytest.mark.parametrize("number", [(1 << 126) + 5, 7, 0, -5, 1 << 300])
async def test_a_number_never_issued_is_unknown_never_good(counter: OcspHost, number: int) -> None:
    try:
        question = counter.question_about(number)
    except ValueError:  # the client's library makes no such request: it is written by hand
        question = counter.question_about(7).replace(
            b"\x02\x01\x07", b"\x02\x01" + number.to_bytes(1, "big", signed=True)
        )

    answer = await counter.asked(question)

    assert answer.response_status is SUCCESSFUL
    assert answer.certificate_status is OCSPCertStatus.UNKNOWN


async def test_a_number_reserved_for_a_certificate_that_is_not_stored_yet_is_unknown(counter: OcspHost) -> None:
    await counter.world.book.take("serial", f"{(1 << 126) + 9:x}", "7a4b3f0e-5a35-4d0a-9a51-6a5b8f6f4a09")

    assert (await counter.asked(counter.question_about((1 << 126) + 9))).certificate_status is OCSPCertStatus.UNKNOWN


async def test_the_operators_own_certificates_are_good(counter: OcspHost, authority: CertificationAuthority) -> None:
    for certificate in (authority.hierarchy.seal, authority.hierarchy.tsa):
        answer = await counter.asked(counter.question(certificate))
        assert answer.certificate_status is OCSPCertStatus.GOOD


async def test_a_look_alike_authoritys_certificate_is_none_of_ours(counter: OcspHost, tmp_path: Path) -> None:
    stranger = establish(tmp_path)

    answer = await counter.asked(counter.question(stranger.hierarchy.seal, issuer=stranger.issuing))

    assert answer.response_status is UNAUTHORIZED


@pytest.mark.parametrize(("octets", "kept"), [(0, True), (200, False)])
async def test_a_question_padded_to_be_one_of_many_is_answered_but_its_answer_is_not_kept(
    counter: OcspHost, *, octets: int, kept: bool
) -> None:
    certificate, above = counter.authority.hierarchy.seal, counter.authority.issuing
    padding = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55738.1"), bytes(octets))
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, above, hashes.SHA256())
    question = builder.add_extension(padding, critical=False).build().public_bytes(Encoding.DER)

    first = await counter.asked(question)
    counter.world.now += timedelta(seconds=1)
    second = await counter.asked(question)

    assert first.certificate_status is second.certificate_status is OCSPCertStatus.GOOD
    assert (first.produced_at_utc == second.produced_at_utc) is kept


@pytest.mark.parametrize("octets", [1, 16, 32, 128])
async def test_the_nonce_comes_back_as_it_was_sent(counter: OcspHost, octets: int) -> None:
    nonce = bytes(range(octets))

    answer = await counter.asked(counter.question(counter.authority.hierarchy.seal, nonce))

    assert answer.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == nonce


@pytest.mark.parametrize("octets", [0, 129])
async def test_a_nonce_of_impossible_length_is_malformed(counter: OcspHost, octets: int) -> None:
    answer = await counter.asked(counter.question(counter.authority.hierarchy.seal, bytes(octets)))

    assert answer.response_status is MALFORMED


async def test_openssl_believes_each_answer_of_a_request_about_several_certificates(
    counter: OcspHost, tmp_path: Path
) -> None:
    good, revoked = [x509.load_pem_x509_certificate(each.text.value.pem.encode()) for each in await counter.issued()]
    await counter.revoke(revoked, "keyCompromise")
    (tmp_path / "good.pem").write_bytes(pem(good))
    (tmp_path / "revoked.pem").write_bytes(pem(revoked))
    home = counter.authority.directory
    about = ("ocsp", "-issuer", home / "issuing.pem", "-cert", tmp_path / "good.pem", "-cert", tmp_path / "revoked.pem")
    openssl(*about, "-reqout", tmp_path / "request.der")

    (tmp_path / "response.der").write_bytes((await counter.ocsp.answer((tmp_path / "request.der").read_bytes())).der)
    at = str(int(counter.world.now.timestamp()) + 1)
    judged = ("-respin", tmp_path / "response.der", "-CAfile", home / "chain.pem", "-attime", at)
    echoed = openssl("ocsp", "-reqin", tmp_path / "request.der", *judged)
    said = openssl(*about, "-no_nonce", *judged, "-validity_period", "2000000000")

    assert "Response verify OK" in said
    assert echoed.strip() == "Response verify OK"  # it says so when the nonce is missing or another
    assert f"{tmp_path}/good.pem: good" in said
    assert f"{tmp_path}/revoked.pem: revoked" in said
    assert "Reason: keyCompromise" in said


@pytest.mark.parametrize("nonce", [None, NONCE], ids=["bare", "nonce"])
@pytest.mark.parametrize("status", list(OCSPCertStatus), ids=lambda status: status.name)
async def test_pkilint_finds_nothing_in_any_answer(
    counter: OcspHost, status: OCSPCertStatus, nonce: bytes | None
) -> None:
    certificate = await counter.citizen()
    if status is OCSPCertStatus.REVOKED:
        await counter.revoke(certificate, "privilegeWithdrawn")
    if status is OCSPCertStatus.UNKNOWN:
        certificate = stray(counter.authority)

    answer = await counter.ocsp.answer(counter.question(certificate, nonce))

    assert ocsp.load_der_ocsp_response(answer.der).certificate_status is status
    assert lint_ocsp(answer.der) == []


async def test_citizens_certificates_name_the_responder(counter: OcspHost) -> None:
    certificate = await counter.citizen()

    access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    named = [each.access_location.value for each in access if each.access_method == AuthorityInformationAccessOID.OCSP]
    assert named == [f"{counter.authority.publication.base_url}/issuing/ocsp"]


async def test_post_and_get_give_the_answer_and_only_a_bare_get_may_be_cached(counter: OcspHost) -> None:
    certificate = await counter.citizen()
    bare, fresh = counter.question(certificate), counter.question(certificate, NONCE)
    async with counter.http() as http:
        posted = await http.post(URL, content=bare, headers={"content-type": "application/ocsp-request"})
        kept = await http.get(f"{URL}/{quote(base64.b64encode(bare), safe='')}")
        unkept = await http.get(f"{URL}/{quote(base64.b64encode(fresh), safe='')}")

    for response in (posted, kept, unkept):
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/ocsp-response"
        assert ocsp.load_der_ocsp_response(response.content).certificate_status is OCSPCertStatus.GOOD
    assert posted.headers["cache-control"] == unkept.headers["cache-control"] == "no-store"
    assert kept.headers["cache-control"] == "max-age=60, public, no-transform, must-revalidate"
    assert parsedate_to_datetime(kept.headers["expires"]) == counter.world.now + timedelta(seconds=60)
    assert kept.headers["etag"].startswith('"')


async def test_what_is_revoked_may_be_cached_until_the_next_update_and_the_unknown_never(counter: OcspHost) -> None:
    certificate = await counter.citizen()
    await counter.revoke(certificate, "superseded")

    revoked = await counter.ocsp.answer(counter.question(certificate))
    unknown = await counter.ocsp.answer(counter.question_about(7))

    assert revoked.kept == timedelta(minutes=50)
    until = ocsp.load_der_ocsp_response(revoked.der).next_update_utc
    assert until is not None
    assert until >= counter.world.now + PREPARED_FOR + revoked.kept, "whoever asks last may keep it as long"
    assert unknown.kept == timedelta(0)


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: f"{hostile[:4].hex()}-{len(hostile)}")
async def test_hostile_bodies_are_malformed_requests_with_status_200(counter: OcspHost, hostile: bytes) -> None:
    async with counter.http() as http:
        answers = [await http.post(URL, content=hostile)]
        if 0 < len(hostile) < 10_000:
            answers.append(await http.get(f"{URL}/{quote(base64.b64encode(hostile), safe='')}"))

    assert {(answer.status_code, answer.content) for answer in answers} == {(200, MALFORMED_DER)}


async def test_a_question_in_ber_is_malformed(counter: OcspHost) -> None:
    question = counter.question_about(7)
    async with counter.http() as http:
        taken, refused = [await http.post(URL, content=each) for each in (question, opened(question))]

    assert taken.content != MALFORMED_DER
    assert refused.content == MALFORMED_DER


async def test_a_get_that_is_no_base64_is_malformed(counter: OcspHost) -> None:
    async with counter.http() as http:
        for text in ("Әліппе", "%%%", "a b", "=", "AAA"):
            answer = await http.get(f"{URL}/{quote(text, safe='')}")
            assert (answer.status_code, answer.content) == (200, MALFORMED_DER)


def too_many(counter: OcspHost) -> bytes:
    """One question too many, and each of them well-formed."""
    single = counter.question_about(7)[6:]  # of SEQUENCE, SEQUENCE, SEQUENCE OF: all short
    questions = single * (MAX_QUESTIONS + 1)
    for _ in range(3):
        questions = b"\x30\x82" + len(questions).to_bytes(2, "big") + questions
    return questions


async def test_more_questions_than_anyone_needs_are_refused(counter: OcspHost) -> None:
    assert (await counter.asked(too_many(counter))).response_status is MALFORMED


async def test_an_unknown_critical_extension_is_refused(counter: OcspHost) -> None:
    builder = ocsp.OCSPRequestBuilder().add_certificate(
        counter.authority.hierarchy.seal, counter.authority.issuing, hashes.SHA256()
    )
    strange = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    for critical, expected in ((True, MALFORMED), (False, SUCCESSFUL)):
        request = builder.add_extension(strange, critical=critical).build().public_bytes(Encoding.DER)
        assert (await counter.asked(request)).response_status is expected


async def test_evidence_misses_no_revocation_though_a_look_was_under_way_that_came_too_early_for_it(
    counter: OcspHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = await counter.citizen()
    await counter.asked(counter.question(certificate))  # remembered as good
    lookup, may_answer, ask_again = asyncio.Event(), asyncio.Event(), counter.statuses.changed_since

    async def slow(moment: datetime) -> Sequence[tuple[CertificateId, Known]]:
        seen = await ask_again(moment)
        lookup.set()
        await may_answer.wait()
        return seen

    monkeypatch.setattr(counter.statuses, "changed_since", slow)
    counter.world.now += timedelta(seconds=1)
    early = asyncio.create_task(counter.asked(counter.question(certificate)))
    await lookup.wait()
    await counter.revoke(certificate, "keyCompromise")
    asked = asyncio.create_task(counter.ocsp.evidence(certificate))
    await asyncio.sleep(0)
    may_answer.set()
    status, der = await asked
    assert isinstance(status, RevokedStatus)
    assert ocsp.load_der_ocsp_response(der).certificate_status is OCSPCertStatus.REVOKED
    await early


async def test_without_a_store_the_answer_is_to_try_later(counter: OcspHost, monkeypatch: pytest.MonkeyPatch) -> None:
    question = counter.question(await counter.citizen())

    async def down(*_: object, **__: object) -> None:
        raise Unavailable("the store does not answer")

    monkeypatch.setattr(counter.statuses, "changed_since", down)
    counter.world.now += timedelta(seconds=1)
    assert (await counter.asked(question)).response_status is TRY_LATER


async def test_before_the_responder_is_certified_the_answer_is_to_try_later(
    world: World, authority: CertificationAuthority
) -> None:
    early = OcspHost(world, authority)

    assert (await early.asked(early.question(authority.hierarchy.seal))).response_status is TRY_LATER


async def test_the_responders_certificate_is_renewed_before_it_ends_and_answers_go_on(counter: OcspHost) -> None:
    question = counter.question(counter.authority.hierarchy.seal)
    seen = set()
    for _ in range(7):
        (certificate,) = (answer := await counter.asked(question)).certificates
        seen.add(certificate.serial_number)
        assert answer.response_status is SUCCESSFUL
        assert certificate.not_valid_after_utc > counter.world.now + timedelta(days=9)
        counter.world.now += timedelta(days=10)
        await counter.wake_due()
    assert len(seen) == 4


@pytest.mark.parametrize("step", range(1, 40))
async def test_the_responder_is_certified_once_wherever_the_process_dies(
    world: World, authority: CertificationAuthority, step: int
) -> None:
    try:
        await OcspHost(world, authority, Faults(step)).open()
    except Crash:
        world.now += timedelta(seconds=31)
    counter = await OcspHost(world, authority).open()

    (certificate,) = (await counter.asked(counter.question(authority.hierarchy.seal))).certificates

    assert world.book.owners["serial", f"{certificate.serial_number:x}"] == "authority/issuing/ocsp"
    certificate.verify_directly_issued_by(authority.issuing)


@given(changes=st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=4), end=st.binary(max_size=8))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_octets_are_read_or_refused_and_nothing_else(
    authority: CertificationAuthority, changes: list[tuple[int, int]], end: bytes
) -> None:
    whole = bytearray(OcspHost(World(), authority).question(authority.hierarchy.seal, NONCE))
    for position, value in changes:
        whole[position % len(whole)] = value
    try:
        questions = read_questions(bytes(whole) + end)
    except OcspRefused:
        return
    assert 1 <= len(questions.cert_ids) <= MAX_QUESTIONS


def stray(authority: CertificationAuthority) -> x509.Certificate:
    """A certificate that the authority's key signed, but that is in no record."""
    return authority.issue(authority.order(ec.generate_private_key(ec.SECP256R1()).public_key()))
