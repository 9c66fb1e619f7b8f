"""Electronic signatures over a document: CMS (RFC 5652) of the form CAdES-BES (ETSI EN 319 122-1).

SHA-2, EC or RSA, and a certificate that an authority of ours issued for signing. The form is read as strict DER; BER
is brought into DER before (`libs.common.pki.ber`). Whatever comes in, the outcome is what the signature says or a
``SignatureRefused``, never another exception.

A ``Message`` bears signatures; each of them is a ``Claim``: the document agrees with it, and it names a certificate.
Once its time is known (now, or a time-stamp's), ``Claim.verify`` says whether it counts.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from libs.common.pki.ber import from_ber
from libs.common.pki.certificate_use import PERSON_SIGN, CertificateUse
from libs.common.pki.cms_algorithms import DIGESTS, SCHEMES, digest_of
from libs.common.pki.cms_refusals import SignatureRefusal, SignatureRefused
from libs.common.pki.cms_structures import (
    ContentInfo,
    ContentKind,
    SignedAttributes,
    SignerInfo,
    signed_attributes,
)
from libs.common.pki.der import TbsCertificate, name_attributes, serial_text
from libs.common.pki.ess import SIGNING_CERTIFICATE, SIGNING_CERTIFICATE_V2, signer_certificate
from libs.common.pki.oids import FULL_NAME
from libs.common.pki.trust import CertificateRefused, TrustAnchors

MAX_OCTETS: Final = 65_536
"""A signature with its chain takes about 3,000 octets; time-stamps and revocation values a few times that."""
_MAX_CERTIFICATES: Final = 8
_VERSIONS: Final = range(1, 6)
"""They say what may be inside (RFC 5652, 5.1); signers get them wrong, so what is inside is read as it stands."""
_SIGNER_VERSIONS: Final = (1, 3)
"""Of a signer named by issuer and serial number, and of one named by a key identifier (5.3)."""

DATA: Final = x509.ObjectIdentifier("1.2.840.113549.1.7.1")
SIGNED_DATA: Final = x509.ObjectIdentifier("1.2.840.113549.1.7.2")
CONTENT_TYPE: Final = x509.ObjectIdentifier("1.2.840.113549.1.9.3")
MESSAGE_DIGEST: Final = x509.ObjectIdentifier("1.2.840.113549.1.9.4")
_SIGNING_TIME: Final = x509.ObjectIdentifier("1.2.840.113549.1.9.5")
_UTC_TIME: Final = b"\x17"
_CERTIFICATE: Final = b"\x30"
"""Of the choices in CertificateSet (10.2.2) the one that is read; attribute certificates, for one, are not."""
_PERSON_NUMBER: Final = re.compile(r"IIN(\d{12})", re.ASCII)


@dataclass(frozen=True, slots=True)
class VerifiedSignature:
    """A person's signature that counts, unless its certificate was revoked.

    Attributes:
        serial_number: of the signer's certificate, as ``libs.common.pki.der.serial_text`` writes it.
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


@dataclass(frozen=True, slots=True)
class Claim:
    """One signature as it came: the document agrees with it, and it names a certificate.

    Attributes:
        certificate: the one that is named, DER. Nothing says yet that it is to be believed.
        fields: what it holds.
        signed: what the signature may have been made over: the signed attributes in DER, and as they came.
    """

    info: SignerInfo
    attributes: SignedAttributes
    digest: hashes.HashAlgorithm
    certificate: bytes
    fields: TbsCertificate
    signed: tuple[bytes, ...]

    def verify(self, trust: TrustAnchors, at: datetime, *uses: CertificateUse) -> x509.Certificate:
        """Return the signer's certificate if the signature counts at that time. SignatureRefused otherwise."""
        try:
            certificate = trust.verify(self.certificate, at, *uses)
        except CertificateRefused as error:
            raise SignatureRefused(SignatureRefusal(f"signature.{error.doubt}"), error.certificate) from error
        try:
            _verify_signature(certificate, self)
        except InvalidSignature as error:
            raise SignatureRefused(SignatureRefusal.FORGED) from error
        except ValueError as error:
            raise SignatureRefused(SignatureRefusal.MALFORMED) from error
        return certificate

    @property
    def signed_at(self) -> datetime | None:
        """When the signer claims to have signed, if said; it proves nothing. SignatureRefused if malformed."""
        if _SIGNING_TIME not in self.attributes.values:
            return None
        try:
            value = self.attributes.single(_SIGNING_TIME)
            kind = asn1.UTCTime if value.tag_bytes == _UTC_TIME else asn1.GeneralizedTime
            moment: datetime = value.parse(kind).as_datetime()
        except ValueError as error:
            raise SignatureRefused(SignatureRefusal.MALFORMED) from error
        return moment.replace(tzinfo=UTC)

    def unsigned(self, kind: x509.ObjectIdentifier) -> list[bytes]:
        """Return the values of an unsigned attribute, DER; none if it is not there."""
        attributes = self.info.unsigned_attributes.as_list() if self.info.unsigned_attributes else []
        return [asn1.encode_der(value) for each in attributes if each.type == kind for value in each.values.as_list()]


@dataclass(frozen=True, slots=True)
class Message:
    """A SignedData: the content, if it is inside, signers and certificates.

    ``as_it_came``: see `libs.common.pki.ber.FromBer`; empty for what came in DER.
    """

    content_type: x509.ObjectIdentifier
    content: bytes | None
    signers: tuple[SignerInfo, ...]
    certificates: tuple[bytes, ...]
    as_it_came: Mapping[bytes, bytes] = field(default_factory=dict)

    def claim(self, signer: SignerInfo, data: bytes) -> Claim:
        """Hold the document against one of the signers. SignatureRefused if it is not what was signed."""
        attributes = _attributes(signer)
        digest = _check_document(signer, attributes, self.content_type, data)
        der, fields = signer_certificate(self.certificates, signer, attributes)
        signed = dict.fromkeys((attributes.octets, self.as_it_came.get(attributes.octets, attributes.octets)))
        return Claim(signer, attributes, digest, der, fields, tuple(signed))


def read(message: bytes, limit: int = MAX_OCTETS, content_type: x509.ObjectIdentifier = DATA) -> Message:
    """Read a SignedData in DER or BER.

    Args:
        limit: the most octets that are looked at.
        content_type: what has to be inside, or what was signed.

    Raises:
        SignatureRefused: too large, of another form, version or content, or with too many certificates.
    """
    if len(message) > limit:
        raise SignatureRefused(SignatureRefusal.TOO_LARGE)
    outer, as_it_came = _content_info(message)
    signed_data = outer.content
    if (
        outer.type != SIGNED_DATA
        or signed_data.encapsulated.type != content_type
        or signed_data.version not in _VERSIONS
        or any(signer.version not in _SIGNER_VERSIONS for signer in signed_data.signer_infos.as_list())
    ):
        raise SignatureRefused(SignatureRefusal.UNSUPPORTED_FORM)
    embedded = signed_data.certificates.as_list() if signed_data.certificates else []
    if len(embedded) > _MAX_CERTIFICATES:
        raise SignatureRefused(SignatureRefusal.TOO_LARGE)
    return Message(
        content_type=content_type,
        content=signed_data.encapsulated.content,
        signers=tuple(signed_data.signer_infos.as_list()),
        certificates=tuple(asn1.encode_der(each) for each in embedded if each.tag_bytes == _CERTIFICATE),
        as_it_came=as_it_came,
    )


def verify_detached(
    signature: bytes,
    data: bytes,
    trust: TrustAnchors,
    at: datetime,
    use: CertificateUse = PERSON_SIGN,
) -> VerifiedSignature:
    """Verify a person's signature, the only one, over a document beside it.

    Checked: form, document, signer's certificate as the signed attributes name it, its chain to our
    authorities and validity at ``at``, its use, and the signature. **Not** checked: revocation. The caller
    looks the serial number up in its own view of revoked certificates, at the same moment.

    Args:
        signature: CMS SignedData in DER or BER, without content.
        data: the document, exactly as it was signed.
        trust: whose certificates count.
        at: when the signature was received, or a time-stamp's time.
        use: what the certificate has to be for.

    Raises:
        SignatureRefused: with the reason.
    """
    message = read(signature)
    if message.content is not None:
        raise SignatureRefused(SignatureRefusal.NOT_DETACHED)
    if len(message.signers) != 1:
        raise SignatureRefused(SignatureRefusal.ONE_SIGNER)
    claim = message.claim(message.signers[0], data)
    certificate = claim.verify(trust, at, use)
    iin, name = _person(claim.fields)
    return VerifiedSignature(
        serial_number=serial_text(certificate.serial_number),
        iin=iin,
        name=name,
        signed_at=claim.signed_at,
        certificate=claim.certificate,
        digest_algorithm=claim.digest.name,
        digest=claim.attributes.single(MESSAGE_DIGEST).parse(bytes).hex(),
    )


def _content_info(message: bytes) -> tuple[ContentInfo, Mapping[bytes, bytes]]:
    """Decode it as it is, and if that fails, brought into DER: few signers write BER, and they alone pay for it."""
    try:
        return asn1.decode_der(ContentInfo, message), {}
    except ValueError:
        pass
    try:
        brought = from_ber(message)
        other = asn1.decode_der(ContentKind, brought.der).type != SIGNED_DATA
        if not other:
            return asn1.decode_der(ContentInfo, brought.der), brought.as_it_came
    except ValueError as error:
        raise SignatureRefused(SignatureRefusal.MALFORMED) from error
    raise SignatureRefused(SignatureRefusal.UNSUPPORTED_FORM)


def _attributes(signer: SignerInfo) -> SignedAttributes:
    if signer.signed_attributes is None:
        raise SignatureRefused(SignatureRefusal.INCOMPLETE)
    attributes = signed_attributes(signer.signed_attributes)
    if not {CONTENT_TYPE, MESSAGE_DIGEST} <= attributes.values.keys():
        raise SignatureRefused(SignatureRefusal.INCOMPLETE)
    if SIGNING_CERTIFICATE_V2 not in attributes.values:
        by_sha1 = SIGNING_CERTIFICATE in attributes.values
        raise SignatureRefused(SignatureRefusal.UNSUPPORTED_ALGORITHM if by_sha1 else SignatureRefusal.INCOMPLETE)
    return attributes


def _check_document(
    signer: SignerInfo, attributes: SignedAttributes, content_type: x509.ObjectIdentifier, data: bytes
) -> hashes.HashAlgorithm:
    """Hold the document against the signed attributes; give the digest algorithm."""
    algorithm = DIGESTS.get(asn1.encode_der(signer.digest_algorithm))
    if algorithm is None:
        raise SignatureRefused(SignatureRefusal.UNSUPPORTED_ALGORITHM)
    try:
        stated_type = attributes.single(CONTENT_TYPE).parse(x509.ObjectIdentifier)
        stated = attributes.single(MESSAGE_DIGEST).parse(bytes)
    except ValueError as error:
        raise SignatureRefused(SignatureRefusal.MALFORMED) from error
    if stated_type != content_type:
        raise SignatureRefused(SignatureRefusal.MALFORMED)
    if stated != digest_of(algorithm, data):
        raise SignatureRefused(SignatureRefusal.WRONG_DOCUMENT)
    return algorithm


def _verify_signature(certificate: x509.Certificate, claim: Claim) -> None:
    """Verify by the signer's key. InvalidSignature if it is not that key's signature, over either form."""
    *others, last = claim.signed
    for octets in others:
        try:
            return _verify_over(octets, certificate, claim)
        except InvalidSignature:
            continue
    return _verify_over(last, certificate, claim)


def _verify_over(octets: bytes, certificate: x509.Certificate, claim: Claim) -> None:
    key, digest = certificate.public_key(), claim.digest
    algorithm = asn1.encode_der(claim.info.signature_algorithm)
    if isinstance(key, ec.EllipticCurvePublicKey) and (algorithm, digest.name, "EC") in SCHEMES:
        key.verify(claim.info.signature, octets, ec.ECDSA(digest))
    elif isinstance(key, rsa.RSAPublicKey) and (algorithm, digest.name, "RSA") in SCHEMES:
        key.verify(claim.info.signature, octets, padding.PKCS1v15(), digest)
    else:
        raise SignatureRefused(SignatureRefusal.UNSUPPORTED_ALGORITHM)


def _person(certificate: TbsCertificate) -> tuple[str, str]:
    """Read IIN and name, the whole one where the common name is short of it.

    SignatureRefused if the certificate is no person's.
    """
    try:
        subject = dict(name_attributes(certificate.subject))
    except ValueError as error:
        raise SignatureRefused(SignatureRefusal.MALFORMED) from error
    number = _PERSON_NUMBER.fullmatch(subject.get(NameOID.SERIAL_NUMBER, ""))
    if number is None:
        raise SignatureRefused(SignatureRefusal.WRONG_PROFILE)
    return number[1], subject.get(FULL_NAME) or subject.get(NameOID.COMMON_NAME, "")
