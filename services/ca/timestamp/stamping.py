"""The time-stamp authority (RFC 3161): reads requests, signs times. Pure: the time comes in as an argument.

Serial numbers are 126 random bits, so that replicas and restarts need no counter between them.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import SignatureAlgorithmOID

from libs.common.pki.cms import CONTENT_TYPE, MESSAGE_DIGEST, SIGNED_DATA
from libs.common.pki.cms_structures import (
    Attribute,
    ContentInfo,
    EncapsulatedContent,
    EssCertIdV2,
    IssuerAndSerialNumber,
    SignedData,
    SignerInfo,
    SigningCertificateV2,
    signed_attributes,
)
from libs.common.pki.der import AlgorithmIdentifier, tbs_fields, tlv
from libs.common.pki.ess import SIGNING_CERTIFICATE_V2
from services.ca.timestamp.structures import (
    TST_INFO,
    Accuracy,
    MessageImprint,
    TimeStampRequest,
    TstInfo,
    granted,
    rejected,
)

MAX_OCTETS: Final = 4096
_MAX_NONCE_BITS: Final = 512

_SHA256: Final = AlgorithmIdentifier(algorithm=x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1"), parameters=None)
_ECDSA: Final = AlgorithmIdentifier(algorithm=SignatureAlgorithmOID.ECDSA_WITH_SHA256, parameters=None)
_DIGEST_OCTETS: Final = {
    asn1.encode_der(AlgorithmIdentifier(algorithm=x509.ObjectIdentifier(oid), parameters=parameters)): octets
    for oid, octets in (
        ("2.16.840.1.101.3.4.2.1", 32),
        ("2.16.840.1.101.3.4.2.2", 48),
        ("2.16.840.1.101.3.4.2.3", 64),
    )
    for parameters in (asn1.Null(), None)
}
"""SHA-256, SHA-384, SHA-512."""


class TimeStampFailure(IntEnum):
    """Why there is no time-stamp: bits of PKIFailureInfo (2.4.2)."""

    BAD_ALGORITHM = 0
    BAD_REQUEST = 2
    BAD_DATA_FORMAT = 5
    TIME_NOT_AVAILABLE = 14
    UNACCEPTED_POLICY = 15
    UNACCEPTED_EXTENSION = 16
    SYSTEM_FAILURE = 25


_TEXTS: Final = {
    TimeStampFailure.BAD_ALGORITHM: "The digest has to be SHA-256, SHA-384 or SHA-512, and as long as it says.",
    TimeStampFailure.BAD_REQUEST: "This is a request of another version, or its nonce is too long.",
    TimeStampFailure.BAD_DATA_FORMAT: "This is no time-stamp request in DER.",
    TimeStampFailure.TIME_NOT_AVAILABLE: "The clock is in doubt, so no time is signed. Please try again later.",
    TimeStampFailure.UNACCEPTED_POLICY: "Time-stamps are not issued under this policy. Please leave it out.",
    TimeStampFailure.SYSTEM_FAILURE: "The signing key cannot be reached at the moment. Please try again later.",
    TimeStampFailure.UNACCEPTED_EXTENSION: "No extensions are known here. Please leave them out.",
}


class TimeStampRefused(Exception):
    """The request gets no time-stamp."""

    def __init__(self, failure: TimeStampFailure) -> None:
        super().__init__(_TEXTS[failure])
        self.failure = failure


def read_request(der: bytes) -> TimeStampRequest:
    """Read a request. TimeStampRefused if it cannot be honoured, whatever the policy."""
    if len(der) > MAX_OCTETS:
        raise TimeStampRefused(TimeStampFailure.BAD_DATA_FORMAT)
    try:
        request = asn1.decode_der(TimeStampRequest, der)
    except ValueError as error:
        raise TimeStampRefused(TimeStampFailure.BAD_DATA_FORMAT) from error
    if request.version != 1 or (request.nonce or 0).bit_length() > _MAX_NONCE_BITS:
        raise TimeStampRefused(TimeStampFailure.BAD_REQUEST)
    if _DIGEST_OCTETS.get(asn1.encode_der(request.imprint.algorithm)) != len(request.imprint.digest):
        raise TimeStampRefused(TimeStampFailure.BAD_ALGORITHM)
    if request.extensions is not None:
        raise TimeStampRefused(TimeStampFailure.UNACCEPTED_EXTENSION)
    return request


def request_for(digest: bytes) -> TimeStampRequest:
    """Make a request for a stamp over a SHA-256 digest, with the authority's certificate in the answer."""
    return TimeStampRequest(
        version=1,
        imprint=MessageImprint(algorithm=tlv(asn1.encode_der(_SHA256)), digest=digest),
        policy=None,
        nonce=None,
        certificate_wanted=True,
        extensions=None,
    )


def encode_refusal(failure: TimeStampFailure) -> bytes:
    """Encode a refusal."""
    return rejected(failure, _TEXTS[failure])


@dataclass(frozen=True, slots=True)
class TimeStampAuthority:
    """A key that signs times.

    Attributes:
        certificate: for time-stamping, and nothing else.
        key: P-256.
        policy: under which stamps are issued.
        tolerance: how far off the clock may be, less than a second; stamps say a second more, as their times
            are in whole seconds.
    """

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    policy: x509.ObjectIdentifier
    tolerance: timedelta

    def stamp(self, request: TimeStampRequest, now: datetime, serial_number: int) -> bytes:
        """Sign the time; return the whole response.

        Raises:
            TimeStampRefused: another policy is asked for, or the authority's certificate is not valid now.
        """
        if request.policy not in {None, self.policy}:
            raise TimeStampRefused(TimeStampFailure.UNACCEPTED_POLICY)
        if not self.certificate.not_valid_before_utc <= now <= self.certificate.not_valid_after_utc:
            raise TimeStampRefused(TimeStampFailure.TIME_NOT_AVAILABLE)
        info = TstInfo(
            version=1,
            policy=self.policy,
            imprint=request.imprint,
            serial_number=serial_number,
            time=asn1.GeneralizedTime(now.replace(microsecond=0)),
            accuracy=Accuracy(seconds=1, millis=self.tolerance // timedelta(milliseconds=1) or None),
            ordering=False,
            nonce=request.nonce,
        )
        return granted(self._token(asn1.encode_der(info), with_certificate=request.certificate_wanted))

    def _token(self, info: bytes, *, with_certificate: bool) -> ContentInfo:
        der = self.certificate.public_bytes(Encoding.DER)
        signed_data = SignedData(
            version=3,
            digest_algorithms=asn1.SetOf([tlv(asn1.encode_der(_SHA256))]),
            encapsulated=EncapsulatedContent(type=TST_INFO, content=info),
            certificates=asn1.SetOf([tlv(der)]) if with_certificate else None,
            crls=None,
            signer_infos=asn1.SetOf([self._signer(info, der)]),
        )
        return ContentInfo(type=SIGNED_DATA, content=signed_data)

    def _signer(self, info: bytes, der: bytes) -> SignerInfo:
        attributes = _attributes(info, der)
        octets = signed_attributes(attributes).octets
        fields = tbs_fields(der)
        return SignerInfo(
            version=1,
            sid=IssuerAndSerialNumber(issuer=fields.issuer, serial_number=fields.serial_number),
            digest_algorithm=tlv(asn1.encode_der(_SHA256)),
            signed_attributes=attributes,
            signature_algorithm=tlv(asn1.encode_der(_ECDSA)),
            signature=self.key.sign(octets, ec.ECDSA(hashes.SHA256())),
            unsigned_attributes=None,
        )


def _attributes(info: bytes, certificate: bytes) -> asn1.SetOf[Attribute]:
    """Bind type, content and signer (RFC 5816, 2.2.1)."""
    meant = EssCertIdV2(hash_algorithm=None, certificate_hash=hashlib.sha256(certificate).digest(), issuer_serial=None)
    values = {
        CONTENT_TYPE: asn1.encode_der(TST_INFO),
        MESSAGE_DIGEST: asn1.encode_der(hashlib.sha256(info).digest()),
        SIGNING_CERTIFICATE_V2: asn1.encode_der(SigningCertificateV2(certificates=[meant], policies=None)),
    }
    return asn1.SetOf([Attribute(type=kind, values=asn1.SetOf([tlv(value)])) for kind, value in values.items()])
