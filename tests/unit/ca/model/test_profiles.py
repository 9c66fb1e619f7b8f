from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from libs.common.contracts.ca import EntityRole
from libs.common.pki import oids
from libs.common.pki.der import TbsCertificate, name_attributes
from libs.common.pki.oids import FULL_NAME
from services.ca.authority.issuers import PublicKey
from services.ca.model.profiles import (
    AUTH,
    ENTITIES,
    OCSP_RESPONDER,
    ORGANISATION_SEAL,
    PROFILES,
    SIGN,
    TSA,
    Profile,
)
from services.ca.model.subject import NaturalPerson
from tests.unit.ca.hierarchies import CertificationAuthority, pem
from tests.unit.ca.judges import AT, EXPLAINED, lint_certificate, lint_etsi, run
from tests.unit.ca.model.test_subject import LONGEST
from tests.unit.ca.verification.exhibits import REPRESENTATIVE, holder_of

KEYS: dict[str, PublicKey] = {
    "P-256": ec.generate_private_key(ec.SECP256R1()).public_key(),
    "P-384": ec.generate_private_key(ec.SECP384R1()).public_key(),
    "RSA-2048": rsa.generate_private_key(65537, 2048).public_key(),
}
PURPOSES = {"TSA": ("-purpose", "timestampsign"), "OCSP_RESPONDER": ("-purpose", "ocsphelper")}
LONG = NaturalPerson(iin="061211600012", surname="ҚОЖАХМЕТҰЛЫ-НҰРСҰЛТАНБЕКОВ", given_name="ЖАНСЕРІКБОЛАТ")


ETSI = {
    **dict.fromkeys(
        (SIGN.name, AUTH.name, *(each.name for each in ENTITIES.values())), "NCP-NATURAL-PERSON-CERTIFICATE"
    ),
    ORGANISATION_SEAL.name: "NCP-LEGAL-PERSON-CERTIFICATE",
}
"""What pkilint takes each kind for; responders and time-stamps are no subject of ETSI EN 319 412."""


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize(
    "profile",
    [SIGN, AUTH, *ENTITIES.values(), ORGANISATION_SEAL, OCSP_RESPONDER, TSA],
    ids=lambda profile: profile.name,
)
def test_every_holders_certificate_satisfies_pkilint_and_openssl(
    authority: CertificationAuthority, tmp_path: Path, profile: Profile, kind: str
) -> None:
    certificate = authority.issue(authority.order(KEYS[kind], profile, holder_of(profile)))

    assert set(lint_certificate(certificate.public_bytes(Encoding.DER))) <= EXPLAINED
    if profile.name in ETSI:
        assert set(lint_etsi(certificate.public_bytes(Encoding.DER), ETSI[profile.name])) <= EXPLAINED
    judged_by_openssl(authority, certificate, tmp_path, profile)


def test_a_name_too_long_for_a_common_name_satisfies_pkilint_and_openssl(
    authority: CertificationAuthority, tmp_path: Path
) -> None:
    certificate = authority.issue(authority.order(KEYS["P-256"], SIGN, LONGEST))

    der = certificate.public_bytes(Encoding.DER)
    assert set(lint_certificate(der)) | set(lint_etsi(der, ETSI[SIGN.name])) <= EXPLAINED
    judged_by_openssl(authority, certificate, tmp_path, SIGN)
    subject = dict(name_attributes(asn1.decode_der(TbsCertificate, certificate.tbs_certificate_bytes).subject))
    assert subject[FULL_NAME] == f"{LONGEST.surname} {LONGEST.given_name}"


@pytest.mark.parametrize("label", ["root", "issuing", "issuing-rsa", "seal", "tsa"])
def test_every_certificate_of_the_ceremony_satisfies_pkilint(authority: CertificationAuthority, label: str) -> None:
    certificate = x509.load_pem_x509_certificate((authority.directory / f"{label}.pem").read_bytes())

    assert set(lint_certificate(certificate.public_bytes(Encoding.DER))) <= EXPLAINED


def test_the_judge_finds_the_fault_of_a_certificate_without_key_identifiers(
    authority: CertificationAuthority,
) -> None:
    order = authority.order(KEYS["P-256"])
    bare = (
        x509.CertificateBuilder()
        .subject_name(authority.hierarchy.root.subject)
        .issuer_name(authority.issuing.subject)
        .public_key(order.public_key)
        .serial_number(order.serial_number)
        .not_valid_before(order.not_before)
        .not_valid_after(order.not_after)
        .sign(authority.key, authority.issuer.signature_hash)
    )

    assert "pkix.authority_key_identifier_extension_absent" in lint_certificate(bare.public_bytes(Encoding.DER))


def test_openssl_refuses_a_certificate_for_another_policy_than_its_own(
    authority: CertificationAuthority, tmp_path: Path
) -> None:
    certificate = authority.issue(authority.order(KEYS["P-256"], AUTH))

    judged_by_openssl(authority, certificate, tmp_path, SIGN, refused=True)


def test_a_cyrillic_name_may_have_64_letters(authority: CertificationAuthority, tmp_path: Path) -> None:
    certificate = authority.issue(authority.order(KEYS["P-256"], SIGN, LONG))

    assert set(lint_certificate(certificate.public_bytes(Encoding.DER))) <= EXPLAINED
    (tmp_path / "long.pem").write_bytes(pem(certificate))
    shown = run("openssl", "x509", "-in", tmp_path / "long.pem", "-noout", "-subject", "-nameopt", "utf8")
    assert "CN=ҚОЖАХМЕТҰЛЫ-НҰРСҰЛТАНБЕКОВ ЖАНСЕРІКБОЛАТ" in shown


@pytest.mark.parametrize(
    ("profile", "kind", "usages"),
    [
        (SIGN, "P-256", {"digital_signature", "content_commitment"}),
        (SIGN, "RSA-2048", {"digital_signature", "content_commitment"}),
        (AUTH, "P-384", {"digital_signature"}),
        (AUTH, "RSA-2048", {"digital_signature", "key_encipherment"}),
    ],
)
def test_the_keys_use_is_exactly_the_profiles_and_only_rsa_keys_encipher(
    authority: CertificationAuthority, profile: Profile, kind: str, usages: set[str]
) -> None:
    certificate = authority.issue(authority.order(KEYS[kind], profile))

    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    every = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign crl_sign"
    )
    assert usage.critical
    assert {name for name in every.split() if getattr(usage.value, name)} == usages


@pytest.mark.parametrize(
    ("profile", "purposes", "policy"),
    [
        (SIGN, ["1.3.6.1.5.5.7.3.4", "1.2.398.3.3.4.1.1", "1.2.398.3.3.4.3.2.1"], "1.2.398.3.3.2.3"),
        (AUTH, ["1.3.6.1.5.5.7.3.2", "1.2.398.3.3.4.1.1", "1.2.398.3.3.4.3.2.1"], "1.2.398.3.3.2.4"),
    ],
)
def test_a_persons_certificate_says_what_for_who_how_identified_and_by_which_policy(
    authority: CertificationAuthority, profile: Profile, purposes: list[str], policy: str
) -> None:
    extensions = authority.issue(authority.order(KEYS["P-256"], profile)).extensions

    extended = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    policies = extensions.get_extension_for_class(x509.CertificatePolicies).value
    assert [oid.dotted_string for oid in extended] == purposes
    assert [item.policy_identifier.dotted_string for item in policies] == [policy]


@pytest.mark.parametrize(
    ("role", "oid"),
    [
        ("head", "1.2.398.3.3.4.1.2.1"),
        ("signer", "1.2.398.3.3.4.1.2.2"),
        ("finance", "1.2.398.3.3.4.1.2.3"),
        ("personnel", "1.2.398.3.3.4.1.2.4"),
        ("employee", "1.2.398.3.3.4.1.2.5"),
    ],
)
def test_who_acts_for_a_legal_entity_is_named_with_it_and_with_the_role(
    authority: CertificationAuthority, role: EntityRole, oid: str
) -> None:
    certificate = authority.issue(authority.order(KEYS["P-256"], ENTITIES[role], REPRESENTATIVE))

    extended = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    policies = certificate.extensions.get_extension_for_class(x509.CertificatePolicies).value
    assert [each.dotted_string for each in extended] == ["1.3.6.1.5.5.7.3.4", "1.2.398.3.3.4.1.2", oid]
    assert [item.policy_identifier.dotted_string for item in policies] == ["1.2.398.3.3.2.1"]
    assert certificate.subject.rfc4514_string({x509.NameOID.SERIAL_NUMBER: "SERIALNUMBER"}) == (
        "CN=СЕРІКҚЫЗЫ АЙГҮЛ,2.5.4.42=МҰРАТҚЫЗЫ,2.5.4.4=СЕРІКҚЫЗЫ,SERIALNUMBER=IIN830717350867,"
        "OU=BIN000740000728,O=«Жұлдыз» ЖШС,C=KZ"
    )


def test_a_persons_name_is_the_national_one(authority: CertificationAuthority) -> None:
    certificate = authority.issue(authority.order(KEYS["P-256"]))

    assert certificate.subject.rfc4514_string({x509.NameOID.SERIAL_NUMBER: "SERIALNUMBER"}) == (
        "CN=СЕРІКҚЫЗЫ АЙГҮЛ,2.5.4.42=МҰРАТҚЫЗЫ,2.5.4.4=СЕРІКҚЫЗЫ,SERIALNUMBER=IIN830717350867,C=KZ"
    )


def test_a_certificate_is_valid_for_its_whole_year_to_the_second(authority: CertificationAuthority) -> None:
    certificate = authority.issue(authority.order(KEYS["P-256"]))

    length = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert (length.days, length.seconds) == (364, 86_399)


def test_profiles_are_found_by_their_name() -> None:
    assert set(PROFILES) == {
        "ROOT",
        "ISSUING",
        "SIGN",
        "AUTH",
        *(each.name for each in ENTITIES.values()),
        "ORGANISATION_SEAL",
        "OCSP_RESPONDER",
        "TSA",
    }
    assert all(PROFILES[name].name == name for name in PROFILES)
    assert oids.IDENTIFIED_BY_DIGITAL_ID not in ORGANISATION_SEAL.extended_key_usage


def judged_by_openssl(
    authority: CertificationAuthority,
    certificate: x509.Certificate,
    folder: Path,
    profile: Profile,
    *,
    refused: bool = False,
) -> None:
    """Chain, strict form of every extension, and the policy, explicitly."""
    file = folder / "certificate.pem"
    file.write_bytes(pem(certificate))
    home = authority.directory
    chain = ("-CAfile", home / "root.pem", "-untrusted", home / "issuers.pem")
    policies = [oid.dotted_string for oid in profile.policies]
    policy = ("-policy_check", "-explicit_policy", "-policy", *policies) if policies else PURPOSES[profile.name]
    run("openssl", "verify", "-x509_strict", "-attime", AT, *chain, *policy, file, refused=refused)
