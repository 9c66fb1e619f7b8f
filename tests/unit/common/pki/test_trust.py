"""Whose certificates count, for what and until when; and everything a stranger might pretend."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.name import _ASN1Type
from hypothesis import HealthCheck, assume, given, settings

from libs.common.pki.certificate_use import PERSON_AUTH, PERSON_SIGN
from libs.common.pki.cms import verify_detached
from libs.common.pki.cms_refusals import SignatureRefused
from libs.common.pki.trust import CLOCK_DIFFERENCE, CertificateRefused, Doubt, TrustAnchors
from services.ca.authority.issuers import PrivateKey
from services.ca.model.profiles import AUTH, ORGANISATION_SEAL, Profile
from tests.unit.ca.hierarchies import NOW, PERSON, CertificationAuthority, pem
from tests.unit.ca.signing import DATA, Signer
from tests.unit.common.signatures import KEYS, SOON, MakeSigner, mutated, mutations, refusal


def test_a_look_alike_of_the_same_names_is_a_stranger(
    authority: CertificationAuthority,
    look_alike: CertificationAuthority,
    trust: TrustAnchors,
    make_signer: MakeSigner,
) -> None:
    signer = make_signer(look_alike)
    assert signer.certificate.issuer == authority.issuing.subject

    assert refusal(signer.cms(), trust) == "look_alike"
    assert verify_detached(signer.cms(), DATA, look_alike.trust, SOON).iin == PERSON.iin


def test_a_look_alike_that_brings_its_own_chain_is_still_a_stranger(
    look_alike: CertificationAuthority, trust: TrustAnchors, make_signer: MakeSigner
) -> None:
    chain = look_alike.directory / "chain.pem"

    assert refusal(make_signer(look_alike).cms(options=("-cades", "-certfile", chain)), trust) == "look_alike"


def test_an_expired_look_alike_is_a_stranger_not_an_expired_certificate_of_ours(
    look_alike: CertificationAuthority, trust: TrustAnchors, make_signer: MakeSigner
) -> None:
    signature = make_signer(look_alike).cms()

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

    assert refusal(Signer(forged, KEYS["P-256"], tmp_path).cms(), trust) == "look_alike"


def test_a_stranger_who_pretends_nothing_is_a_stranger(trust: TrustAnchors, signer: Signer, tmp_path: Path) -> None:
    stranger = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Бөтен")])
    forged = copy_signed_by(ec.generate_private_key(ec.SECP256R1()), signer.certificate, stranger, key_identifier=False)

    assert refusal(Signer(forged, KEYS["P-256"], tmp_path).cms(), trust) == "untrusted_issuer"


def test_a_self_made_root_of_our_roots_name_is_a_look_alike(
    look_alike: CertificationAuthority, trust: TrustAnchors
) -> None:
    with pytest.raises(CertificateRefused) as caught:
        trust.verify(look_alike.hierarchy.root.public_bytes(Encoding.DER), SOON, PERSON_SIGN)
    assert caught.value.doubt is Doubt.LOOK_ALIKE


def test_a_citizen_can_not_issue_certificates(trust: TrustAnchors, signer: Signer, tmp_path: Path) -> None:
    forged = copy_signed_by(signer.key, signer.certificate, signer.certificate.subject, key_identifier=False)

    assert refusal(Signer(forged, KEYS["P-256"], tmp_path).cms(), trust) == "untrusted_issuer"


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
    assert refusal(make_signer(authority, profile).cms(), trust) == expected


def test_signing_in_asks_for_the_other_certificate(
    authority: CertificationAuthority, trust: TrustAnchors, make_signer: MakeSigner, signature: bytes
) -> None:
    verified = verify_detached(make_signer(authority, AUTH).cms(), DATA, trust, SOON, PERSON_AUTH)

    assert verified.iin == PERSON.iin
    with pytest.raises(SignatureRefused) as caught:
        verify_detached(signature, DATA, trust, SOON, PERSON_AUTH)
    assert caught.value.key == "signature.wrong_profile"


@pytest.mark.parametrize("at", [NOW - CLOCK_DIFFERENCE - timedelta(seconds=1), NOW + timedelta(days=365)])
def test_a_certificate_counts_in_its_own_year_alone(trust: TrustAnchors, signature: bytes, at: datetime) -> None:
    assert refusal(signature, trust, at=at) == "expired_certificate"


@pytest.mark.parametrize("at", [NOW - CLOCK_DIFFERENCE, NOW, NOW + timedelta(days=365, seconds=-1)])
def test_the_first_and_the_last_second_count(trust: TrustAnchors, signature: bytes, at: datetime) -> None:
    assert verify_detached(signature, DATA, trust, at).iin == PERSON.iin


def test_nothing_counts_after_the_issuing_authoritys_end(
    authority: CertificationAuthority, trust: TrustAnchors, tmp_path: Path
) -> None:
    """A citizen's certificate that outlives its issuer is worth nothing after that."""
    late = authority.order(KEYS["P-256"].public_key(), not_before=NOW + timedelta(days=3600))
    signature = Signer(authority.issue(late), KEYS["P-256"], tmp_path).cms()

    assert verify_detached(signature, DATA, trust, NOW + timedelta(days=3648)).iin == PERSON.iin
    assert refusal(signature, trust, at=NOW + timedelta(days=3651)) == "untrusted_issuer"


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
        assert verify_detached(make_signer(one).cms(), DATA, both, SOON).iin == PERSON.iin


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
