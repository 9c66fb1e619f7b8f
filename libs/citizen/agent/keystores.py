"""The key stores that the person offers to pages."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from libs.citizen.agent.requests import WantedKey
from libs.citizen.errors import KeystoreError
from libs.citizen.keys.keystore import KeyEntry, certificate_of, purpose_of, unpack
from libs.common.pki.names import subject_of
from libs.common.pki.oids import NAME_KEYWORDS
from libs.common.pki.trust import CLOCK_DIFFERENCE


@dataclass(frozen=True, slots=True)
class KeyStoreFile:
    """A key store on disk and the certificate in it. The key itself stays encrypted until it is used."""

    path: Path
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]

    @classmethod
    def read(cls, path: Path, password: str) -> "KeyStoreFile":
        """Read the certificate of a key store.

        Raises:
            KeystoreError: the password is wrong, there is no certificate, or it is for something else.
        """
        entry = unpack(path.read_bytes(), password)
        certificate = certificate_of(entry)
        purpose_of(certificate)
        return cls(path, certificate, entry.chain)

    def open(self, password: str) -> KeyEntry:
        """Decrypt the key, to sign.

        Raises:
            KeystoreError: the password is wrong, or the file is no longer the one that was chosen from.
        """
        try:
            entry = unpack(self.path.read_bytes(), password)
        except OSError as error:
            raise _replaced(self.path) from error
        if entry.certificate != self.certificate:
            raise _replaced(self.path)
        return entry

    def fits(self, wanted: WantedKey, now: datetime) -> bool:
        """Return whether this is a key the page wants, valid now."""
        certificate = self.certificate
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        return (
            certificate.not_valid_before_utc - CLOCK_DIFFERENCE <= now <= certificate.not_valid_after_utc
            and wanted.usages <= {usage.dotted_string for usage in usages}
            and (wanted.iin is None or f"IIN{wanted.iin}" in _values(subject_of(certificate), NameOID.SERIAL_NUMBER))
            and (
                wanted.bin is None
                or f"BIN{wanted.bin}" in _values(subject_of(certificate), NameOID.ORGANIZATIONAL_UNIT_NAME)
            )
            and (wanted.serial is None or wanted.serial == f"{certificate.serial_number:x}")
            and (not wanted.issuers or any(self._issued_under(each) for each in wanted.issuers))
        )

    def _issued_under(self, authority: x509.Certificate) -> bool:
        return any(_signed_by(each, authority) for each in (self.certificate, *self.chain))

    def info(self) -> dict[str, object]:
        """Return what NCALayer's ``getKeyInfo`` answers about the certificate.

        Names stand in the order of the certificate, dates are milliseconds since 1970 in text: pages read them by
        ``new Date(Number(text))``.
        """
        certificate = self.certificate
        ski = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex()
        aki = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier or b""
        return {
            "alias": ski,
            "keyId": ski,
            "algorithm": "RSA" if isinstance(certificate.public_key(), rsa.RSAPublicKey) else "EC",
            "subjectCn": "".join(_values(subject_of(certificate), NameOID.COMMON_NAME)),
            "subjectDn": _written(subject_of(certificate)),
            "issuerCn": "".join(_values(certificate.issuer, NameOID.COMMON_NAME)),
            "issuerDn": _written(certificate.issuer),
            "serialNumber": f"{certificate.serial_number:x}",
            "certNotBefore": _milliseconds(certificate.not_valid_before_utc),
            "certNotAfter": _milliseconds(certificate.not_valid_after_utc),
            "authorityKeyIdentifier": aki.hex(),
            "pem": self.pem,
        }

    @property
    def pem(self) -> str:
        """The certificate as PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


def fitting(stores: Iterable[KeyStoreFile], wanted: WantedKey, now: datetime) -> list[KeyStoreFile]:
    """Return the stores a page may choose from."""
    return [store for store in stores if store.fits(wanted, now)]


def _replaced(path: Path) -> KeystoreError:
    return KeystoreError("keystore.replaced", file=path.name)


def _written(name: x509.Name) -> str:
    """Write a name as Java's Kalkan provider does: in encoded order, which RFC 4514 turns round."""
    return x509.Name(reversed(list(name.rdns))).rfc4514_string(NAME_KEYWORDS)


def _milliseconds(moment: datetime) -> str:
    return str(int(moment.timestamp()) * 1000)


def _values(name: x509.Name, oid: x509.ObjectIdentifier) -> list[str]:
    return [str(attribute.value) for attribute in name.get_attributes_for_oid(oid)]


def _signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    if certificate == authority:
        return True
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True
