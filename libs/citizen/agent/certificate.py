"""The certificate by which browsers know the agent: this machine's own, good for nothing but 127.0.0.1."""

import ssl
from datetime import datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from libs.citizen.files import write_private

CERTIFICATE: Final = "agent.crt"
_KEY: Final = "agent.key"
_LIFE: Final = timedelta(days=397)  # browsers refuse longer ones
_EARLY: Final = timedelta(days=30)


def context(folder: Path, now: datetime) -> ssl.SSLContext:
    """Return the TLS context, with the certificate in the folder or a new one."""
    if _needs_new(folder / CERTIFICATE, now):
        _make(folder, now)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    tls.load_cert_chain(folder / CERTIFICATE, folder / _KEY)
    return tls


def _needs_new(path: Path, now: datetime) -> bool:
    if not path.exists() or not path.with_name(_KEY).exists():
        return True
    return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc < now + _EARLY


def _make(folder: Path, now: datetime) -> None:
    """Make key and certificate. It is no authority: trusting it lets nobody vouch for other sites."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Signing agent of this machine")])
    hosts = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1")), x509.DNSName("localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(hosts, critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_private(
        folder / _KEY,
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
    write_private(folder / CERTIFICATE, certificate.public_bytes(serialization.Encoding.PEM))
