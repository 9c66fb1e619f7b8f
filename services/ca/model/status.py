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
class GoodStatus:
    """Issued, and not revoked."""


@dataclass(frozen=True, slots=True)
class RevokedStatus:
    """No longer good since ``at``; ``reason`` as in the revocation list."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class UnknownStatus:
    """Never issued by this authority."""


Known = GoodStatus | RevokedStatus
"""Of a certificate that was issued."""
Status = GoodStatus | RevokedStatus | UnknownStatus
