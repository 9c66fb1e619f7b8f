"""PKCS#12 key stores (RFC 7292) that OpenSSL 3, Java 17 and NSS open."""

import hmac
import secrets
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from asn1crypto import algos  # type: ignore[import-untyped]  # asn1crypto ships no types
from asn1crypto import pkcs12 as asn1_pkcs12
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import KeySerializationEncryption, PrivateFormat, pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from libs.citizen.errors import KeystoreError
from libs.citizen.files import write_private
from libs.citizen.keys.foreign_stores import MAC_KEY, StoreFault, derive, fault_of
from libs.citizen.keys.passwords import check_password
from libs.citizen.keys.private_keys import PrivateKey, key_id
from libs.common.pki.names import subject_of

ROUNDS: Final = 600_000
"""PBKDF2-HMAC-SHA256 rounds (OWASP Password Storage Cheat Sheet, 2023). Java 17 opens up to 5,000,000."""

_COMPATIBLE_ROUNDS: Final = 2048  # what the MAC of the library has; old programs take few more

KeyPurpose = Literal["SIGN", "AUTH"]


@dataclass(frozen=True)
class KeyEntry:
    """What a key store holds. `certificate` is None while the authority has not issued it yet.

    `chain` runs from the issuer of `certificate` upwards.
    """

    key: PrivateKey
    certificate: x509.Certificate | None = None
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def key_id(self) -> str:
        """The subject key identifier in lower-case hexadecimal, as the certificate has it where there is one."""
        if self.certificate is None:
            return key_id(self.key.public_key())
        return self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex()


def pack(entry: KeyEntry, password: str, *, rounds: int = ROUNDS, compatible: bool = False) -> bytes:
    """Return the key store as DER: AES-256-CBC, PBKDF2-HMAC-SHA256, MAC by HMAC-SHA256, `rounds` each.

    The friendly name, which Java calls the alias, is the lower-case hexadecimal subject key identifier.

    Args:
        compatible: triple DES and a MAC by HMAC-SHA1, which older Windows, macOS, Java 8 and national programs read.
            It protects less: the password has to be the stronger.

    Raises:
        PasswordRefused: see `check_password`.
    """
    name, secret = entry.key_id.encode("ascii"), check_password(password).encode("ascii")
    if compatible:
        return pkcs12.serialize_key_and_certificates(
            name, entry.key, entry.certificate, entry.chain or None, _older_encryption(secret)
        )
    encryption = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(rounds)
        .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
        .hmac_hash(hashes.SHA256())
        .build(secret)
    )
    store = pkcs12.serialize_key_and_certificates(name, entry.key, entry.certificate, entry.chain or None, encryption)
    return _with_mac_rounds(store, password, rounds)


def _older_encryption(secret: bytes) -> KeySerializationEncryption:
    return (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(_COMPATIBLE_ROUNDS)
        .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
        .hmac_hash(hashes.SHA1())  # noqa: S303 - asked for by name, for programs that know nothing newer
        .build(secret)
    )


def unpack(data: bytes, password: str) -> KeyEntry:
    """Open a key store.

    Raises:
        KeystoreError: ``keystore.unreadable`` for a wrong password or a broken file; ``keystore.unchecked`` where
            nothing says which; with the right password ``keystore.gost_key`` or ``keystore.foreign_key`` where the
            key is by an algorithm that is not known here, ``keystore.no_key`` where there is none.
    """
    try:
        with warnings.catch_warnings():
            # RFC 7292 allows BER, and others write it; the library warns that it may not read it for ever.
            warnings.filterwarnings("ignore", "PKCS#12 bundle could not be parsed as DER", UserWarning)
            key, certificate, others = pkcs12.load_key_and_certificates(data, password.encode("utf-8"))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _refused(fault_of(data, password)) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise KeystoreError("keystore.no_key")
    return KeyEntry(key, certificate, _issuers_of(certificate, others))


def _refused(fault: StoreFault) -> KeystoreError:
    match fault:
        case StoreFault.GOST_KEY:
            return KeystoreError("keystore.gost_key")
        case StoreFault.FOREIGN_KEY:
            return KeystoreError("keystore.foreign_key")
        case StoreFault.UNCHECKED:
            return KeystoreError("keystore.unchecked")
        case StoreFault.UNREADABLE:
            return KeystoreError("keystore.unreadable")


def _issuers_of(
    certificate: x509.Certificate | None, others: Sequence[x509.Certificate]
) -> tuple[x509.Certificate, ...]:
    """Put the other certificates in order: PKCS#12 is a bag, and writers fill it as they like."""
    chain: list[x509.Certificate] = []
    below = certificate
    while below is not None and below.issuer != subject_of(below):
        below = next((other for other in others if subject_of(other) == below.issuer and other not in chain), None)
        if below is not None:
            chain.append(below)
    return tuple(chain)


def purpose_of(certificate: x509.Certificate) -> KeyPurpose:
    """Return what a certificate is for, by its extended key usage.

    Raises:
        KeystoreError: ``keystore.other_purpose`` where it is for neither.
    """
    usages = [
        usage
        for each in certificate.extensions
        if isinstance(each.value, x509.ExtendedKeyUsage)
        for usage in each.value
    ]
    if ExtendedKeyUsageOID.CLIENT_AUTH in usages:
        return "AUTH"
    if ExtendedKeyUsageOID.EMAIL_PROTECTION in usages:
        return "SIGN"
    raise KeystoreError("keystore.other_purpose")


def iin_of(certificate: x509.Certificate) -> str:
    """Return the holder's IIN, which national certificates carry as ``SERIALNUMBER=IIN<12>``.

    Raises:
        KeystoreError: ``keystore.other_purpose`` where it is no person's.
    """
    numbers = subject_of(certificate).get_attributes_for_oid(NameOID.SERIAL_NUMBER)
    if len(numbers) != 1 or not str(numbers[0].value).startswith("IIN"):
        raise KeystoreError("keystore.other_purpose")
    return str(numbers[0].value).removeprefix("IIN")


def file_name(certificate: x509.Certificate) -> str:
    """Return the file name in the national form: ``RSA256_<ski>.p12`` to sign, ``AUTH_RSA256_<ski>.p12`` to sign in.

    RSA256 means RSA with SHA-256. No elliptic curve form is published; by analogy with GOST512, where the
    figure is the key's size, ``EC256`` and ``EC384`` name the curve's.
    """
    key = certificate.public_key()
    algorithm = "RSA256" if isinstance(key, rsa.RSAPublicKey) else f"EC{key.curve.key_size}"  # type: ignore[union-attr]  # only these two kinds are certified
    prefix = "AUTH_" if purpose_of(certificate) == "AUTH" else ""
    ski = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex()
    return f"{prefix}{algorithm}_{ski}.p12"


def write_entry(
    folder: Path,
    entry: KeyEntry,
    password: str,
    *,
    name: str | None = None,
    rounds: int = ROUNDS,
    compatible: bool = False,
) -> Path:
    """Write a key store under its national name, or under `name`; return its path. See `pack`."""
    path = folder / (name or file_name(certificate_of(entry)))
    write_private(path, pack(entry, password, rounds=rounds, compatible=compatible))
    return path


def certificate_of(entry: KeyEntry) -> x509.Certificate:
    """Return the certificate of an entry.

    Raises:
        KeystoreError: ``keystore.no_certificate``.
    """
    if entry.certificate is None:
        raise KeystoreError("keystore.no_certificate")
    return entry.certificate


def _with_mac_rounds(store: bytes, password: str, rounds: int) -> bytes:
    """Replace the MAC by one of as many rounds as the encryption has.

    The writing library fixes the MAC at 2,048 rounds, which would be the cheap way to guess the password.
    """
    pfx = asn1_pkcs12.Pfx.load(store)
    salt = secrets.token_bytes(16)
    key = derive(password, salt, rounds=rounds, purpose=MAC_KEY, length=hashes.SHA256.digest_size, digest="sha256")
    digest = hmac.digest(key, pfx["auth_safe"]["content"].native, "sha256")
    pfx["mac_data"] = {
        "mac": algos.DigestInfo({"digest_algorithm": {"algorithm": "sha256"}, "digest": digest}),
        "mac_salt": salt,
        "iterations": rounds,
    }
    der: bytes = pfx.dump(force=True)
    return der
