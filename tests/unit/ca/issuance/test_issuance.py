import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.common.pki.der import Extension, TbsCertificate, Validity, name_tlv, time, tlv
from services.ca.authority.issuers import Issuer
from services.ca.issuance.lint import LintError, TokenSpentError, lint
from services.ca.issuance.orders import Order
from services.ca.issuance.steps import Intent, prepare, resume, sign
from services.ca.model.ids import serial_number
from services.ca.model.profiles import AUTH, ISSUING, ROOT, SIGN, Publication
from services.ca.model.subject import Authority, NaturalPerson
from tests.unit.ca.hierarchies import NOW, ORGANISATION, PERSON, CertificationAuthority

KEY = ec.generate_private_key(ec.SECP256R1()).public_key()
OTHER_KEY = ec.generate_private_key(ec.SECP256R1()).public_key()
WEAK_KEY = ec.generate_private_key(ec.SECP224R1()).public_key()
Change = Callable[[TbsCertificate], TbsCertificate]


@pytest.fixture(scope="module")
def order(authority: CertificationAuthority) -> Order:
    return authority.order(KEY)


@pytest.fixture(scope="module")
def tbs(authority: CertificationAuthority, order: Order) -> bytes:
    return prepare(order, authority.issuer, authority.publication)


def findings(authority: CertificationAuthority, tbs: bytes, order: Order) -> str:
    with pytest.raises(LintError) as caught:
        lint(tbs, order, authority.issuer, authority.publication)
    return str(caught.value)


def test_the_bytes_are_those_another_library_would_write(
    authority: CertificationAuthority, order: Order, tbs: bytes
) -> None:
    certificate = authority.issue(order)
    builder = x509.CertificateBuilder(
        issuer_name=authority.issuing.subject,
        subject_name=certificate.subject,
        public_key=KEY,
        serial_number=order.serial_number,
        not_valid_before=NOW,
        not_valid_after=order.not_after,
    )
    for extension in certificate.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    built = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())

    assert built.tbs_certificate_bytes == tbs == certificate.tbs_certificate_bytes


def test_the_certificate_is_signed_by_the_issuer_over_the_linted_bytes(
    authority: CertificationAuthority, order: Order, tbs: bytes
) -> None:
    certificate = authority.issue(order)

    certificate.verify_directly_issued_by(authority.issuing)
    assert certificate.tbs_certificate_bytes == tbs


def test_linted_bytes_are_signed_once(authority: CertificationAuthority, order: Order, tbs: bytes) -> None:
    linted = lint(tbs, order, authority.issuer, authority.publication)
    sign(linted, authority.key)

    with pytest.raises(TokenSpentError):
        sign(linted, authority.key)


def test_of_many_threads_one_gets_the_signature(authority: CertificationAuthority, order: Order, tbs: bytes) -> None:
    linted = lint(tbs, order, authority.issuer, authority.publication)

    def attempt(_: int) -> bool:
        try:
            sign(linted, authority.key)
        except TokenSpentError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(32))) == 1


def test_another_authoritys_key_signs_nothing(authority: CertificationAuthority, order: Order, tbs: bytes) -> None:
    linted = lint(tbs, order, authority.issuer, authority.publication)

    with pytest.raises(ValueError, match="does not belong"):
        sign(linted, ec.generate_private_key(ec.SECP256R1()))


def test_an_intent_recorded_before_a_crash_becomes_the_very_certificate_it_announced(
    authority: CertificationAuthority, order: Order, tbs: bytes
) -> None:
    issuer, publication = authority.issuer, authority.publication
    linted = lint(tbs, order, issuer, publication)
    recorded = Intent.of(order, linted, publication).model_dump_json()
    signed_before_the_crash = sign(linted, authority.key)

    intent = Intent.model_validate_json(recorded)
    again = resume(intent, intent.order(PERSON, KEY), issuer, publication, authority.key)

    assert again.serial_number == order.serial_number
    assert again.public_bytes(Encoding.DER) == signed_before_the_crash.public_bytes(Encoding.DER)


def test_an_intent_of_before_there_was_a_responder_is_signed_as_it_was_recorded(
    authority: CertificationAuthority, order: Order
) -> None:
    issuer = authority.issuer
    silent = replace(authority.publication, ocsp=False)
    tbs = prepare(order, issuer, silent)
    recorded = Intent.of(order, lint(tbs, order, issuer, silent), silent).model_dump_json(exclude={"ocsp"})

    intent = Intent.model_validate_json(recorded)
    certificate = resume(intent, intent.order(PERSON, KEY), issuer, authority.publication, authority.key)

    assert certificate.tbs_certificate_bytes == tbs


def test_an_rsa_issuer_also_signs_the_same_bytes_the_same_way(authority: CertificationAuthority) -> None:
    key = rsa.generate_private_key(65537, 2048)
    holder = Authority(organisation="Сынақ", common_name="NCA Root R2 (test)")
    issuer = Issuer.root("root", holder, key.public_key())
    order = Order(
        profile=ROOT,
        holder=holder,
        public_key=key.public_key(),
        serial_number=serial_number(bytes(16)),
        not_before=NOW,
    )
    tbs = prepare(order, issuer, authority.publication)
    first, second = (sign(lint(tbs, order, issuer, authority.publication), key) for _ in range(2))

    assert first == second
    first.verify_directly_issued_by(first)


@pytest.mark.parametrize("facts", ["person", "key"])
def test_a_recorded_intent_is_not_signed_for_other_facts(
    authority: CertificationAuthority, order: Order, tbs: bytes, facts: str
) -> None:
    issuer, publication = authority.issuer, authority.publication
    intent = Intent.of(order, lint(tbs, order, issuer, publication), publication)
    other = NaturalPerson(iin="061211600012", surname="БӨТЕН")
    changed = intent.order(other, KEY) if facts == "person" else intent.order(PERSON, OTHER_KEY)

    with pytest.raises(LintError):
        resume(intent, changed, issuer, publication, authority.key)


def test_an_intent_is_signed_under_the_address_it_was_recorded_with(
    authority: CertificationAuthority, order: Order
) -> None:
    issuer, then = authority.issuer, Publication("http://then.test.kz/pki")
    intent = Intent.of(order, lint(prepare(order, issuer, then), order, issuer, then), then)
    recorded = Intent.model_validate_json(intent.model_dump_json())

    certificate = resume(recorded, order, issuer, recorded.publication(authority.publication), authority.key)

    assert certificate.tbs_certificate_bytes == intent.tbs
    assert (
        Intent.model_validate_json(intent.model_dump_json(exclude={"base_url"})).publication(authority.publication)
        == authority.publication
    )


@pytest.mark.parametrize("altered", ["address", "bytes", "digest"])
def test_an_altered_intent_is_not_signed(
    authority: CertificationAuthority, order: Order, tbs: bytes, altered: str
) -> None:
    issuer, publication = authority.issuer, authority.publication
    other = Publication("http://look-alike.test.kz/pki")
    there = prepare(order, issuer, other)
    changes: dict[str, dict[str, object]] = {
        "address": {"base_url": other.base_url},
        "bytes": {"tbs": there},
        "digest": {"tbs": there, "tbs_sha256": hashlib.sha256(there).hexdigest()},
    }
    intent = Intent.of(order, lint(tbs, order, issuer, publication), publication)
    intent = intent.model_copy(update=changes[altered])

    with pytest.raises(LintError):
        resume(intent, order, issuer, intent.publication(publication), authority.key)


@given(position=st.integers(min_value=0), value=st.integers(0, 255))
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_change_of_a_single_octet_gets_past_the_lint(
    authority: CertificationAuthority, order: Order, tbs: bytes, position: int, value: int
) -> None:
    lint(tbs, order, authority.issuer, authority.publication)  # what passed before must not let pass what differs
    position %= len(tbs)
    changed = tbs[:position] + bytes([value]) + tbs[position + 1 :]
    if changed != tbs:
        assert findings(authority, changed, order)


def with_extension(oid: str, value: bytes, *, critical: bool = False) -> Change:
    """Add an extension, or replace the one of that type."""

    def change(tbs: TbsCertificate) -> TbsCertificate:
        added = Extension(oid=x509.ObjectIdentifier(oid), critical=critical, value=value)
        kept = [extension for extension in tbs.extensions if extension.oid != added.oid]
        return replace(tbs, extensions=[*kept, added])

    return change


def usage(*names: str) -> bytes:
    every = [name for name in dir(x509.KeyUsage) if not name.startswith("_") and name not in {"oid", "public_bytes"}]
    return x509.KeyUsage(**{name: name in names for name in every}).public_bytes()


LIST = "http://pki.test.kz/issuing/crl/7.crl"


def lists_at(name: x509.GeneralName, reasons: frozenset[x509.ReasonFlags] | None = None) -> Change:
    """Point to the revocation list by this name, and for these reasons only."""
    points = x509.CRLDistributionPoints([x509.DistributionPoint([name], None, reasons, None)])
    return with_extension("2.5.29.31", points.public_bytes())


def answered_at(kind: Callable[[str], x509.GeneralName], *, twice: bool = False) -> Change:
    """Point to the issuer's certificate and the responder by names of this kind."""
    responder = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, kind("http://pki.test.kz/issuing/ocsp"))
    issuer = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, kind("http://pki.test.kz/issuing.cer"))
    places = [responder, *([responder] if twice else []), issuer]
    return with_extension("1.3.6.1.5.5.7.1.1", x509.AuthorityInformationAccess(places).public_bytes())


WRONG: dict[str, tuple[Change, str]] = {
    "serial": (lambda tbs: replace(tbs, serial_number=tbs.serial_number + 1), "serial number"),
    "negative serial": (lambda tbs: replace(tbs, serial_number=-5), "serial number"),
    "longer": (
        lambda tbs: replace(
            tbs,
            validity=Validity(not_before=tbs.validity.not_before, not_after=time(NOW + timedelta(days=366))),
        ),
        "as long as the profile",
    ),
    "subject": (lambda tbs: replace(tbs, subject=name_tlv(ORGANISATION.attributes())), "ordered holder"),
    "issuer": (lambda tbs: replace(tbs, issuer=tbs.subject), "issuer's name"),
    "version": (lambda tbs: replace(tbs, version=1), "InvalidVersion"),
    "may issue": (
        with_extension("2.5.29.19", x509.BasicConstraints(ca=True, path_length=0).public_bytes(), critical=True),
        "basic constraints",
    ),
    "signs certificates": (
        with_extension("2.5.29.15", usage("digital_signature", "content_commitment", "key_cert_sign"), critical=True),
        "key usage is not exactly",
    ),
    "usage not critical": (
        with_extension("2.5.29.15", usage("digital_signature", "content_commitment")),
        "critical where it should not be",
    ),
    "usage with a trailing zero bit": (
        with_extension("2.5.29.15", bytes.fromhex("030200c0"), critical=True),
        "canonical encoding",
    ),
    "any purpose": (
        with_extension("2.5.29.37", x509.ExtendedKeyUsage([x509.ObjectIdentifier("2.5.29.37.0")]).public_bytes()),
        "extended key usage",
    ),
    "another policy": (
        with_extension(
            "2.5.29.32",
            x509.CertificatePolicies([x509.PolicyInformation(AUTH.policies[0], None)]).public_bytes(),
        ),
        "policies",
    ),
    "another shard": (lists_at(x509.UniformResourceIdentifier(LIST.replace("7.crl", "8.crl"))), "revocation list's"),
    "a list at a name of another kind": (lists_at(x509.DNSName(LIST)), "revocation list's address"),
    "a list for one reason": (
        lists_at(x509.UniformResourceIdentifier(LIST), frozenset({x509.ReasonFlags.key_compromise})),
        "revocation list's address",
    ),
    "a responder at a name of another kind": (answered_at(x509.RFC822Name), "issuer's certificate and responder"),
    "the same responder twice": (
        answered_at(x509.UniformResourceIdentifier, twice=True),
        "issuer's certificate and responder",
    ),
    "another key's identifier": (
        with_extension("2.5.29.14", x509.SubjectKeyIdentifier.from_public_key(OTHER_KEY).public_bytes()),
        "subject key identifier",
    ),
    "another authority's identifier": (
        with_extension("2.5.29.35", x509.AuthorityKeyIdentifier.from_issuer_public_key(OTHER_KEY).public_bytes()),
        "authority key identifier",
    ),
    "alternative name": (
        with_extension("2.5.29.17", x509.SubjectAlternativeName([x509.DNSName("egov.kz")]).public_bytes()),
        "unexpected extension",
    ),
    "no policy": (
        lambda tbs: replace(tbs, extensions=[item for item in tbs.extensions if item.oid.dotted_string != "2.5.29.32"]),
        "policies",
    ),
    "signature algorithm": (
        lambda tbs: replace(tbs, signature=tlv(bytes.fromhex("300a06082a8648ce3d040303"))),
        "signature algorithm",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_the_lint_says_what_is_wrong(authority: CertificationAuthority, order: Order, tbs: bytes, wrong: str) -> None:
    change, sentence = WRONG[wrong]
    lint(tbs, order, authority.issuer, authority.publication)

    assert sentence in findings(authority, asn1.encode_der(change(asn1.decode_der(TbsCertificate, tbs))), order)


def test_a_weak_key_is_found_before_signing_too(authority: CertificationAuthority) -> None:
    order = authority.order(WEAK_KEY)

    assert "P-256 or P-384" in findings(authority, prepare(order, authority.issuer, authority.publication), order)


def test_a_holder_never_gets_the_issuers_own_key_certified(authority: CertificationAuthority) -> None:
    order = authority.order(authority.key.public_key())

    assert "own key" in findings(authority, prepare(order, authority.issuer, authority.publication), order)


def test_findings_name_nobody(authority: CertificationAuthority, order: Order, tbs: bytes) -> None:
    change, _ = WRONG["subject"]
    wrong = asn1.encode_der(change(asn1.decode_der(TbsCertificate, tbs)))

    said = findings(authority, wrong, order)

    assert not any(secret in said for secret in (PERSON.iin, PERSON.surname, ORGANISATION.bin, ORGANISATION.name))


@pytest.mark.parametrize("junk", [b"", b"\x30", b"\x30\x80\x00\x00", b"\x04\x01a"])
def test_what_is_no_certificate_is_a_finding_not_a_crash(
    authority: CertificationAuthority, order: Order, junk: bytes
) -> None:
    assert "do not read as a certificate" in findings(authority, junk, order)


def test_an_order_whose_parts_do_not_fit_can_not_be_made(authority: CertificationAuthority) -> None:
    with pytest.raises(ValueError, match="SIGN names a NaturalPerson"):
        authority.order(KEY, SIGN, ORGANISATION)
    with pytest.raises(ValueError, match="whole second"):
        authority.order(KEY, not_before=NOW.replace(microsecond=1))
    with pytest.raises(ValueError, match="ISSUING names"):
        authority.order(KEY, ISSUING, PERSON)


@given(entropy=st.binary(min_size=16, max_size=16))
def test_a_serial_number_is_positive_and_always_16_octets(entropy: bytes) -> None:
    assert serial_number(entropy).bit_length() == 127
    assert asn1.encode_der(serial_number(entropy))[:2] == b"\x02\x10"


def test_a_serial_number_needs_its_whole_entropy() -> None:
    with pytest.raises(ValueError, match="16 octets"):
        serial_number(b"short")
