"""One issuing authority among several. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from services.ca.authority.issuers import Issuer, PublicKey
from services.ca.authority.revoked import RevokedCertificate, found


@dataclass(frozen=True, slots=True)
class Generation:
    """One issuing authority: a key, its certificate, and from when on it issues.

    Several may serve one algorithm: the last of those whose time has come issues. ``label`` names its key in the key
    store, its files, and its place in public addresses. One that is ``revoked`` issues no more; its lists and answers
    go on, for what it issued in its good time.
    """

    label: str
    certificate: x509.Certificate
    issues_from: datetime
    issuer: Issuer
    revoked: RevokedCertificate | None = None

    @classmethod
    def of(cls, label: str, certificate: x509.Certificate, issues_from: datetime | None) -> Self:
        """Take an authority from its certificate; it issues from its beginning on, by default."""
        begin = issues_from or certificate.not_valid_before_utc
        return cls(label, certificate, begin, Issuer.of(label, certificate))

    def among(self, revoked: Sequence[RevokedCertificate]) -> Self:
        """Return it as it stands with these revocations."""
        return replace(self, revoked=found(self.certificate, revoked))

    @property
    def certifies_rsa(self) -> bool:
        """Whether RSA keys of citizens are its own kind, or EC keys."""
        return isinstance(self.issuer.public_key, rsa.RSAPublicKey)

    def may_certify(self, public_key: PublicKey, at: datetime, until: datetime) -> bool:
        """Return whether it issues at that time, for keys of this kind, and lives as long as the certificate."""
        kin = isinstance(public_key, rsa.RSAPublicKey) == self.certifies_rsa
        lasts = self.issues_from <= at and until <= self.certificate.not_valid_after_utc
        return kin and lasts and self.revoked is None
