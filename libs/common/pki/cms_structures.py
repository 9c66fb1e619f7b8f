"""The part of the Cryptographic Message Syntax that a detached signature uses, declared as DER.

RFC 5652, 5 (SignedData), and RFC 5035, 4 (ESS signing certificate, version 2). Decoding is strict: BER
forms, unsorted sets, trailing octets and unknown fields are a ValueError. Algorithms stay raw, so that a
foreign one can be told from a malformed one.
"""

from dataclasses import dataclass
from typing import Annotated

from cryptography.hazmat import asn1
from cryptography.x509 import ObjectIdentifier

from libs.common.pki.der import AlgorithmIdentifier, boxed

_CONTEXT_0, _SET = b"\xa0", b"\x31"


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
    """One signature. ``signed_attributes`` should be [0] IMPLICIT SET OF Attribute: see ``attributes``."""

    version: int
    sid: IssuerAndSerialNumber
    digest_algorithm: asn1.TLV
    signed_attributes: asn1.TLV
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
    """The outermost wrapping; other content types than SignedData do not decode."""

    type: ObjectIdentifier
    content: Annotated[SignedData, asn1.Explicit(0)]


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


@asn1.sequence
class _AttributeSet:
    attributes: asn1.SetOf[Attribute]


@dataclass(frozen=True, slots=True)
class SignedAttributes:
    """What the signature covers: the octets it was made over, and each attribute's single value."""

    octets: bytes
    values: dict[ObjectIdentifier, asn1.TLV]


def signed_attributes(info: SignerInfo) -> SignedAttributes:
    """Read the signed attributes. ValueError if there are none, or one occurs twice or with several values.

    The signature is made over them with the tag of a SET in place of the implicit one (RFC 5652, 5.4).
    """
    raw = asn1.encode_der(info.signed_attributes)
    if not raw.startswith(_CONTEXT_0):
        raise ValueError("no signed attributes")
    octets = _SET + raw[1:]
    attributes = asn1.decode_der(_AttributeSet, boxed(octets)).attributes.as_list()
    values = {attribute.type: value for attribute in attributes for value in attribute.values.as_list()}
    if len(values) != len(attributes) or any(len(item.values.as_list()) != 1 for item in attributes):
        raise ValueError("a signed attribute is repeated, empty or has several values")
    return SignedAttributes(octets, values)
