"""What can be said of a certificate, and by which number revocation lists and OCSP say why."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

REASON_CODES: Final = {
    "keyCompromise": 1,
    "cACompromise": 2,
    "affiliationChanged": 3,
    "superseded": 4,
    "cessationOfOperation": 5,
    "privilegeWithdrawn": 9,
}
"""Numbers of the reasons (RFC 5280, 5.3.1), in lists and in OCSP answers; an unspecified one is left out."""


@dataclass(frozen=True, slots=True)
class Good:
    """Issued, and not revoked."""


@dataclass(frozen=True, slots=True)
class Revoked:
    """No longer good since ``at``; ``reason`` as in the revocation list."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Never issued by this authority."""


Known = Good | Revoked
"""Of a certificate that was issued."""
Status = Good | Revoked | Unknown
