"""Verifying our own time-stamps, such as those over the ledger."""

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from libs.common.cms_structures import ContentInfo, signed_attributes
from libs.common.trust import CertificateRefused, TrustAnchors
from libs.common.uses import TIME_STAMPING
from services.ca.acts import Checkpointed
from services.ca.tsa_structures import TST_INFO, TstInfo, read_granted

_MESSAGE_DIGEST: Final = x509.ObjectIdentifier("1.2.840.113549.1.9.4")


class StampRefused(Exception):
    """This is no time-stamp of ours over that digest."""


@dataclass(frozen=True, slots=True)
class Stamped:
    """When our authority vouched for a digest, and with which certificate."""

    at: datetime
    certificate: x509.Certificate


def verify(response: bytes, digest: bytes, anchors: TrustAnchors) -> Stamped:
    """Verify a time-stamp response (RFC 3161, 2.4.2) over a SHA-256 digest; its certificate must stand in it.

    Raises:
        StampRefused: it is none, it is another's, or it is over something else.
    """
    try:
        token = read_granted(response)
        info, der = _content(token)
        at = info.time.as_datetime()
        certificate = anchors.verify(der, at, TIME_STAMPING)
        _verify_signature(token, certificate)
    except (ValueError, InvalidSignature, CertificateRefused) as error:
        raise StampRefused(f"it is no time-stamp of this authority: {type(error).__name__}") from error
    if info.imprint.digest != digest:
        raise StampRefused("it is over something else")
    return Stamped(at, certificate)


def verify_checkpoint(checkpoint: Checkpointed, anchors: TrustAnchors) -> Stamped:
    """Verify that a checkpoint was vouched for. StampRefused if not."""
    try:
        return verify(base64.b64decode(checkpoint.token, validate=True), bytes.fromhex(checkpoint.hash), anchors)
    except ValueError as error:
        raise StampRefused("it does not read as a checkpoint") from error


def _content(token: ContentInfo) -> tuple[TstInfo, bytes]:
    """Give what was signed, and the certificate in DER that came along."""
    signed = token.content
    certificates = [] if signed.certificates is None else signed.certificates.as_list()
    if signed.encapsulated.type != TST_INFO or signed.encapsulated.content is None or len(certificates) != 1:
        raise ValueError("not a time-stamp with one certificate")
    return asn1.decode_der(TstInfo, signed.encapsulated.content), asn1.encode_der(certificates[0])


def _verify_signature(token: ContentInfo, certificate: x509.Certificate) -> None:
    """Verify as `services.ca.tsa` signs: ECDSA and SHA-256, over attributes that hold the content's digest."""
    (signer,) = token.content.signer_infos.as_list()
    attributes = signed_attributes(signer)
    held = asn1.decode_der(bytes, asn1.encode_der(attributes.values[_MESSAGE_DIGEST]))
    if held != hashlib.sha256(token.content.encapsulated.content or b"").digest():
        raise InvalidSignature
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise InvalidSignature
    key.verify(signer.signature, attributes.octets, ec.ECDSA(hashes.SHA256()))
