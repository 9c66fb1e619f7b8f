"""Makes certificates for invented people: a small authority with root and issuing, by the national profile."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from libs.citizen.keys.keystore import KeyEntry, KeyPurpose
from libs.citizen.keys.private_keys import KeyAlgorithm, PrivateKey, PublicKey, make_key

PASSWORD = "Steppe-wind-42-kite"  # noqa: S105 - a test's own
IIN = "830717350867"


@dataclass(frozen=True)
class Authority:
    """Root and issuing certificates with the issuing key."""

    root: x509.Certificate
    issuing: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    now: datetime

    def certify(self, public_key: PublicKey, purpose: KeyPurpose = "SIGN") -> x509.Certificate:
        signing = purpose == "SIGN"
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=signing,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=False,
            crl_sign=False,
            encipher_only=False,
            decipher_only=False,
        )
        extended = [
            ExtendedKeyUsageOID.EMAIL_PROTECTION if signing else ExtendedKeyUsageOID.CLIENT_AUTH,
            ObjectIdentifier("1.2.398.3.3.4.1.1"),
        ]
        policy = ObjectIdentifier("1.2.398.3.3.2.3" if signing else "1.2.398.3.3.2.4")
        return (
            _builder(_name("ТЕСТОВА АЙГУЛЬ", f"IIN{IIN}"), self.issuing.subject, public_key, self.now, days=365)
            .add_extension(usage, critical=True)
            .add_extension(x509.ExtendedKeyUsage(extended), critical=False)
            .add_extension(x509.CertificatePolicies([x509.PolicyInformation(policy, None)]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA256())
        )

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        return self.issuing, self.root

    def entry(
        self, purpose: KeyPurpose = "SIGN", kind: KeyAlgorithm = KeyAlgorithm.EC_P256, key: PrivateKey | None = None
    ) -> KeyEntry:
        key = key or make_key(kind)
        return KeyEntry(key, self.certify(key.public_key(), purpose), self.chain)


def _name(common: str, serial: str | None = None) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COUNTRY_NAME, "KZ"), x509.NameAttribute(NameOID.COMMON_NAME, common)]
    if serial:
        attributes.append(x509.NameAttribute(NameOID.SERIAL_NUMBER, serial))
    return x509.Name(attributes)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: PublicKey, now: datetime, *, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _authority_certificate(
    common: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    now: datetime,
) -> x509.Certificate:
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        _builder(_name(common), issuer, key.public_key(), now, days=3650)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


def pem(*certificates: x509.Certificate) -> str:
    return "".join(certificate.public_bytes(serialization.Encoding.PEM).decode() for certificate in certificates)


def make_authority(now: datetime | None = None) -> Authority:
    """Make a fresh root and issuing authority, whose certificates begin five minutes before now."""
    now = now or datetime.now(UTC)
    root_key, issuing_key = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP256R1())
    root = _authority_certificate("Test root", root_key, _name("Test root"), root_key, now)
    issuing = _authority_certificate("Test issuing", issuing_key, root.subject, root_key, now)
    return Authority(root, issuing, issuing_key, now)
