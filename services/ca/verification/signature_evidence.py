"""What the authority itself says about a certificate's revocation, signed, for others to keep."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from libs.common.core.errors import Refused, Unavailable
from libs.common.core.values import Clock
from services.ca.authority.hierarchy import Hierarchy
from services.ca.authority.revoked import RevokedCertificate
from services.ca.model.ids import ShardId
from services.ca.model.status import GoodStatus, RevokedStatus, Status
from services.ca.ocsp.questions import OcspRefused
from services.ca.ocsp.service import OcspService
from services.ca.refusals import CaRefusal

Source = Literal["OCSP", "CRL"]

MAX_LIST: Final = 512 * 1024
"""Octets of a revocation list that travel with an answer; of a longer one, the address has to do."""


class Lists(Protocol):
    """Where revocation lists are."""

    async def revocation_list(self, place: ShardId) -> bytes | None:
        """Return the current edition of a shard, DER."""


@dataclass(frozen=True, slots=True)
class RevocationEvidence:
    """What was found, and the signed object that says so.

    Attributes:
        signed: OCSP response or revocation list, DER; None for a list above ``MAX_LIST``.
        this_update: for which time the source speaks.
    """

    source: Source
    status: Status
    signed: bytes | None
    this_update: datetime

    def objection(self, at: datetime, *, proven: bool) -> str | None:
        """Say what speaks against a certificate at that time; None if nothing does.

        A key that somebody else may have had is good for no time that is merely claimed: nobody knows since when
        (RFC 5280, 5.3.2). A time-stamp from before the revocation proves the time (EN 319 102-1, 5.5), so that
        nobody can undo what he signed by reporting his key lost. Stamps, lists and responses know whole seconds: what
        was stamped within the second of the revocation is not proven to be older.
        """
        match self.status:
            case GoodStatus():
                return None
            case RevokedStatus(at=since, reason=reason):
                late = since.replace(microsecond=0) <= at or (reason == "keyCompromise" and not proven)
                return "revoked" if late else None
            case _:
                return "unknown_certificate"


class Witness:
    """Gives evidence about certificates of ours.

    Args:
        ocsp: the responder, asked each time; what it says is from this very moment.
        lists: the revocation lists, for those who ask for them too.
        hierarchy: which authorities are revoked.
        root_list: the root's list (PEM), which says so.
    """

    def __init__(self, ocsp: OcspService, lists: Lists, clock: Clock, *, hierarchy: Hierarchy, root_list: Path) -> None:
        self._ocsp = ocsp
        self._lists = lists
        self._clock = clock
        self._hierarchy = hierarchy
        self._root_list = root_list

    async def about(self, certificate: x509.Certificate, sources: frozenset[Source]) -> tuple[RevocationEvidence, ...]:
        """Ask the responder, always, and the certificate's revocation list if that is asked for.

        If the authority that issued it was revoked, that is evidence too, and by the same rules: whatever it signed
        counts as long as it did itself.

        Raises:
            Refused: ``verify.unavailable``: whether it was revoked is not known now.
        """
        try:
            found = [await self._answered(certificate)]
            if "CRL" in sources:
                found.append(await self._listed(certificate))
            if (above := self._hierarchy.revocation_above(certificate)) is not None:
                found.append(await asyncio.to_thread(self._of_authority, above))
        except (OcspRefused, Unavailable, OSError):
            raise Refused(CaRefusal.VERIFY_UNAVAILABLE) from None
        return tuple(found)

    async def _answered(self, certificate: x509.Certificate) -> RevocationEvidence:
        now = self._clock()
        status, der = await self._ocsp.evidence(certificate)
        return RevocationEvidence("OCSP", status, der, now.replace(microsecond=0))

    def _of_authority(self, revoked: RevokedCertificate) -> RevocationEvidence:
        crl = x509.load_pem_x509_crl(self._root_list.read_bytes())
        status = RevokedStatus(revoked.revoked_at, revoked.revoked_for)
        return RevocationEvidence("CRL", status, crl.public_bytes(Encoding.DER), crl.last_update_utc)

    async def _listed(self, certificate: x509.Certificate) -> RevocationEvidence:
        der = await self._lists.revocation_list(ShardId.named_in(certificate))
        if der is None:
            raise Unavailable("the certificate's revocation list is not published")
        status, this_update, next_update = await asyncio.to_thread(_embedded_status, der, certificate.serial_number)
        if next_update is None or next_update < self._clock():
            raise Unavailable("the certificate's revocation list is out of date")
        return RevocationEvidence("CRL", status, der if len(der) <= MAX_LIST else None, this_update)


def _embedded_status(der: bytes, serial_number: int) -> tuple[Status, datetime, datetime | None]:
    crl = x509.load_der_x509_crl(der)
    entry = crl.get_revoked_certificate_by_serial_number(serial_number)
    return GoodStatus() if entry is None else _revoked(entry), crl.last_update_utc, crl.next_update_utc


def _revoked(entry: x509.RevokedCertificate) -> RevokedStatus:
    try:
        reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
    except x509.ExtensionNotFound:
        reason = "unspecified"
    return RevokedStatus(entry.revocation_date_utc, reason)
