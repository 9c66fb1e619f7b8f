"""Signatures made by OpenSSL and pyHanko, and everything a signer or a forger might send instead."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.common.pki.certificate_use import PERSON_SIGN
from libs.common.pki.cms import CONTENT_TYPE, MAX_OCTETS, MESSAGE_DIGEST, VerifiedSignature, read, verify_detached
from libs.common.pki.cms_refusals import SignatureRefused
from libs.common.pki.cms_structures import Attribute, ContentInfo, SignedData
from libs.common.pki.der import serial_text, tlv
from libs.common.pki.ess import SIGNING_CERTIFICATE_V2
from libs.common.pki.trust import TrustAnchors
from tests.fuzz.ber_forms import in_ber
from tests.unit.ca.hierarchies import PERSON, CertificationAuthority
from tests.unit.ca.judges import run
from tests.unit.ca.signing import DATA, Signer
from tests.unit.common.signatures import KEYS, SOON, MakeSigner, mutated, mutations, refusal

STREAMED = ("-cades", "-stream", "-indef")


@pytest.mark.parametrize(
    ("kind", "digest"),
    [("P-256", "sha256"), ("P-384", "sha384"), ("P-256", "sha512"), ("RSA-2048", "sha256"), ("RSA-2048", "sha512")],
)
def test_a_signature_by_openssl_counts(
    authority: CertificationAuthority, trust: TrustAnchors, make_signer: MakeSigner, kind: str, digest: str
) -> None:
    signer = make_signer(authority, kind=kind)

    verified = verify_detached(signer.cms(options=("-cades", "-md", digest)), DATA, trust, SOON)

    expected = hashes.Hash({"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}[digest])
    expected.update(DATA)
    assert verified == VerifiedSignature(
        serial_number=serial_text(signer.certificate.serial_number),
        iin=PERSON.iin,
        name="СЕРІКҚЫЗЫ АЙГҮЛ",
        signed_at=verified.signed_at,
        certificate=signer.certificate.public_bytes(Encoding.DER),
        digest_algorithm=digest,
        digest=expected.finalize().hex(),
    )
    assert verified.signed_at is not None
    assert abs(datetime.now(UTC) - verified.signed_at) < timedelta(minutes=5)


@pytest.mark.parametrize("kind", KEYS)
def test_a_signature_that_openssl_streamed_counts_with_the_document_inside(
    authority: CertificationAuthority, trust: TrustAnchors, make_signer: MakeSigner, kind: str
) -> None:
    """OpenSSL streams in BER, and never detaches then; the content comes in parts of its buffer's size."""
    document, chain = DATA * 800, authority.directory / "chain.pem"

    streamed = make_signer(authority, kind=kind).cms(data=document, options=(*STREAMED, "-certfile", chain))

    assert streamed.startswith(b"\x30\x80")
    assert document not in streamed
    assert content_signed(streamed, trust) == document


def test_no_octet_of_a_streamed_signature_can_be_changed_and_say_something_else(
    trust: TrustAnchors, signer: Signer
) -> None:
    """Every octet in turn. Few may differ: those that tell neither who signed nor what (such as the version)."""
    streamed, taken = signer.cms(options=STREAMED), 0
    for place, octet in enumerate(streamed):
        try:
            assert content_signed(with_octet(streamed, place, octet ^ 1), trust) == DATA
            taken += 1
        except SignatureRefused:
            continue
    assert taken < len(streamed) // 50


@pytest.mark.parametrize("kind", KEYS)
def test_a_detached_signature_says_the_same_in_ber(
    authority: CertificationAuthority, trust: TrustAnchors, make_signer: MakeSigner, kind: str
) -> None:
    signature = make_signer(authority, kind=kind).cms()

    for dice in map(Random, range(20)):
        written = in_ber(signature, dice)
        assert verify_detached(written, DATA, trust, SOON) == verify_detached(signature, DATA, trust, SOON)
        assert refusal(written, trust, DATA + b" ") == "wrong_document"


def content_signed(message: bytes, trust: TrustAnchors) -> bytes | None:
    read_back = read(message)
    for signer in read_back.signers:
        read_back.claim(signer, read_back.content or b"").verify(trust, SOON, PERSON_SIGN)
    return read_back.content if read_back.signers else None


def with_octet(octets: bytes, place: int, octet: int) -> bytes:
    return octets[:place] + bytes([octet]) + octets[place + 1 :]


@pytest.mark.parametrize(("kind", "digest"), [("P-256", "sha256"), ("P-384", "sha384"), ("RSA-2048", "sha256")])
async def test_a_signature_by_pyhanko_counts(
    authority: CertificationAuthority, trust: TrustAnchors, make_signer: MakeSigner, kind: str, digest: str
) -> None:
    signer = make_signer(authority, kind=kind)

    verified = verify_detached(await signer.pyhanko(digest=digest), DATA, trust, SOON)

    assert (verified.iin, verified.digest_algorithm) == (PERSON.iin, digest)


def test_extra_certificates_do_not_disturb(
    authority: CertificationAuthority, trust: TrustAnchors, signer: Signer
) -> None:
    signature = signer.cms(options=("-cades", "-certfile", authority.directory / "chain.pem"))

    assert verify_detached(signature, DATA, trust, SOON).iin == PERSON.iin


def test_an_empty_document_can_be_signed(trust: TrustAnchors, signer: Signer) -> None:
    assert verify_detached(signer.cms(data=b""), b"", trust, SOON).iin == PERSON.iin


def test_openssl_agrees_that_the_signature_is_good(
    authority: CertificationAuthority, signer: Signer, tmp_path: Path
) -> None:
    chain = authority.directory / "chain.pem"
    (tmp_path / "sig").write_bytes(signer.cms(options=("-cades", "-certfile", chain)))
    (tmp_path / "data").write_bytes(DATA)

    run("openssl", "cms", "-verify", "-binary", "-cades", "-inform", "DER", "-in", tmp_path / "sig", "-content",
        tmp_path / "data", "-attime", str(int(SOON.timestamp())), "-CAfile", authority.directory / "root.pem",
        "-out", "/dev/null")  # fmt: skip


@pytest.mark.parametrize("data", [DATA + b" ", DATA[:-1], b"", DATA.replace(b"\n", b"\r\n")])
def test_another_document_is_not_the_signed_one(trust: TrustAnchors, signature: bytes, data: bytes) -> None:
    assert refusal(signature, trust, data) == "wrong_document"


@pytest.mark.parametrize("kind", KEYS)
def test_the_signers_certificate_without_the_signers_key_signs_nothing(
    authority: CertificationAuthority, trust: TrustAnchors, make_signer: MakeSigner, kind: str
) -> None:
    signature = bytearray(make_signer(authority, kind=kind).cms())
    signature[-3] ^= 1  # the last octets belong to the signature value

    assert refusal(bytes(signature), trust) == "forged"


OPTIONS = {
    "no signing certificate attribute": ((), "incomplete"),
    "SHA-1": (("-cades", "-md", "sha1"), "unsupported_algorithm"),
    "no signed attributes": (("-noattr",), "incomplete"),
    "no certificate": (("-cades", "-nocerts"), "incomplete"),
    "streamed, which OpenSSL does not detach": (("-cades", "-stream"), "not_detached"),
    "the document inside": (("-cades", "-nodetach"), "not_detached"),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_a_form_of_openssl_that_says_too_little_is_refused(trust: TrustAnchors, signer: Signer, case: str) -> None:
    options, expected = OPTIONS[case]

    assert refusal(signer.cms(options=options), trust) == expected


@pytest.mark.parametrize("options", [("-keyid",), ("-keyid", "-stream", "-indef")])
def test_a_signer_may_be_named_by_the_key_identifier(
    trust: TrustAnchors, signer: Signer, options: tuple[str, ...]
) -> None:
    """RFC 5652, 5.3: reception of both forms is a must."""
    assert content_signed(signer.cms(options=("-cades", "-nodetach", *options)), trust) == DATA


def test_a_key_identifier_of_another_key_names_nobody(trust: TrustAnchors, signer: Signer) -> None:
    signature = signer.cms(options=("-cades", "-keyid"))
    identifier = x509.SubjectKeyIdentifier.from_public_key(signer.certificate.public_key()).digest
    at = signature.rindex(b"\x80\x14" + identifier)

    assert refusal(with_octet(signature, at + 5, signature[at + 5] ^ 1), trust) == "malformed"


ATTRIBUTE_CERTIFICATE = tlv(b"\xa2\x02\x05\x00")
REVOCATION = tlv(bytes.fromhex("a10c06082b060105050710020500"))
"""Revocation information of another kind than lists (RFC 5940, 2.1)."""


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5])
def test_what_others_put_beside_the_signature_does_not_disturb(
    trust: TrustAnchors, signature: bytes, version: int
) -> None:
    """Attribute certificates and revocation data (RFC 5652, 10.2), under whatever version says that they are there."""
    outer = asn1.decode_der(ContentInfo, signature)
    assert outer.content.certificates is not None
    certificates = asn1.SetOf([*outer.content.certificates.as_list(), ATTRIBUTE_CERTIFICATE])
    content = replace(outer.content, version=version, certificates=certificates, crls=asn1.SetOf([REVOCATION]))

    assert verify_detached(asn1.encode_der(replace(outer, content=content)), DATA, trust, SOON).iin == PERSON.iin


def resigned(signer: Signer, *more: Attribute) -> bytes:
    """Sign again, with other attributes besides."""
    outer = asn1.decode_der(ContentInfo, signer.cms())
    (info,) = outer.content.signer_infos.as_list()
    assert info.signed_attributes is not None
    attributes = asn1.SetOf([*info.signed_attributes.as_list(), *more])
    assert isinstance(signer.key, ec.EllipticCurvePrivateKey)
    value = signer.key.sign(asn1.encode_der(attributes), ec.ECDSA(hashes.SHA256()))
    infos = asn1.SetOf([replace(info, signed_attributes=attributes, signature=value)])
    return asn1.encode_der(replace(outer, content=replace(outer.content, signer_infos=infos)))


def in_another_order(signer: Signer, *, signed_so: bool) -> bytes:
    """Turn the signed attributes around; ``signed_so``: sign them as they then stand, and not in DER."""
    outer = asn1.decode_der(ContentInfo, signer.cms())
    (info,) = outer.content.signer_infos.as_list()
    assert info.signed_attributes is not None
    in_der = asn1.encode_der(info.signed_attributes)
    turned = b"".join(map(asn1.encode_der, reversed(info.signed_attributes.as_list())))
    turned = in_der[: len(in_der) - len(turned)] + turned
    assert isinstance(signer.key, ec.EllipticCurvePrivateKey)
    value = signer.key.sign(turned if signed_so else in_der, ec.ECDSA(hashes.SHA256()))
    infos = asn1.SetOf([replace(info, signature=value)])
    message = asn1.encode_der(replace(outer, content=replace(outer.content, signer_infos=infos)))
    assert message.count(in_der[1:]) == 1
    return message.replace(in_der[1:], turned[1:])


@pytest.mark.parametrize("signed_so", [False, True])
def test_signed_attributes_may_come_in_any_order(trust: TrustAnchors, signer: Signer, *, signed_so: bool) -> None:
    """RFC 5652, 5.4, has them signed in DER. Others sign them as they stand, which is what OpenSSL verifies."""
    signature = in_another_order(signer, signed_so=signed_so)

    assert verify_detached(signature, DATA, trust, SOON).iin == PERSON.iin
    assert refusal(signature, trust, DATA + b" ") == "wrong_document"
    assert refusal(with_octet(signature, len(signature) - 1, signature[-1] ^ 1), trust) == "forged"


def test_openssl_verifies_signed_attributes_as_they_stand(signer: Signer, tmp_path: Path) -> None:
    (tmp_path / "signature").write_bytes(in_another_order(signer, signed_so=True))
    (tmp_path / "document").write_bytes(DATA)

    run("openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", tmp_path / "signature",
        "-content", tmp_path / "document", "-noverify", "-out", tmp_path / "out")  # fmt: skip


OTHER = x509.ObjectIdentifier("1.2.840.113549.1.9.16.2.18")
"""Signer attributes (RFC 5126, 5.11.3), of which there may be several."""


def test_an_attribute_may_have_several_values_or_stand_twice(trust: TrustAnchors, signer: Signer) -> None:
    one, two = (Attribute(type=OTHER, values=asn1.SetOf([tlv(each)])) for each in (b"\x05\x00", b"\x02\x01\x05"))
    both = Attribute(type=OTHER, values=asn1.SetOf([tlv(b"\x05\x00"), tlv(b"\x02\x01\x05")]))

    for more in ((one,), (one, two), (both,)):
        assert verify_detached(resigned(signer, *more), DATA, trust, SOON).iin == PERSON.iin


@pytest.mark.parametrize("kind", [MESSAGE_DIGEST, CONTENT_TYPE, SIGNING_CERTIFICATE_V2])
def test_what_has_to_be_said_once_is_not_said_twice(
    trust: TrustAnchors, signer: Signer, kind: x509.ObjectIdentifier
) -> None:
    """RFC 5652, 11.1 and 11.2; RFC 5035, 4."""
    again = Attribute(type=kind, values=asn1.SetOf([tlv(b"\x04\x01\x00")]))

    assert refusal(resigned(signer, again), trust) == "malformed"


def test_another_kind_of_cms_is_unsupported_and_not_malformed(trust: TrustAnchors, signer: Signer) -> None:
    enveloped = bytes.fromhex("300f06092a864886f70d010703a0023000")

    assert refusal(enveloped, trust) == "unsupported_form"
    assert refusal(signer.cms(options=("-cades", "-econtent_type", "1.2.840.113549.1.9.16.1.4")), trust) == (
        "unsupported_form"
    )


def test_two_signers_are_one_too_many(
    authority: CertificationAuthority, trust: TrustAnchors, signer: Signer, make_signer: MakeSigner
) -> None:
    assert refusal(signer.cms(make_signer(authority, kind="P-384")), trust) == "one_signer"


async def test_pss_is_said_to_be_unsupported(
    authority: CertificationAuthority, trust: TrustAnchors, make_signer: MakeSigner
) -> None:
    signature = await make_signer(authority, kind="RSA-2048").pyhanko(pss=True)

    assert refusal(signature, trust) == "unsupported_algorithm"


def test_gost_is_said_to_be_unsupported(trust: TrustAnchors, signature: bytes) -> None:
    sha256, gost = bytes.fromhex("0609608648016503040201"), bytes.fromhex("06092a850302070102030a")
    assert signature.count(sha256) == 2

    assert refusal(signature.replace(sha256, gost), trust) == "unsupported_algorithm"


def test_another_certificate_of_the_same_person_can_not_be_put_in_its_place(
    authority: CertificationAuthority, trust: TrustAnchors, signature: bytes
) -> None:
    """Same holder, same key, another serial number: a revoked certificate would so be passed off as a live one."""
    other = authority.issue(authority.order(KEYS["P-256"].public_key()))

    assert refusal(with_certificates(signature, other), trust) == "incomplete"


def test_a_crowd_of_certificates_is_refused(trust: TrustAnchors, signature: bytes, signer: Signer) -> None:
    assert refusal(with_certificates(signature, *[signer.certificate] * 9), trust) == "too_large"


JUNK = {
    "nothing": b"",
    "text": b"signed, truly yours",
    "a sequence": b"\x30\x00",
    "deeply nested": b"\x30\x83\x00\xff\x00" + b"\x30\x80" * 30_000,
    "BER": b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80\x00\x00\x00\x00",
    "too large": bytes(MAX_OCTETS + 1),
}


@pytest.mark.parametrize("form", JUNK)
def test_junk_is_refused_with_a_reason(trust: TrustAnchors, form: str) -> None:
    expected = "too_large" if form == "too large" else "malformed"

    assert refusal(JUNK[form], trust) == expected


@given(content=st.binary(max_size=400))
def test_random_octets_are_malformed(trust: TrustAnchors, content: bytes) -> None:
    assert refusal(content, trust) == "malformed"


@pytest.mark.parametrize("form", ["DER", "BER"])
@given(changes=mutations)
@settings(max_examples=800, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_mutated_signature_is_refused_or_says_the_very_same(
    trust: TrustAnchors, signature: bytes, form: str, changes: list[tuple[str, int, int]]
) -> None:
    """What is not signed (such as the list of digests used) may change; who signed what may not."""
    made = signature if form == "DER" else in_ber(signature, Random(1))  # noqa: S311 - reproducible
    original = verify_detached(made, DATA, trust, SOON)
    try:
        verified = verify_detached(mutated(made, changes), DATA, trust, SOON)
    except SignatureRefused:
        return
    assert verified == original


def with_certificates(signature: bytes, *certificates: x509.Certificate) -> bytes:
    """Swap the embedded certificates, which nothing signs."""
    outer = asn1.decode_der(ContentInfo, signature)
    swapped: SignedData = replace(
        outer.content,
        certificates=asn1.SetOf([tlv(certificate.public_bytes(Encoding.DER)) for certificate in certificates]),
    )
    return asn1.encode_der(replace(outer, content=swapped))
