"""What this service knows of a certificate."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from libs.common.contracts.ca import Profile
from libs.common.contracts.people import Person
from libs.common.core.model import Model
from libs.common.core.sealing import Sealed


class CertificateRecord(Model):
    """What the event of its issue says. ``applications`` rest on a signature made with it."""

    profile: Profile
    citizen_id: str
    person_ref: str
    not_before: datetime
    not_after: datetime
    holder: Sealed[Person]
    applications: tuple[str, ...] = ()


class LiveCertificate(CertificateRecord):
    """Issued and not revoked."""

    kind: Literal["live"] = "live"


class RevokedSeen(CertificateRecord):
    """Issued, and revoked since."""

    kind: Literal["revoked"] = "revoked"
    revoked_at: datetime


class RevokedUnseen(Model):
    """Revoked, while the event of its issue has not arrived yet."""

    kind: Literal["revoked_unseen"] = "revoked_unseen"
    revoked_at: datetime


KnownCertificate = LiveCertificate | RevokedSeen | RevokedUnseen

AnyCertificate = Annotated[KnownCertificate, Field(discriminator="kind")]
"""The schema by which a certificate is stored."""
