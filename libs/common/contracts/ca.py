"""Facts that the certification authority tells: one event a certificate."""

from datetime import datetime
from typing import ClassVar, Literal

from libs.common.contracts.events import Event
from libs.common.contracts.people import Person
from libs.common.core.sealing import Personal, Sealed

Profile = Literal["SIGN", "AUTH"]
EntityRole = Literal["head", "signer", "finance", "personnel", "employee"]
"""In which role somebody signs for a legal entity."""


class CertificateText(Personal):
    """A certificate in PEM. It names the holder."""

    audience: ClassVar[str] = "person"

    pem: str


class CertIssued(Event):
    """A certificate was signed, stored and can be fetched. ``certificate`` is missing in events of earlier releases.

    ``acts_for``: the certificate names a legal entity too, and this is the holder's role there; it is no personal one.

    ``serial``, ``key_id`` (subject key identifier) and ``issuer_key_id`` are lower-case hexadecimal.
    """

    topic: ClassVar[str] = "cert.issued"

    serial: str
    key_id: str
    issuer_key_id: str
    profile: Profile
    not_before: datetime
    not_after: datetime
    citizen_id: str
    person_ref: str
    holder: Sealed[Person]
    certificate: Sealed[CertificateText] | None = None
    acts_for: EntityRole | None = None


class CertExpiring(Event):
    """A certificate that is good, and that nobody renewed yet, ends in so many days or less: 30, 14, 7."""

    topic: ClassVar[str] = "cert.expiring"

    serial: str
    profile: Profile
    not_after: datetime
    days_left: int
    citizen_id: str


class CertRefused(Event):
    """A request that cannot be honoured. ``reason`` is a text key, such as ``csr.key_size``."""

    topic: ClassVar[str] = "cert.refused"

    reason: str
    final: bool = False


class CertRevoked(Event):
    """A certificate is no longer good. ``reason`` is the CRL reason (RFC 5280, 5.3.1) in lower camel case."""

    topic: ClassVar[str] = "cert.revoked"

    serial: str
    profile: Profile
    reason: str
    revoked_at: datetime
    citizen_id: str


class LedgerCheckpointed(Event):
    """The authority's ledger went up to this entry: whoever keeps it sees if the ledger was shortened or rewritten.

    ``hash`` is SHA-256 in hexadecimal, ``token`` a time-stamp response (RFC 3161) over it in base64.
    """

    topic: ClassVar[str] = "ledger.checkpointed"

    position: int
    hash: str
    token: str
