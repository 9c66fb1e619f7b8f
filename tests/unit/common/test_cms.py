"""Signatures made by OpenSSL and pyHanko, and everything a signer or a forger might send instead."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from asn1crypto import keys as asn1_keys  # type: ignore[import-untyped]  # it ships no types
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.name import _ASN1Type
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pyhanko.sign.signers import SimpleSigner
from pyhanko_certvalidator.registry import SimpleCertificateStore

from libs.common.cms import MAX_OCTETS, Verified, read, verify_detached
from libs.common.cms_refusals import SignatureRefused
from libs.common.cms_structures import ContentInfo, SignedData
from libs.common.der import serial_text, tlv
from libs.common.trust import CertificateRefused, Doubt, TrustAnchors
from libs.common.uses import PERSON_AUTH, PERSON_SIGN
from services.ca.issuance.issuers import PrivateKey
from services.ca.issuance.profiles import AUTH, ORGANISATION_SEAL, SIGN, Profile
from tests.fuzz.ber_forms import in_ber
from tests.unit.ca.authority import NOW, ORGANISATION, PERSON, CertificationAuthority, establish, pem
from tests.unit.ca.judges import run

DATA = "Өтініш: қандас мәртебесін беру\n".encode() * 20
KEYS: dict[str, PrivateKey] = {
    "P-256": ec.generate_private_key(ec.SECP256R1()),
    "P-384": ec.generate_private_key(ec.SECP384R1()),
    "RSA-2048": rsa.generate_private_key(65537, 2048),
}
SOON = NOW + timedelta(hours=1)
STREAMED = ("-cades", "-md", "sha256", "-stream", "-indef")


@dataclass(frozen=True)
class Signer:
    """A certificate and its key as files, as a citizen has them."""

    folder: Path
    certificate: x509.Certificate
    key: PrivateKey | ed25519.Ed25519PrivateKey

    def openssl(self, *options: str | Path, data: bytes = DATA) -> bytes:
        """Sign with `openssl cms`; without options, as CAdES-BES, detached, in DER."""
        (self.folder / "data").write_bytes(data)
        form = options or ("-cades", "-md", "sha256")
        run("openssl", "cms", "-sign", "-binary", "-in", self.folder / "data", "-signer", self.folder / "cert.pem",
            "-inkey", self.folder / "key.pem", "-outform", "DER", "-out", self.folder / "sig", *form)  # fmt: skip
        return (self.folder / "sig").read_bytes()

    async def pyhanko(self, digest: str = "sha256", *, pss: bool = False) -> bytes:
        key = self.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        signer = SimpleSigner(
            asn1_x509.Certificate.load(self.certificate.public_bytes(Encoding.DER)),
            asn1_keys.PrivateKeyInfo.load(key),
            SimpleCertificateStore(),  # type: ignore[no-untyped-call]  # its constructor has no annotations
            prefer_pss=pss,
        )
        made = await signer.async_sign_general_data(DATA, digest, use_cades=True)
        signature: bytes = made.dump()
        return signature


MakeSigner = Callable[..., Signer]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificationAuthority:
    return establish(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def look_alike(tmp_path_factory: pytest.TempPathFactory) -> CertificationAuthority:
    """Another authority of the very same names: what public tools make in a minute."""
    return establish(tmp_path_factory.mktemp("look-alike"))


@pytest.fixture(scope="module")
def trust(authority: CertificationAuthority) -> TrustAnchors:
    return authority.trust


@pytest.fixture(scope="module")
def make_signer(tmp_path_factory: pytest.TempPathFactory) -> MakeSigner:
    def make(authority: CertificationAuthority, profile: Profile = SIGN, kind: str = "P-256") -> Signer:
        key = KEYS[kind]
        holder = ORGANISATION if profile is ORGANISATION_SEAL else PERSON
        certificate = authority.issue(authority.order(key.public_key(), profile, holder))
        return as_files(tmp_path_factory.mktemp("signer"), certificate, key)

    return make


@pytest.fixture(scope="module")
def signer(authority: CertificationAuthority, make_signer: MakeSigner) -> Signer:
    return make_signer(authority)


@pytest.fixture(scope="module")
def signature(signer: Signer) -> bytes:
    return signer.openssl()


def refusal(signature: bytes, trust: TrustAnchors, data: bytes = DATA, at: datetime = SOON) -> str:
    with pytest.raises(SignatureRefused) as caught:
        verify_detached(signature, data, trust, at)
    assert caught.value.detail.endswith(".")
    return caught.value.key.removeprefix("signature.")


@pytest.mark.parametrize(
    ("kind", "digest"),
    [("P-256", "sha256"), ("P-384", "sha384"), ("P-256", "sha512"), ("RSA-2048", "sha256"), ("RSA-2048", "sha512")],
)
def test_a_signature_by_openssl_counts(
    authority: CertificationAuthority, trust: TrustAnchors, make_signer: MakeSigner, kind: str, digest: str
) -> None:
    signer = make_signer(authority, kind=kind)

    verified = verify_detached(signer.openssl("-cades", "-md", digest), DATA, trust, SOON)

    expected = hashes.Hash({"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}[digest])
    expected.update(DATA)
    assert verified == Verified(
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
    document, chain = DATA * 40, authority.directory / "chain.pem"

    streamed = make_signer(authority, kind=kind).openssl(*STREAMED, "-certfile", chain, data=document)

    assert streamed.startswith(b"\x30\x80")
    assert document not in streamed
    assert content_signed(streamed, trust) == document


def test_no_octet_of_a_streamed_signature_can_be_changed_and_say_something_else(
    trust: TrustAnchors, signer: Signer
) -> None:
    """Every octet in turn. Few may differ: those that tell neither who signed nor what (such as the version)."""
    streamed, taken = signer.openssl(*STREAMED), 0
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
    signature = make_signer(authority, kind=kind).openssl()

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

    verified = verify_detached(await signer.pyhanko(digest), DATA, trust, SOON)

    assert (verified.iin, verified.digest_algorithm) == (PERSON.iin, digest)


def test_extra_certificates_do_not_disturb(
    authority: CertificationAuthority, trust: TrustAnchors, signer: Signer
) -> None:
    signature = signer.openssl("-cades", "-md", "sha256", "-certfile", authority.directory / "chain.pem")

    assert verify_detached(signature, DATA, trust, SOON).iin == PERSON.iin


def test_an_empty_document_can_be_signed(trust: TrustAnchors, signer: Signer) -> None:
    assert verify_detached(signer.openssl(data=b""), b"", trust, SOON).iin == PERSON.iin


def test_openssl_agrees_that_the_signature_is_good(
    authority: CertificationAuthority, signer: Signer, tmp_path: Path
) -> None:
    chain = authority.directory / "chain.pem"
    (tmp_path / "sig").write_bytes(signer.openssl("-cades", "-md", "sha256", "-certfile", chain))
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
    signature = bytearray(make_signer(authority, kind=kind).openssl())
    signature[-3] ^= 1  # the last octets belong to the signature value

    assert refusal(bytes(signature), trust) == "forged"


def test_a_look_alike_of_the_same_names_is_a_stranger(
    authority: CertificationAuthority,
    look_alike: CertificationAuthority,
    trust: TrustAnchors,
    make_signer: MakeSigner,
) -> None:
    signer = make_signer(look_alike)
    assert signer.certificate.issuer == authority.issuing.subject

    assert refusal(signer.openssl(), trust) == "look_alike"
    assert verify_detached(signer.openssl(), DATA, look_alike.trust, SOON).iin == PERSON.iin


def test_a_look_alike_that_brings_its_own_chain_is_still_a_stranger(
    look_alike: CertificationAuthority, trust: TrustAnchors, make_signer: MakeSigner
) -> None:
    chain = look_alike.directory / "chain.pem"

    assert refusal(make_signer(look_alike).openssl("-cades", "-certfile", chain), trust) == "look_alike"


def test_an_expired_look_alike_is_a_stranger_not_an_expired_certificate_of_ours(
    look_alike: CertificationAuthority, trust: TrustAnchors, make_signer: MakeSigner
) -> None:
    signature = make_signer(look_alike).openssl()

    assert refusal(signature, trust, at=NOW + timedelta(days=400)) == "look_alike"


def as_written(name: x509.Name, kind: _ASN1Type) -> x509.Name:
    """The same name in another string type."""
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, str(each.value), kind) for each in name])


def as_printed(name: x509.Name) -> x509.Name:
    """The same name to the eye: other string types, other case, other order."""
    return x509.Name(
        [x509.NameAttribute(each.oid, str(each.value).lower()) for each in reversed(list(name)) if each.value != "KZ"]
        + [x509.NameAttribute(x509.NameOID.LOCALITY_NAME, "kz")]
    )


@pytest.mark.parametrize(
    "pretence",
    [
        "the issuing authority's name",
        "the root's name",
        "a name that reads the same",
        "a name in two octets a letter",
        "a name in four octets a letter",
        "the key's identifier",
    ],
)
def test_a_stranger_who_pretends_to_be_ours_is_called_a_look_alike(
    authority: CertificationAuthority, trust: TrustAnchors, signer: Signer, tmp_path: Path, pretence: str
) -> None:
    """The identifier of our key stands in every copy: the copy keeps the model's extensions."""
    hierarchy = authority.hierarchy
    issuer = {
        "the issuing authority's name": authority.issuing.subject,
        "the root's name": hierarchy.root.subject,
        "a name that reads the same": as_printed(authority.issuing.subject),
        "a name in two octets a letter": as_written(authority.issuing.subject, _ASN1Type.BMPString),
        "a name in four octets a letter": as_written(authority.issuing.subject, _ASN1Type.UniversalString),
        "the key's identifier": x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Бөтен")]),
    }[pretence]
    kept = pretence == "the key's identifier"
    forged = copy_signed_by(ec.generate_private_key(ec.SECP256R1()), signer.certificate, issuer, key_identifier=kept)

    assert refusal(as_files(tmp_path, forged, KEYS["P-256"]).openssl(), trust) == "look_alike"


def test_a_stranger_who_pretends_nothing_is_a_stranger(trust: TrustAnchors, signer: Signer, tmp_path: Path) -> None:
    stranger = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Бөтен")])
    forged = copy_signed_by(ec.generate_private_key(ec.SECP256R1()), signer.certificate, stranger, key_identifier=False)

    assert refusal(as_files(tmp_path, forged, KEYS["P-256"]).openssl(), trust) == "untrusted_issuer"


def test_a_self_made_root_of_our_roots_name_is_a_look_alike(
    look_alike: CertificationAuthority, trust: TrustAnchors
) -> None:
    with pytest.raises(CertificateRefused) as caught:
        trust.verify(look_alike.hierarchy.root.public_bytes(Encoding.DER), SOON, PERSON_SIGN)
    assert caught.value.doubt is Doubt.LOOK_ALIKE


def test_a_citizen_can_not_issue_certificates(trust: TrustAnchors, signer: Signer, tmp_path: Path) -> None:
    forged = copy_signed_by(signer.key, signer.certificate, signer.certificate.subject, key_identifier=False)

    assert refusal(as_files(tmp_path, forged, KEYS["P-256"]).openssl(), trust) == "untrusted_issuer"


def test_a_foreign_kind_of_key_under_our_name_is_refused(
    authority: CertificationAuthority, trust: TrustAnchors, signer: Signer
) -> None:
    stranger = ed25519.Ed25519PrivateKey.generate()
    forged = copy_signed_by(stranger, signer.certificate, authority.issuing.subject)

    with pytest.raises(CertificateRefused) as caught:
        trust.verify(forged.public_bytes(Encoding.DER), SOON, PERSON_SIGN)
    assert caught.value.doubt is Doubt.LOOK_ALIKE


@pytest.mark.parametrize(("profile", "expected"), [(AUTH, "wrong_profile"), (ORGANISATION_SEAL, "wrong_profile")])
def test_only_a_persons_signing_certificate_signs_documents(
    authority: CertificationAuthority, trust: TrustAnchors, make_signer: MakeSigner, profile: Profile, expected: str
) -> None:
    assert refusal(make_signer(authority, profile).openssl(), trust) == expected


def test_signing_in_asks_for_the_other_certificate(
    authority: CertificationAuthority, trust: TrustAnchors, make_signer: MakeSigner, signature: bytes
) -> None:
    verified = verify_detached(make_signer(authority, AUTH).openssl(), DATA, trust, SOON, PERSON_AUTH)

    assert verified.iin == PERSON.iin
    with pytest.raises(SignatureRefused) as caught:
        verify_detached(signature, DATA, trust, SOON, PERSON_AUTH)
    assert caught.value.key == "signature.wrong_profile"


@pytest.mark.parametrize("at", [NOW - timedelta(seconds=1), NOW + timedelta(days=365)])
def test_a_certificate_counts_in_its_own_year_alone(trust: TrustAnchors, signature: bytes, at: datetime) -> None:
    assert refusal(signature, trust, at=at) == "expired_certificate"


@pytest.mark.parametrize("at", [NOW, NOW + timedelta(days=365, seconds=-1)])
def test_the_first_and_the_last_second_count(trust: TrustAnchors, signature: bytes, at: datetime) -> None:
    assert verify_detached(signature, DATA, trust, at).iin == PERSON.iin


def test_nothing_counts_after_the_issuing_authoritys_end(
    authority: CertificationAuthority, trust: TrustAnchors, tmp_path: Path
) -> None:
    """A citizen's certificate that outlives its issuer is worth nothing after that."""
    late = authority.order(KEYS["P-256"].public_key(), not_before=NOW + timedelta(days=3600))
    signature = as_files(tmp_path, authority.issue(late), KEYS["P-256"]).openssl()

    assert verify_detached(signature, DATA, trust, NOW + timedelta(days=3649)).iin == PERSON.iin
    assert refusal(signature, trust, at=NOW + timedelta(days=3651)) == "untrusted_issuer"


OPTIONS = {
    "no signing certificate attribute": (("-md", "sha256"), "incomplete"),
    "SHA-1": (("-cades", "-md", "sha1"), "incomplete"),
    "no signed attributes": (("-noattr",), "malformed"),
    "no certificate": (("-cades", "-nocerts"), "incomplete"),
    "streamed, which OpenSSL does not detach": (("-cades", "-stream"), "not_detached"),
    "the document inside": (("-cades", "-nodetach"), "not_detached"),
    "named by key identifier": (("-cades", "-keyid"), "malformed"),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_a_form_of_openssl_that_says_too_little_is_refused(trust: TrustAnchors, signer: Signer, case: str) -> None:
    options, expected = OPTIONS[case]

    assert refusal(signer.openssl(*options), trust) == expected


def test_two_signers_are_one_too_many(trust: TrustAnchors, signer: Signer, authority: CertificationAuthority,
                                      make_signer: MakeSigner) -> None:  # fmt: skip
    second = make_signer(authority, kind="P-384").folder
    both = ("-cades", "-signer", second / "cert.pem", "-inkey", second / "key.pem")

    assert refusal(signer.openssl(*both), trust) == "one_signer"


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


mutations = st.lists(
    st.tuples(
        st.sampled_from(["flip", "set", "cut", "insert", "repeat"]), st.integers(0, 1 << 16), st.integers(1, 255)
    ),
    min_size=1,
    max_size=4,
)


def mutated(content: bytes, changes: list[tuple[str, int, int]]) -> bytes:
    octets = bytearray(content)
    for kind, place, value in changes:
        at = place % max(1, len(octets))
        match kind:
            case "flip":
                octets[at : at + 1] = bytes(octet ^ value for octet in octets[at : at + 1])
            case "set":
                octets[at : at + 1] = bytes([value])
            case "cut":
                del octets[at : at + value]
            case "insert":
                octets[at:at] = bytes([value])
            case "repeat":
                octets[at:at] = octets[at : at + value]
    return bytes(octets)


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


@given(changes=mutations)
@settings(max_examples=800, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_mutated_certificate_is_never_believed(
    trust: TrustAnchors, signer: Signer, changes: list[tuple[str, int, int]]
) -> None:
    der = signer.certificate.public_bytes(Encoding.DER)
    changed = mutated(der, changes)
    assume(changed != der)

    with pytest.raises(CertificateRefused):
        trust.verify(changed, SOON, PERSON_SIGN)


def test_no_octet_of_a_certificate_can_be_changed(trust: TrustAnchors, signer: Signer) -> None:
    """Every octet in turn, the signature's count of unused bits among them."""
    der = signer.certificate.public_bytes(Encoding.DER)

    for place, octet in enumerate(der):
        for other in {octet ^ 1, octet ^ 2, octet ^ 0x80}:
            with pytest.raises(CertificateRefused):
                trust.verify(der[:place] + bytes([other]) + der[place + 1 :], SOON, PERSON_SIGN)


def test_an_issuing_authority_of_a_stranger_is_no_anchor(
    authority: CertificationAuthority, look_alike: CertificationAuthority
) -> None:
    with pytest.raises(ValueError, match="signed by no root"):
        TrustAnchors([authority.hierarchy.root], [look_alike.issuing])


def test_a_seal_is_no_issuing_authority(authority: CertificationAuthority) -> None:
    with pytest.raises(ValueError, match="may not certify"):
        TrustAnchors([authority.issuing], [authority.hierarchy.seal])


def test_both_generations_of_authorities_count_side_by_side(
    authority: CertificationAuthority, look_alike: CertificationAuthority, make_signer: MakeSigner
) -> None:
    """Roll-over: the same names, old and new keys, both ours."""
    both = TrustAnchors.from_pem(
        b"".join(pem(one.hierarchy.root) for one in (authority, look_alike)),
        b"".join(pem(one.issuing) for one in (authority, look_alike)),
    )

    for one in (authority, look_alike):
        assert verify_detached(make_signer(one).openssl(), DATA, both, SOON).iin == PERSON.iin


def as_files(folder: Path, certificate: x509.Certificate, key: PrivateKey) -> Signer:
    (folder / "cert.pem").write_bytes(pem(certificate))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return Signer(folder, certificate, key)


def copy_signed_by(
    key: PrivateKey | ed25519.Ed25519PrivateKey,
    model: x509.Certificate,
    issuer: x509.Name,
    *,
    key_identifier: bool = True,
) -> x509.Certificate:
    """A certificate like the model to the last extension, but signed by another key under a name of choice.

    Without ``key_identifier``, it names the key that truly signed it.
    """
    builder = x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=model.subject,
        public_key=model.public_key(),
        serial_number=model.serial_number,
        not_valid_before=model.not_valid_before_utc,
        not_valid_after=model.not_valid_after_utc,
    )
    for extension in model.extensions:
        value = extension.value
        if not key_identifier and isinstance(value, x509.AuthorityKeyIdentifier):
            value = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
        builder = builder.add_extension(value, extension.critical)
    return builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def with_certificates(signature: bytes, *certificates: x509.Certificate) -> bytes:
    """Swap the embedded certificates, which nothing signs."""
    outer = asn1.decode_der(ContentInfo, signature)
    swapped: SignedData = replace(
        outer.content,
        certificates=asn1.SetOf([tlv(certificate.public_bytes(Encoding.DER)) for certificate in certificates]),
    )
    return asn1.encode_der(replace(outer, content=swapped))
