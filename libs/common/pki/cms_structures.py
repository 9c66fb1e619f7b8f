"""The part of the Cryptographic Message Syntax that a detached signature uses, declared as DER.

RFC 5652, 5 (SignedData), and RFC 5035, 4 (ESS signing certificate, version 2). Decoding is strict: BER
forms, unsorted sets, trailing octets and unknown fields are a ValueError. Algorithms stay raw, so that a
foreign one can be told from a malformed one.
"""

from dataclasses import dataclass
from typing import Annotated

from cryptography.hazmat import asn1
from cryptography.x509 import ObjectIdentifier

from libs.common.pki.der import AlgorithmIdentifier


@asn1.sequence
class Attribute:
    """An attribute: its type and its values."""

    type: ObjectIdentifier
    values: asn1.SetOf[asn1.TLV]


@asn1.sequence
class IssuerAndSerialNumber:
    """Names a certificate by who issued it under which number."""

    issuer: asn1.TLV
    serial_number: int


@asn1.sequence
class SignerInfo:
    """One signature. ``sid`` names the signer by issuer and serial number, or by the key identifier (RFC 5652, 5.3)."""

    version: int
    sid: IssuerAndSerialNumber | Annotated[bytes, asn1.Implicit(0)]
    digest_algorithm: asn1.TLV
    signed_attributes: Annotated[asn1.SetOf[Attribute] | None, asn1.Implicit(0)]
    signature_algorithm: asn1.TLV
    signature: bytes
    unsigned_attributes: Annotated[asn1.SetOf[Attribute] | None, asn1.Implicit(1)]


@asn1.sequence
class EncapsulatedContent:
    """The type of what was signed, and, in a signature that is not detached, the content."""

    type: ObjectIdentifier
    content: Annotated[bytes | None, asn1.Explicit(0)]


@asn1.sequence
class SignedData:
    """Signatures with the certificates that belong to them."""

    version: int
    digest_algorithms: asn1.SetOf[asn1.TLV]
    encapsulated: EncapsulatedContent
    certificates: Annotated[asn1.SetOf[asn1.TLV] | None, asn1.Implicit(0)]
    crls: Annotated[asn1.SetOf[asn1.TLV] | None, asn1.Implicit(1)]
    signer_infos: asn1.SetOf[SignerInfo]


@asn1.sequence
class ContentInfo:
    """The outermost wrapping, of SignedData. Other contents do not decode: see `ContentKind`."""

    type: ObjectIdentifier
    content: Annotated[SignedData, asn1.Explicit(0)]


@asn1.sequence
class ContentKind:
    """The outermost wrapping of whatever is inside."""

    type: ObjectIdentifier
    content: asn1.TLV


@asn1.sequence
class IssuerSerial:
    """Names a certificate as ``IssuerAndSerialNumber`` does, in the words of another standard."""

    issuer: list[asn1.TLV]
    serial_number: int


@asn1.sequence
class EssCertIdV2:
    """The digest of a certificate; SHA-256 where no algorithm is named."""

    hash_algorithm: AlgorithmIdentifier | None
    certificate_hash: bytes
    issuer_serial: IssuerSerial | None


@asn1.sequence
class SigningCertificateV2:
    """Which certificate the signer meant: the first."""

    certificates: list[EssCertIdV2]
    policies: list[asn1.TLV] | None


@dataclass(frozen=True, slots=True)
class SignedAttributes:
    """What the signature covers: the octets it was made over, and the values of each attribute."""

    octets: bytes
    values: dict[ObjectIdentifier, tuple[asn1.TLV, ...]]

    def single(self, kind: ObjectIdentifier) -> asn1.TLV:
        """Return the value of an attribute that has to have one (RFC 5652, 11; RFC 5035, 4). ValueError otherwise."""
        (value,) = self.values.get(kind, ())
        return value


def signed_attributes(attributes: asn1.SetOf[Attribute]) -> SignedAttributes:
    """Read the signed attributes. An attribute may have several values, or occur several times (RFC 5652, 5.3).

    The signature is made over them with the tag of a SET in place of the implicit one (5.4).
    """
    values: dict[ObjectIdentifier, tuple[asn1.TLV, ...]] = {}
    for each in attributes.as_list():
        values[each.type] = (*values.get(each.type, ()), *each.values.as_list())
    return SignedAttributes(asn1.encode_der(attributes), values)
