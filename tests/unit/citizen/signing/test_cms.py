"""Requests and signatures, judged by OpenSSL."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from asn1crypto import cms  # type: ignore[import-untyped]  # asn1crypto ships no types
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from libs.citizen.errors import KeystoreError
from libs.citizen.keys.keystore import KeyEntry
from libs.citizen.keys.private_keys import KeyAlgorithm, key_id, make_key
from libs.citizen.keys.requests import make_request
from libs.citizen.signing.cms import sign_detached
from libs.common.pki.cms import verify_detached
from libs.common.pki.cms_refusals import SignatureRefused
from libs.common.pki.trust import TrustAnchors
from tests.unit.citizen.conftest import Judge
from tests.unit.citizen.factories import IIN, Authority, pem

DOCUMENT = '{"service": "grant", "surname": "Тестова"}'.encode()
NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
KINDS = [KeyAlgorithm.EC_P256, KeyAlgorithm.EC_P384, KeyAlgorithm.RSA_2048]


@pytest.mark.parametrize("kind", [*KINDS, KeyAlgorithm.RSA_3072])
def test_openssl_accepts_the_proof_of_possession(kind: KeyAlgorithm, judge: Judge, tmp_path: Path) -> None:
    (tmp_path / "sign.csr").write_text(make_request(make_key(kind)))
    assert "verify OK" in judge("openssl", "req", "-verify", "-noout", "-in", str(tmp_path / "sign.csr"))


def test_a_request_holds_the_public_key_and_nothing_about_the_person() -> None:
    key = make_key()
    request = x509.load_pem_x509_csr(make_request(key).encode())
    assert request.public_key() == key.public_key()
    assert list(request.subject) == []
    assert list(request.extensions) == []


def test_the_key_identifier_is_the_one_the_certificate_carries(authority: Authority) -> None:
    entry = authority.entry()
    assert entry.key_id == key_id(entry.key.public_key())


@pytest.mark.parametrize("kind", KINDS)
async def test_openssl_accepts_the_signature(
    kind: KeyAlgorithm, authority: Authority, judge: Judge, tmp_path: Path
) -> None:
    verify = await _written(tmp_path, authority, await sign_detached(DOCUMENT, authority.entry(kind=kind), NOW))
    assert "Verification successful" in judge(*verify)


@pytest.mark.parametrize("kind", KINDS)
async def test_the_services_own_verifier_accepts_the_signature(kind: KeyAlgorithm, authority: Authority) -> None:
    trust = TrustAnchors([authority.root], [authority.issuing])
    entry = authority.entry(kind=kind)
    signature = await sign_detached(DOCUMENT, entry, NOW)
    verified = verify_detached(signature, DOCUMENT, trust, datetime.now(UTC))
    assert verified.iin == IIN
    assert verified.signed_at == NOW
    with pytest.raises(SignatureRefused):
        verify_detached(signature, DOCUMENT + b" ", trust, datetime.now(UTC))


async def test_openssl_refuses_the_signature_over_another_document(
    authority: Authority, judge: Judge, tmp_path: Path
) -> None:
    verify = await _written(tmp_path, authority, await sign_detached(DOCUMENT, authority.entry(), NOW))
    (tmp_path / "document").write_bytes(DOCUMENT + b" ")
    judge(*verify, accept=False)


async def test_the_signature_is_cades_in_der(authority: Authority) -> None:
    entry = authority.entry()
    assert entry.certificate is not None
    signature = await sign_detached(DOCUMENT, entry, NOW)
    parsed = cms.ContentInfo.load(signature, strict=True)
    assert parsed.dump(force=True) == signature
    signed = parsed["content"]
    assert signed["encap_content_info"]["content"].native is None
    [signer] = signed["signer_infos"]
    attributes = {attribute["type"].native: attribute["values"][0] for attribute in signer["signed_attrs"]}
    assert set(attributes) == {"content_type", "message_digest", "signing_time", "signing_certificate_v2"}
    assert attributes["signing_time"].native == NOW
    [bound] = attributes["signing_certificate_v2"]["certs"]
    assert bound["cert_hash"].native == entry.certificate.fingerprint(hashes.SHA256())


async def test_the_signature_carries_the_issuer_but_no_root(authority: Authority) -> None:
    parsed = cms.ContentInfo.load(await sign_detached(DOCUMENT, authority.entry(), NOW))
    names = {certificate.chosen.subject.native["common_name"] for certificate in parsed["content"]["certificates"]}
    assert names == {"ТЕСТОВА АЙГУЛЬ", "Test issuing"}


async def test_the_certificate_for_signing_in_signs_no_documents(authority: Authority) -> None:
    with pytest.raises(KeystoreError) as refused:
        await sign_detached(DOCUMENT, authority.entry("AUTH"), NOW)
    assert refused.value.key == "keystore.not_for_signing"


async def test_a_key_without_a_certificate_signs_no_documents() -> None:
    with pytest.raises(KeystoreError) as refused:
        await sign_detached(DOCUMENT, KeyEntry(make_key()), NOW)
    assert refused.value.key == "keystore.no_certificate"


async def _written(folder: Path, authority: Authority, signature: bytes) -> list[str]:
    (folder / "document").write_bytes(DOCUMENT)
    (folder / "document.p7s").write_bytes(signature)
    (folder / "root.pem").write_text(pem(authority.root))
    return [
        "openssl", "cms", "-verify", "-binary", "-cades", "-inform", "DER", "-in", str(folder / "document.p7s"),
        "-content", str(folder / "document"), "-CAfile", str(folder / "root.pem"), "-purpose", "smimesign",
        "-x509_strict", "-out", str(folder / "out"),
    ]  # fmt: skip
