"""Verifying certificates and signatures for those who rely on them.

Valid means: every question has its answer, and each answer is good. What is unknown is never valid.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from cryptography import x509

from libs.common.core.values import Clock
from libs.common.pki.certificate_use import PERSON_AUTH, SIGNING
from libs.common.pki.cms import MAX_OCTETS, Claim, Message, read
from libs.common.pki.cms_refusals import SignatureRefusal, SignatureRefused
from libs.common.pki.cms_structures import SignerInfo
from libs.common.pki.der import holds_at_most
from libs.common.pki.trust import CLOCK_DIFFERENCE, CertificateRefused, TrustAnchors
from services.ca.timestamp.tokens import NotStampedError, TimeStamp, time_stamp
from services.ca.verification.signature_evidence import RevocationEvidence, Source, Witness
from services.ca.verification.xml_signatures import XmlRefused, XmlSignature, read_xml

Use = Literal["SIGN", "AUTH"]
USES: Final = {"SIGN": SIGNING, "AUTH": (PERSON_AUTH,)}
MAX_SIGNERS: Final = 8
MAX_MESSAGE: Final = 10 * 1024 * 1024
"""Octets of a CMS with the document inside."""
MAX_VALUES: Final = MAX_OCTETS // 2
"""Values in it: as many as could stand in a signature without its document, at two octets each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VerificationFinding:
    """What was found about one certificate, or about one signature and its certificate.

    Attributes:
        reason: None if valid; else the first that speaks against it: a `libs.common.pki.trust.Doubt`, a reason of
            `libs.common.pki.cms_refusals`, ``timestamp_…``, ``revoked``, ``unknown_certificate`` or ``time_in_future``.
        at: the time for which it holds.
        certificate: the signer's, if it is a genuine one of ours.
        evidence: what our own responder says about it, and our list, if that was asked for.
        stamp: the time-stamp over the signature; ``at`` is its time then.
        signed_at: when the signer claims to have signed.
    """

    reason: str | None
    at: datetime
    certificate: x509.Certificate | None = None
    evidence: tuple[RevocationEvidence, ...] = ()
    stamp: TimeStamp | None = None
    signed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """All signatures of a document. ``reason`` speaks against the whole of it; ``signed`` is what was signed (XML)."""

    findings: tuple[VerificationFinding, ...]
    reason: str | None = None
    signed: bytes | None = None

    @property
    def valid(self) -> bool:
        """Whether there is a signature, and all of them count."""
        return self.reason is None and bool(self.findings) and all(each.reason is None for each in self.findings)


@dataclass(frozen=True, slots=True)
class VerificationRequest:
    """What is asked.

    Attributes:
        at: the time for which it is asked, where no time-stamp says better; None: now.
        sources: which evidence of revocation is wanted besides the responder's.
    """

    at: datetime | None = None
    sources: frozenset[Source] = frozenset()


class VerificationService:
    """Verifies what relying parties bring.

    Args:
        trust: whose certificates count.
        witness: what the record says of them now, signed.
    """

    def __init__(self, trust: TrustAnchors, witness: Witness, clock: Clock) -> None:
        self._trust = trust
        self._witness = witness
        self._clock = clock

    async def certificate(
        self, der: bytes, question: VerificationRequest, use: Use | None = None
    ) -> VerificationFinding:
        """Verify a certificate: chain, validity, purpose, policy, and revocation at that time.

        Raises:
            Refused: ``verify.unavailable``: whether it was revoked is not known now.
        """
        now = self._clock()
        at = question.at or now
        if at > now:
            return VerificationFinding(reason="time_in_future", at=at)
        uses = USES[use] if use else (*SIGNING, PERSON_AUTH)
        try:
            certificate = self._trust.verify(der, at, *uses)
        except CertificateRefused as refusal:
            return VerificationFinding(reason=refusal.doubt.value, at=at, certificate=refusal.certificate)
        return await self._unless_revoked(VerificationFinding(reason=None, at=at, certificate=certificate), question)

    async def cms(self, signature: bytes, data: bytes | None, question: VerificationRequest) -> VerificationReport:
        """Verify every signature of a CMS, over the document inside or beside it, and every certificate as above.

        Raises:
            Refused: ``verify.unavailable``.
        """
        try:
            if len(signature) > MAX_OCTETS and not holds_at_most(MAX_VALUES, signature):
                return VerificationReport((), "too_large")
            message = read(signature, MAX_MESSAGE)
            document = _document(message, data)
        except SignatureRefused as refusal:
            return VerificationReport((), refusal.fault)
        return VerificationReport(
            tuple([await self._signer(message, each, document, question) for each in message.signers])
        )

    async def xml(self, document: bytes, question: VerificationRequest) -> VerificationReport:
        """Verify every enveloped signature of an XML document, and every certificate as above.

        Raises:
            Refused: ``verify.unavailable``.
        """
        now = self._clock()
        at = question.at or now
        if at > now:
            return VerificationReport((), "time_in_future")
        try:
            signatures, signed = await asyncio.to_thread(read_xml, document, self._trust, at)
        except XmlRefused as refusal:
            return VerificationReport((), refusal.reason)
        return VerificationReport(await self._xml_signers(signatures, at, question), signed=signed)

    async def _xml_signers(
        self, signatures: Sequence[XmlSignature], at: datetime, question: VerificationRequest
    ) -> tuple[VerificationFinding, ...]:
        found = [VerificationFinding(reason=each.reason, at=at, certificate=each.certificate) for each in signatures]
        return tuple([await self._unless_revoked(each, question) for each in found])

    async def _signer(
        self, message: Message, signer: SignerInfo, document: bytes, question: VerificationRequest
    ) -> VerificationFinding:
        now = self._clock()
        finding = VerificationFinding(reason=None, at=question.at or now)
        try:
            claim = message.claim(signer, document)
            finding = replace(finding, signed_at=claim.signed_at)
            finding = await self._stamped(finding, claim)
            if finding.at > (now if finding.stamp is None else now + CLOCK_DIFFERENCE):
                return replace(finding, reason="time_in_future")
            finding = replace(finding, certificate=claim.verify(self._trust, finding.at, *SIGNING))
        except SignatureRefused as refusal:
            return replace(finding, reason=refusal.fault, certificate=refusal.certificate)
        except NotStampedError as refusal:
            return replace(finding, reason=refusal.reason)
        return await self._unless_revoked(finding, question)

    async def _stamped(self, finding: VerificationFinding, claim: Claim) -> VerificationFinding:
        """Take the time from the time-stamp, if there is one, whose authority's certificate has to be good as well."""
        stamp = time_stamp(claim, self._trust)
        if stamp is None:
            return finding
        for evidence in await self._witness.about(stamp.certificate, frozenset()):
            if (objection := evidence.objection(stamp.time, proven=False)) is not None:
                raise NotStampedError(objection)
        return replace(finding, at=stamp.time, stamp=stamp)

    async def _unless_revoked(self, finding: VerificationFinding, question: VerificationRequest) -> VerificationFinding:
        if finding.reason is not None or finding.certificate is None:
            return finding
        evidence = await self._witness.about(finding.certificate, question.sources)
        objections = [each.objection(finding.at, proven=finding.stamp is not None) for each in evidence]
        return replace(finding, evidence=evidence, reason=next(filter(None, objections), None))


def _document(message: Message, data: bytes | None) -> bytes:
    """Return what was signed: what is inside, or what came beside; if both, they have to be the same."""
    if not message.signers:
        raise SignatureRefused(SignatureRefusal.UNSIGNED)
    if len(message.signers) > MAX_SIGNERS:
        raise SignatureRefused(SignatureRefusal.TOO_LARGE)
    if message.content is None:
        if data is None:
            raise SignatureRefused(SignatureRefusal.NO_DOCUMENT)
        return data
    if data is not None and data != message.content:
        raise SignatureRefused(SignatureRefusal.WRONG_DOCUMENT)
    return message.content
