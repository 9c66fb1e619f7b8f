"""What the authority knows of a certificate: before it is signed, once it is issued, and after it was revoked."""

from datetime import datetime
from typing import ClassVar, Final

from libs.common.contracts.ca import CertificateText, Profile
from libs.common.contracts.http.ca import REVOCATION_REASONS, RevocationReason
from libs.common.core.model import Model
from libs.common.core.sealing import Personal, Sealed
from services.ca.model.profiles import PROFILES

Reason = RevocationReason
REASONS: Final = REVOCATION_REASONS


def reason_of(text: str) -> Reason:
    """Read a reason of another service's or release's; one that is not for holders is unspecified, and revokes too."""
    known: dict[str, Reason] = {each: each for each in REASONS}
    return known.get(text, "unspecified")


class RequestedKey(Model):
    """A public key whose possession was proven, and what it is for.

    ``spki``: the SubjectPublicKeyInfo, DER in hexadecimal.
    """

    profile: Profile
    spki: str


class IntentRecord(Personal):
    """What is about to be signed, as JSON of `services.ca.issuance.steps.Intent`. It names the holder."""

    audience: ClassVar[str] = "person"

    intent: str


class RecordedCertificate(Model):
    """What the authority's record says of a serial number that was, or may have been, signed.

    Attributes:
        issuer: the label of the authority that signed it.
        listed: whether the revocation list has taken it in.
    """

    serial: str
    key_id: str
    issuer: str = "issuing"  # so read from records of before there were several
    issuer_key_id: str
    profile: Profile
    not_before: datetime
    not_after: datetime
    crl_shard: int
    revoked_at: datetime | None = None
    revoked_for: Reason | None = None
    listed: bool = False

    @property
    def issued_at(self) -> datetime:
        """When it was ordered: it begins before that."""
        return self.not_before + PROFILES[self.profile].backdated


class Certificate(RecordedCertificate):
    """A certificate that was issued."""

    text: Sealed[CertificateText]
