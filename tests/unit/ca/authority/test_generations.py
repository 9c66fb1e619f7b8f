"""Several issuing authorities side by side: each certifies keys of its kind, and answers for what it issued."""

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.ocsp import OCSPCertStatus, OCSPResponseStatus
from cryptography.x509.oid import SignatureAlgorithmOID

from libs.common.pki.certificate_use import PERSON_SIGN
from services.ca.authority.hierarchy import HierarchyError, load
from services.ca.authority.issuers import PublicKey
from services.ca.ceremony.config import CeremonyConfig
from services.ca.model.certificate import Certificate
from services.ca.model.ids import ShardId
from services.ca.ocsp.questions import read_questions
from services.ca.verification.service import VerificationRequest, VerificationService
from tests.unit.ca.hierarchies import EC, NOW, RSA, CertificationAuthority, config, establish, keystore
from tests.unit.ca.judges import EXPLAINED, lint_certificate, lint_crl, lint_ocsp, run
from tests.unit.ca.ocsp_harness import OcspHost, openssl
from tests.unit.ca.office import CITIZEN, JOURNEY, World, csr

RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP384R1())


@pytest_asyncio.fixture
async def counter(authority: CertificationAuthority) -> OcspHost:
    return await OcspHost(World(), authority).open()


async def both_kinds(counter: OcspHost) -> tuple[Certificate, Certificate]:
    """A citizen signs with an RSA key, and signs in with an EC key."""
    await counter.lists.start()
    await counter.opened()
    await counter.request(JOURNEY, csr(RSA_KEY), csr(EC_KEY))
    await counter.wake_due()
    sign, auth = await counter.certificates()
    return sign, auth


def read(certificate: Certificate) -> x509.Certificate:
    return x509.load_pem_x509_certificate(certificate.text.value.pem.encode())


def named(issuer: x509.Certificate) -> tuple[bytes, bytes]:
    """What the digests of a question are made of: an issuer's name and key."""
    key = issuer.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return issuer.subject.public_bytes(), key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    return issuer.subject.public_bytes(), key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


async def test_an_rsa_key_is_certified_by_the_rsa_issuer_and_an_ec_key_by_the_ec_issuer(
    counter: OcspHost, authority: CertificationAuthority
) -> None:
    sign, auth = await both_kinds(counter)

    assert (sign.issuer, auth.issuer) == (RSA.label, EC.label)
    for each in (sign, auth):
        read(each).verify_directly_issued_by(authority.hierarchy.generation(each.issuer).certificate)
        assert each.issuer_key_id == authority.hierarchy.generation(each.issuer).issuer.key_identifier.hex()
    assert read(sign).signature_algorithm_oid == SignatureAlgorithmOID.RSA_WITH_SHA256


async def test_openssl_follows_each_chain_and_finds_the_revoked_certificate_on_its_own_issuers_list(
    counter: OcspHost, authority: CertificationAuthority, tmp_path: Path
) -> None:
    sign, auth = await both_kinds(counter)
    counter.world.now += timedelta(seconds=31)
    await counter.revocations.by_clerk(sign.serial, "keyCompromise", CITIZEN)
    await counter.wake_due()

    at, home = str(int(counter.world.now.timestamp()) + 1), authority.directory
    for each, refused in ((sign, True), (auth, False)):
        der = await counter.lists.revocation_list(ShardId(each.issuer, each.crl_shard))
        assert der is not None
        assert lint_crl(der) == []
        assert set(lint_certificate(read(each).public_bytes(Encoding.DER))) <= EXPLAINED
        (tmp_path / "crl.pem").write_bytes(x509.load_der_x509_crl(der).public_bytes(Encoding.PEM))
        (tmp_path / "certificate.pem").write_text(each.text.value.pem)
        said = run("openssl", "verify", "-x509_strict", "-attime", at, "-crl_check", "-extended_crl", "-CAfile",
                   home / "root.pem", "-untrusted", home / "issuers.pem", "-CRLfile", tmp_path / "crl.pem",
                   tmp_path / "certificate.pem", refused=refused)  # fmt: skip
        assert ("certificate revoked" in said) is refused


async def test_each_issuers_certificates_point_to_its_own_addresses(
    counter: OcspHost, authority: CertificationAuthority
) -> None:
    for each in await both_kinds(counter):
        extensions = read(each).extensions
        points = extensions.get_extension_for_class(x509.CRLDistributionPoints).value
        access = extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
        place = authority.publication
        assert [name.value for name in points[0].full_name or ()] == [place.crl(each.issuer, each.crl_shard)]
        assert {at.access_location.value for at in access} == {
            place.responder(each.issuer),
            place.certificate(each.issuer),
        }


async def test_openssl_accepts_the_answers_about_both_kinds_each_signed_for_its_issuer(
    counter: OcspHost, authority: CertificationAuthority, tmp_path: Path
) -> None:
    home, at = authority.directory, str(int(NOW.timestamp()) + 1)
    for each in await both_kinds(counter):
        issuer = home / f"{each.issuer}.pem"
        (tmp_path / "certificate.pem").write_text(each.text.value.pem)
        about = ("ocsp", "-issuer", issuer, "-cert", tmp_path / "certificate.pem", "-no_nonce")
        openssl(*about, "-reqout", tmp_path / "request.der")
        answer = (await counter.ocsp.answer((tmp_path / "request.der").read_bytes())).der
        (tmp_path / "response.der").write_bytes(answer)

        said = openssl(*about, "-respin", tmp_path / "response.der", "-CAfile", home / "chain.pem", "-attime", at)

        assert "Response verify OK" in said
        assert "good\n" in said
        assert lint_ocsp(answer) == []


async def test_a_certificate_is_unknown_to_the_issuer_that_did_not_issue_it(
    counter: OcspHost, authority: CertificationAuthority
) -> None:
    sign, auth = await both_kinds(counter)
    others = {RSA.label: EC.label, EC.label: RSA.label}
    for certificate, label in (
        (read(sign), others[sign.issuer]),
        (read(auth), others[auth.issuer]),
        (authority.hierarchy.seal, RSA.label),
    ):
        wrong = authority.hierarchy.generation(label).certificate
        name, key = (hashlib.sha256(octets).digest() for octets in named(wrong))
        builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
            name, key, certificate.serial_number, hashes.SHA256()
        )
        answer = await counter.asked(builder.build().public_bytes(Encoding.DER))
        assert answer.certificate_status is OCSPCertStatus.UNKNOWN


async def test_one_request_about_certificates_of_two_issuers_gets_no_answer_signed_for_one_of_them(
    counter: OcspHost, authority: CertificationAuthority, tmp_path: Path
) -> None:
    """No responder may speak for both, and clients would not believe one that did (RFC 6960, 4.2.2.2)."""
    sign, auth = await both_kinds(counter)
    asked: list[str | Path] = []
    for each in (sign, auth):
        (tmp_path / f"{each.issuer}.pem").write_text(each.text.value.pem)
        asked += ["-issuer", authority.directory / f"{each.issuer}.pem", "-cert", tmp_path / f"{each.issuer}.pem"]
    run("openssl", "ocsp", *asked, "-no_nonce", "-reqout", tmp_path / "request.der")
    mixed = (tmp_path / "request.der").read_bytes()

    assert len(read_questions(mixed).cert_ids) == 2
    assert (await counter.asked(mixed)).response_status is OCSPResponseStatus.UNAUTHORIZED


async def test_both_kinds_are_verified_with_evidence_of_their_own_issuers_responder(
    counter: OcspHost, authority: CertificationAuthority
) -> None:
    verification = VerificationService(authority.trust, counter.witness, counter.world.clock)
    for each in await both_kinds(counter):
        found = await verification.certificate(read(each).public_bytes(Encoding.DER), VerificationRequest())

        (evidence,) = found.evidence
        assert found.reason is None
        assert evidence.signed is not None
        (delegate,) = ocsp.load_der_ocsp_response(evidence.signed).certificates
        delegate.verify_directly_issued_by(authority.hierarchy.generation(each.issuer).certificate)


def test_trust_anchors_believe_certificates_of_every_issuer(authority: CertificationAuthority) -> None:
    for key in (RSA_KEY.public_key(), EC_KEY.public_key()):
        certificate = authority.issue(authority.order(key))
        assert authority.trust.verify(certificate.public_bytes(Encoding.DER), NOW, PERSON_SIGN) == certificate


@pytest.mark.parametrize("key", [RSA_KEY.public_key(), EC_KEY.public_key()], ids=["RSA", "EC"])
def test_nothing_is_issued_that_would_outlive_its_issuer(authority: CertificationAuthority, key: PublicKey) -> None:
    end = authority.issuing.not_valid_after_utc

    with pytest.raises(HierarchyError, match="add a generation"):
        authority.hierarchy.issuing_for(key, end - timedelta(days=300), end + timedelta(days=65))


def test_issuing_authorities_need_labels_and_names_of_their_own_and_both_kinds_of_key(tmp_path: Path) -> None:
    valid = config(tmp_path).model_dump()
    twin = EC.model_copy(update={"label": "issuing-2"})
    for issuing in (
        (EC,),
        (RSA,),
        (EC, RSA, EC),
        (EC, RSA, twin),
        (EC.model_copy(update={"label": "root"}), RSA),
    ):
        with pytest.raises(ValueError, match=r"label|name|both"):
            CeremonyConfig.model_validate(valid | {"issuing": [each.model_dump() for each in issuing]})


def test_a_hierarchy_without_its_list_of_issuers_is_not_used(tmp_path: Path) -> None:
    establish(tmp_path)
    (tmp_path / "issuing.json").write_text('[{"label": "issuing"}]')
    with pytest.raises(HierarchyError, match=r"issuing\.json is damaged"):
        load(tmp_path, NOW)
    (tmp_path / "issuing.json").unlink()
    with pytest.raises(HierarchyError, match="hold the ceremony"):
        load(tmp_path, NOW)


def test_each_issuing_key_is_separate_from_the_key_that_answers_for_it(authority: CertificationAuthority) -> None:
    store = keystore(authority.directory)
    labels = [label for each in (EC, RSA) for label in (each.label, f"{each.label}-ocsp")]
    keys = {
        store.load(label).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) for label in labels
    }
    assert len(keys) == len(labels)
