"""What certificates, lists, and owners of serial numbers are known by."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final, Self

from cryptography import x509
from pydantic import StringConstraints

from libs.common.pki.der import serial_text

Entropy = Callable[[int], bytes]
"""Gives random octets."""
Serial = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{2,40}$")]
"""A serial number in hexadecimal."""
SERIAL_OCTETS: Final = 16
OWN: Final = "authority/"
"""Owners of serial numbers of the operator's own certificates begin so; those of citizens' are journeys."""


def serial_number(entropy: bytes) -> int:
    """Make a serial number from 16 random octets: positive, always 16 octets long in DER.

    The top bit is cleared and the next one set; 126 random bits are left (RFC 5280, 4.1.2.2, asks for a
    positive number of at most 20 octets; CA/Browser Forum BR 7.1 for 64 unpredictable bits).
    """
    if len(entropy) != SERIAL_OCTETS:
        raise ValueError(f"a serial number is made from {SERIAL_OCTETS} octets")
    return int.from_bytes(entropy, "big") & ~(1 << 127) | 1 << 126


def own(issuer: str, label: str) -> str:
    """Return the owner of a serial number of one of the operator's own certificates."""
    return f"{OWN}{issuer}/{label}"


@dataclass(frozen=True, slots=True)
class CertificateId:
    """Which certificate: its issuing authority's label, and its serial number (lower-case hexadecimal)."""

    issuer: str
    serial: str

    @classmethod
    def of(cls, issuer: str, serial_number: int) -> "CertificateId":
        """Name a certificate by its serial number, which is positive."""
        return cls(issuer, serial_text(serial_number))

    def __str__(self) -> str:
        """Return the id of the record."""
        return f"{self.issuer}/{self.serial}"

    @classmethod
    def parse(cls, text: str) -> "CertificateId":
        """Read the id of a record."""
        issuer, _, serial = text.rpartition("/")
        return cls(issuer, serial)


@dataclass(frozen=True, slots=True)
class ShardId:
    """Which list: of which issuing authority (by its label), and its number."""

    issuer: str
    number: int

    def __str__(self) -> str:
        """Return the key under which the list is kept."""
        return f"{self.issuer}/{self.number}"

    @classmethod
    def parse(cls, key: str) -> Self:
        """Read the key back."""
        issuer, number = key.split("/")
        return cls(issuer, int(number))

    @classmethod
    def named_in(cls, certificate: x509.Certificate) -> Self:
        """Read which list answers for a certificate of ours out of its address: ``…/<issuer>/crl/<number>.crl``."""
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
        address = str(next(name.value for point in points for name in point.full_name or ()))
        *_, issuer, _, number = address.removesuffix(".crl").split("/")
        return cls(issuer, int(number))
