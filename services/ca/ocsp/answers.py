"""The OCSP responder (RFC 6960): signs answers. Pure: what is known, and the time, are handed in.

It signs with keys of its own, one for each issuing authority, which vouches for it (4.2.2.2, delegated responder), so
that issuing keys need not stand in the way of the public.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.serialization import Encoding

from libs.common.pki.der import AlgorithmIdentifier, tlv
from services.ca.authority.issuers import Issuer, PrivateKey, signature_algorithm, signer
from services.ca.model.status import REASON_CODES, GoodStatus, RevokedStatus, Status, UnknownStatus
from services.ca.ocsp import structures
from services.ca.ocsp.questions import OcspFailure, OcspQuestion, OcspQuestions, OcspRefused
from services.ca.ocsp.structures import CertId, IssuerForm

LIFETIME: Final = timedelta(hours=1)
"""From this update to the next: how long a relying party may hold on to an answer."""

_DIGESTS: Final = {
    asn1.encode_der(AlgorithmIdentifier(algorithm=x509.ObjectIdentifier(oid), parameters=parameters)): name
    for oid, name in (("1.3.14.3.2.26", "sha1"), ("2.16.840.1.101.3.4.2.1", "sha256"))
    for parameters in (asn1.Null(), None)
}
_SHA1: Final = next(algorithm for algorithm, name in _DIGESTS.items() if name == "sha1")


@dataclass(frozen=True, slots=True)
class Responder:
    """A key that may answer for an authority.

    Attributes:
        issuer: the authority that it answers for.
        sign: signs with its key.
        octets: what stands in every answer, in DER: its name (RFC 6960, 4.2.1: SHA-1 of the key bits, which is its key
            identifier here), the AlgorithmIdentifier of its signatures, its certificate.
        begins, ends: between which moments (UTC) its certificate is valid.
    """

    issuer: Issuer
    sign: Callable[[bytes], bytes]
    octets: tuple[bytes, bytes, bytes]
    begins: datetime
    ends: datetime

    @classmethod
    def of(cls, issuer: Issuer, certificate: x509.Certificate, key: PrivateKey) -> Self:
        """Make the responder of an authority.

        Args:
            certificate: its own, issued for OCSP signing by the authority that it answers for.
        """
        digest = x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest
        octets = (
            structures.by_key(digest),
            signature_algorithm(key.public_key()),
            structures.certificates(certificate.public_bytes(Encoding.DER)),
        )
        return cls(issuer, signer(key), octets, certificate.not_valid_before_utc, certificate.not_valid_after_utc)

    def question(self, serial_number: int) -> OcspQuestions:
        """Make the question about one certificate of ours, without a nonce.

        With SHA-1, an index here and no protection: Java finds no answer by any other digest, and OpenSSL and GnuTLS
        look for this one unless configured otherwise (RFC 5019, 2.1.1).
        """
        name, key = _digest("sha1", self.issuer.name), _digest("sha1", self.issuer.key_bits)
        cert_id = CertId(
            hash_algorithm=tlv(_SHA1), issuer_name_hash=name, issuer_key_hash=key, serial_number=serial_number
        )
        return OcspQuestions((OcspQuestion.of(cert_id),), None)

    def answer(self, questions: OcspQuestions, statuses: Sequence[Status], now: datetime) -> bytes:
        """Sign the answers.

        Args:
            statuses: one for each question, in order, as known at ``now``.
            now: UTC.

        Raises:
            OcspRefused: the responder's own certificate is not valid now.
        """
        if not self.begins <= now <= self.ends:
            raise OcspRefused(OcspFailure.TRY_LATER)
        name, algorithm, certificates = self.octets
        produced, validity = _times(int(now.timestamp()))
        answers = [
            structures.single(cert_id.der, _status(status), validity)
            for cert_id, status in zip(questions.cert_ids, statuses, strict=True)
        ]
        data = structures.response_data(name, produced, answers, questions.nonce)
        return structures.response(structures.basic_response(data, algorithm, self.sign(data), certificates))


def cert_id_forms(issuer: Issuer) -> frozenset[IssuerForm]:
    """Return every form in which a question may name this authority: see `CertId.issuer`."""
    return frozenset(
        (algorithm, _digest(name, issuer.name), _digest(name, issuer.key_bits)) for algorithm, name in _DIGESTS.items()
    )


def failed(failure: OcspFailure) -> bytes:
    """Encode a response that gives a reason instead of an answer."""
    return structures.failure(failure)


@lru_cache(maxsize=4)
def _times(second: int) -> tuple[bytes, bytes]:
    """Return when an answer of this second (since 1970) was produced, and between which times it holds, encoded."""
    moment = datetime.fromtimestamp(second, UTC)
    return structures.moment(moment), structures.validity(moment, moment + LIFETIME)


def _status(status: Status) -> bytes:
    match status:
        case GoodStatus():
            return structures.GOOD
        case RevokedStatus(at=at, reason=reason):
            return structures.revoked(at.replace(microsecond=0), REASON_CODES.get(reason))
        case UnknownStatus():
            return structures.UNKNOWN


def _digest(name: str, data: bytes) -> bytes:
    return hashlib.new(name, data, usedforsecurity=False).digest()
