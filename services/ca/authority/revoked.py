"""The operator's own certificates that no longer count, as ceremonies stated them: ``revoked.json``.

Issuing authorities stand on the root's list besides, which the ceremony signs. The others (seal, time-stamps,
responders) are put on the lists of the authority that issued them by the running service, which learns of them here.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from cryptography import x509
from pydantic import TypeAdapter, ValidationError

from libs.common.core.model import Model
from libs.common.pki.der import serial_text

REVOKED: Final = "revoked.json"

OwnReason = Literal["keyCompromise", "superseded", "cessationOfOperation"]
"""CRL reasons that apply to the operator's own certificates (RFC 5280, 5.3.1)."""


class RevokedCertificate(Model):
    """One of them.

    Attributes:
        issuer: the label of the authority that issued it: the root's, or an issuing authority's.
        serial: lower-case hexadecimal.
        crl_shard: which of the issuer's lists answers for it.
        revoked_at: since when it does not count (UTC, whole seconds).
    """

    issuer: str
    serial: str
    certificate_sha256: str
    not_after: datetime
    crl_shard: int
    revoked_at: datetime
    revoked_for: OwnReason


_FILE: Final = TypeAdapter(tuple[RevokedCertificate, ...])


def found(certificate: x509.Certificate, revoked: Sequence[RevokedCertificate]) -> RevokedCertificate | None:
    """Return the revocation of a certificate, or None."""
    serial = serial_text(certificate.serial_number)
    return next((each for each in revoked if each.serial == serial), None)


def read_revoked(directory: Path) -> tuple[RevokedCertificate, ...]:
    """Return what earlier ceremonies stated; nothing where none wrote this file yet. ValueError if it is damaged."""
    try:
        return _FILE.validate_json((directory / REVOKED).read_bytes())
    except FileNotFoundError:
        return ()
    except ValidationError as error:
        raise ValueError(f"{REVOKED} is damaged: restore it from the backup") from error


def written(revoked: tuple[RevokedCertificate, ...]) -> bytes:
    """Write them, as `read_revoked` reads them."""
    return _FILE.dump_json(revoked, indent=1) + b"\n"
