"""Detached electronic signatures over a document: CMS (RFC 5652) of the form CAdES-BES (ETSI EN 319 122-1).

One signer, strict DER, SHA-2, EC or RSA, and a certificate that an authority of ours issued for signing.
Whatever comes in, the outcome is a ``Verified`` or a ``SignatureRefused``, never another exception.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID, SignatureAlgorithmOID

from libs.common.cms_structures import (
    ContentInfo,
    EssCertIdV2,
    SignedAttributes,
    SignedData,
    SignerInfo,
    SigningCertificateV2,
    signed_attributes,
)
from libs.common.der import AlgorithmIdentifier, TbsCertificate, name_attributes, serial_text, tbs_fields
from libs.common.errors import Refused
from libs.common.trust import CertificateRefused, TrustAnchors
from libs.common.uses import PERSON_SIGN, CertificateUse

MAX_OCTETS: Final = 65_536
"""A signature with its chain takes about 3,000 octets; time-stamps and revocation values a few times that."""
_MAX_CERTIFICATES: Final = 8

_DATA: Final = x509.ObjectIdentifier("1.2.840.113549.1.7.1")
_SIGNED_DATA: Final = x509.ObjectIdentifier("1.2.840.113549.1.7.2")
_CONTENT_TYPE: Final = x509.ObjectIdentifier("1.2.840.113549.1.9.3")
_MESSAGE_DIGEST: Final = x509.ObjectIdentifier("1.2.840.113549.1.9.4")
_SIGNING_TIME: Final = x509.ObjectIdentifier("1.2.840.113549.1.9.5")
_SIGNING_CERTIFICATE_V2: Final = x509.ObjectIdentifier("1.2.840.113549.1.9.16.2.47")
_RSA_ENCRYPTION: Final = x509.ObjectIdentifier("1.2.840.113549.1.1.1")
_INDEFINITE_LENGTH: Final = b"\x30\x80"
_UTC_TIME: Final = b"\x17"
_DIRECTORY_NAME: Final = b"\xa4"
_PERSON_NUMBER: Final = re.compile(r"IIN(\d{12})", re.ASCII)

_SHA2: Final[dict[x509.ObjectIdentifier, hashes.HashAlgorithm]] = {
    x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1"): hashes.SHA256(),
    x509.ObjectIdentifier("2.16.840.1.101.3.4.2.2"): hashes.SHA384(),
    x509.ObjectIdentifier("2.16.840.1.101.3.4.2.3"): hashes.SHA512(),
}


def _encodings(algorithm: x509.ObjectIdentifier) -> tuple[bytes, bytes]:
    """Encode an algorithm with its parameters absent and NULL: verifiers take both (RFC 5754, 2)."""
    return (
        asn1.encode_der(AlgorithmIdentifier(algorithm=algorithm, parameters=None)),
        asn1.encode_der(AlgorithmIdentifier(algorithm=algorithm, parameters=asn1.Null())),
    )


_DIGESTS: Final = {der: digest for oid, digest in _SHA2.items() for der in _encodings(oid)}
_SCHEMES: Final = frozenset(
    (der, digest, kind)
    for oid, digest, kind in (
        (SignatureAlgorithmOID.ECDSA_WITH_SHA256, "sha256", "EC"),
        (SignatureAlgorithmOID.ECDSA_WITH_SHA384, "sha384", "EC"),
        (SignatureAlgorithmOID.ECDSA_WITH_SHA512, "sha512", "EC"),
        (SignatureAlgorithmOID.RSA_WITH_SHA256, "sha256", "RSA"),
        (SignatureAlgorithmOID.RSA_WITH_SHA384, "sha384", "RSA"),
        (SignatureAlgorithmOID.RSA_WITH_SHA512, "sha512", "RSA"),
        *((_RSA_ENCRYPTION, digest.name, "RSA") for digest in _SHA2.values()),
    )
    for der in _encodings(oid)
)
"""Signature algorithm, digest and kind of key that go together; PKCS#1 v1.5 may go by the key's name alone."""

_REFUSALS: Final = {
    "too_large": "The signature file is too large to be a signature. Please send the detached signature alone.",
    "not_der": "The signature is encoded as BER. Please save it as DER: streaming has to be off in the program.",
    "malformed": "This is not a detached electronic signature (CAdES-BES). Please sign the document again.",
    "not_detached": "The signature holds a document of its own. Please make a detached signature.",
    "one_signer": "The document must bear exactly one signature. Please sign it once, with your own key.",
    "unsupported_algorithm": "This signature algorithm is not supported. Please use an EC or RSA key and SHA-256.",
    "incomplete": "The signature does not say which certificate it belongs to. Please sign as CAdES-BES.",
    "wrong_document": "The signature belongs to another document, or the document was changed after signing.",
    "forged": "The signature was not made with the key of the certificate it names.",
    "untrusted_issuer": "The certificate was not issued by this authority. Please sign with the one issued here.",
    "look_alike": "The certificate bears this authority's name, but another key signed it. Ask where it is from.",
    "expired_certificate": "The certificate is not valid at this time. Please get a new one and sign again.",
    "wrong_profile": "This certificate is not for signing documents. Please sign with the SIGN certificate.",
}


class SignatureRefused(Refused):
    """A signature that does not count. ``key`` is ``signature.`` and one of the reasons this module knows."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"signature.{reason}", _REFUSALS[reason], status=422)


@dataclass(frozen=True, slots=True)
class Verified:
    """A signature that counts, unless its certificate was revoked.

    Attributes:
        serial_number: of the signer's certificate, as ``libs.common.der.serial_text`` writes it.
        iin: the signer's individual identification number, from the certificate.
        name: the signer's common name.
        signed_at: when the signer claims to have signed, if said; it proves nothing.
        certificate: the signer's certificate, DER.
        digest_algorithm: such as ``sha256``.
        digest: of the document, hexadecimal.
    """

    serial_number: str
    iin: str
    name: str
    signed_at: datetime | None
    certificate: bytes
    digest_algorithm: str
    digest: str


def verify_detached(
    signature: bytes,
    data: bytes,
    trust: TrustAnchors,
    at: datetime,
    use: CertificateUse = PERSON_SIGN,
) -> Verified:
    """Verify a person's signature over a document.

    Checked: form, document, signer's certificate as the signed attributes name it, its chain to our
    authorities and validity at ``at``, its use, and the signature. **Not** checked: revocation. The caller
    looks the serial number up in its own view of revoked certificates, at the same moment.

    Args:
        signature: CMS SignedData in DER, without content.
        data: the document, exactly as it was signed.
        trust: whose certificates count.
        at: when the signature was received, or a time-stamp's time.
        use: what the certificate has to be for.

    Raises:
        SignatureRefused: with the reason.
    """
    signed_data = _read(signature)
    info, attributes = _signer(signed_data)
    digest = _check_document(info, attributes, data)
    der, fields = _signer_certificate(signed_data, info, attributes)
    try:
        certificate = trust.verify(der, at, use)
        _verify_signature(certificate, info, attributes, digest)
        iin, name = _person(fields)
        signed_at = _signing_time(attributes)
    except CertificateRefused as error:
        raise SignatureRefused(error.doubt) from error
    except InvalidSignature as error:
        raise SignatureRefused("forged") from error
    except ValueError as error:
        raise SignatureRefused("malformed") from error
    return Verified(
        serial_number=serial_text(certificate.serial_number),
        iin=iin,
        name=name,
        signed_at=signed_at,
        certificate=der,
        digest_algorithm=digest.name,
        digest=attributes.values[_MESSAGE_DIGEST].parse(bytes).hex(),
    )


def _read(signature: bytes) -> SignedData:
    if len(signature) > MAX_OCTETS:
        raise SignatureRefused("too_large")
    if signature.startswith(_INDEFINITE_LENGTH):
        raise SignatureRefused("not_der")
    try:
        outer = asn1.decode_der(ContentInfo, signature)
    except ValueError as error:
        raise SignatureRefused("malformed") from error
    if outer.type != _SIGNED_DATA or outer.content.encapsulated.type != _DATA:
        raise SignatureRefused("malformed")
    if outer.content.encapsulated.content is not None:
        raise SignatureRefused("not_detached")
    return outer.content


def _signer(signed_data: SignedData) -> tuple[SignerInfo, SignedAttributes]:
    signers = signed_data.signer_infos.as_list()
    if len(signers) != 1:
        raise SignatureRefused("one_signer")
    try:
        attributes = signed_attributes(signers[0])
    except ValueError as error:
        raise SignatureRefused("incomplete") from error
    if not {_CONTENT_TYPE, _MESSAGE_DIGEST, _SIGNING_CERTIFICATE_V2} <= attributes.values.keys():
        raise SignatureRefused("incomplete")
    return signers[0], attributes


def _check_document(info: SignerInfo, attributes: SignedAttributes, data: bytes) -> hashes.HashAlgorithm:
    """Hold the document against the signed attributes; give the digest algorithm."""
    algorithm = _DIGESTS.get(asn1.encode_der(info.digest_algorithm))
    if algorithm is None:
        raise SignatureRefused("unsupported_algorithm")
    try:
        content_type = attributes.values[_CONTENT_TYPE].parse(x509.ObjectIdentifier)
        stated = attributes.values[_MESSAGE_DIGEST].parse(bytes)
    except ValueError as error:
        raise SignatureRefused("malformed") from error
    if content_type != _DATA:
        raise SignatureRefused("malformed")
    if stated != _digest(algorithm, data):
        raise SignatureRefused("wrong_document")
    return algorithm


def _signer_certificate(
    signed_data: SignedData, info: SignerInfo, attributes: SignedAttributes
) -> tuple[bytes, TbsCertificate]:
    """Find the certificate whose digest was signed (RFC 5035, 4): another of the same name can't take its place."""
    embedded = signed_data.certificates.as_list() if signed_data.certificates else []
    if len(embedded) > _MAX_CERTIFICATES:
        raise SignatureRefused("too_large")
    try:
        meant = attributes.values[_SIGNING_CERTIFICATE_V2].parse(SigningCertificateV2).certificates[0]
    except (ValueError, IndexError) as error:
        raise SignatureRefused("malformed") from error
    algorithm = _ess_digest(meant)
    for certificate in map(asn1.encode_der, embedded):
        if _digest(algorithm, certificate) == meant.certificate_hash:
            return certificate, _fields(certificate, info, meant)
    raise SignatureRefused("incomplete")


def _ess_digest(meant: EssCertIdV2) -> hashes.HashAlgorithm:
    if meant.hash_algorithm is None:
        return hashes.SHA256()
    algorithm = _SHA2.get(meant.hash_algorithm.algorithm)
    if algorithm is None:
        raise SignatureRefused("unsupported_algorithm")
    return algorithm


def _fields(certificate: bytes, info: SignerInfo, meant: EssCertIdV2) -> TbsCertificate:
    """Read the signer's certificate. All three places that name it have to name the same one."""
    try:
        fields = tbs_fields(certificate)
    except ValueError as error:
        raise SignatureRefused("malformed") from error
    issuer, serial_number = asn1.encode_der(fields.issuer), fields.serial_number
    same = asn1.encode_der(info.sid.issuer) == issuer and info.sid.serial_number == serial_number
    if meant.issuer_serial is not None:
        names = [(name.tag_bytes, bytes(name.data)) for name in meant.issuer_serial.issuer]
        same &= names == [(_DIRECTORY_NAME, issuer)] and meant.issuer_serial.serial_number == serial_number
    if not same:
        raise SignatureRefused("malformed")
    return fields


def _verify_signature(
    certificate: x509.Certificate, info: SignerInfo, attributes: SignedAttributes, digest: hashes.HashAlgorithm
) -> None:
    """Verify by the signer's key. InvalidSignature if it is not that key's signature."""
    key = certificate.public_key()
    algorithm = asn1.encode_der(info.signature_algorithm)
    if isinstance(key, ec.EllipticCurvePublicKey) and (algorithm, digest.name, "EC") in _SCHEMES:
        key.verify(info.signature, attributes.octets, ec.ECDSA(digest))
    elif isinstance(key, rsa.RSAPublicKey) and (algorithm, digest.name, "RSA") in _SCHEMES:
        key.verify(info.signature, attributes.octets, padding.PKCS1v15(), digest)
    else:
        raise SignatureRefused("unsupported_algorithm")


def _person(certificate: TbsCertificate) -> tuple[str, str]:
    """Read IIN and common name. SignatureRefused if the certificate is no person's."""
    subject = dict(name_attributes(certificate.subject))
    number = _PERSON_NUMBER.fullmatch(subject.get(NameOID.SERIAL_NUMBER, ""))
    if number is None:
        raise SignatureRefused("wrong_profile")
    return number[1], subject.get(NameOID.COMMON_NAME, "")


def _signing_time(attributes: SignedAttributes) -> datetime | None:
    value = attributes.values.get(_SIGNING_TIME)
    if value is None:
        return None
    kind = asn1.UTCTime if value.tag_bytes == _UTC_TIME else asn1.GeneralizedTime
    moment: datetime = value.parse(kind).as_datetime()
    return moment.replace(tzinfo=UTC)


def _digest(algorithm: hashes.HashAlgorithm, data: bytes) -> bytes:
    return hashlib.new(algorithm.name, data).digest()
