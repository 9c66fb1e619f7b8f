"""What is known of each certificate, in a small record of its own: what OCSP answers and revocation lists rest on.

The enrolment stays the place where things are decided. The record is written right after it, and again by the timer
if a crash came between.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from libs.common.core.values import from_millis, to_millis
from libs.common.storage.records import Records
from services.ca.model.ids import CertificateId, ShardId
from services.ca.model.status import GoodStatus, Known, RevokedStatus

INDEXED: Final = ("changed", "unlisted")


class RevocableCertificate(Protocol):
    """What the record needs of a certificate. See `services.ca.enrolment.domain.Certificate`."""

    @property
    def issuer(self) -> str:
        """The issuing authority's label."""
        ...

    @property
    def serial(self) -> str:
        """Lower-case hexadecimal."""
        ...

    @property
    def not_after(self) -> datetime:
        """The last second of validity."""
        ...

    @property
    def crl_shard(self) -> int:
        """Which of the authority's lists answers for it."""
        ...

    @property
    def revoked_at(self) -> datetime | None:
        """Since when it is no longer good."""
        ...

    @property
    def revoked_for(self) -> str | None:
        """Why."""
        ...


@dataclass(frozen=True, slots=True)
class Listing:
    """A revoked certificate that its list has not taken in yet. ``ends``: the last second of its validity."""

    certificate: CertificateId
    ends: datetime
    status: RevokedStatus


class Statuses:
    """The records.

    Args:
        records: one a certificate: ``list``, ``ends`` (its validity, milliseconds), and, once revoked, ``at``
            (milliseconds), ``reason``, ``changed`` (when this was recorded, milliseconds) and, until its list has it,
            ``unlisted`` (that list).
    """

    def __init__(self, records: Records) -> None:
        self._records = records

    async def issued(self, certificates: Iterable[RevocableCertificate]) -> None:
        """Note that certificates exist. What is known of one already stays."""
        await self._records.add({str(CertificateId(each.issuer, each.serial)): _fields(each) for each in certificates})

    async def note(self, certificates: Sequence[RevocableCertificate], now: datetime) -> None:
        """Note that certificates exist, and which are revoked: the first time and reason stay."""
        await self.issued(certificates)
        for each in certificates:
            if each.revoked_at is not None:
                await self._revoked(each, each.revoked_at, now)

    async def _revoked(self, certificate: RevocableCertificate, at: datetime, now: datetime) -> None:
        change = {
            "at": to_millis(at),
            "reason": certificate.revoked_for or "unspecified",
            "changed": to_millis(now),
            "unlisted": str(_list_of(certificate)),
        }
        record_id = str(CertificateId(certificate.issuer, certificate.serial))
        await self._records.amend(record_id, change, unless="at")

    async def find(self, certificates: Collection[CertificateId]) -> dict[CertificateId, Known]:
        """Return what is known of certificates. One that is missing may still exist: ask the enrolment."""
        found = await self._records.get([str(each) for each in certificates])
        return {CertificateId.parse(record_id): _status(fields) for record_id, fields in found.items()}

    async def changed_since(self, moment: datetime) -> Sequence[tuple[CertificateId, Known]]:
        """Return the certificates whose revocation was recorded at this moment or later."""
        found = await self._records.since("changed", to_millis(moment))
        return [(CertificateId.parse(record_id), _status(fields)) for record_id, fields in found]

    async def unlisted(self, place: ShardId, limit: int) -> Sequence[Listing]:
        """Return revoked certificates that their list has not taken in."""
        found = await self._records.having("unlisted", str(place), limit)
        return [
            Listing(CertificateId.parse(record_id), from_millis(fields["ends"]), _revoked(fields))
            for record_id, fields in found
        ]

    async def listed(self, certificates: Collection[CertificateId]) -> None:
        """Note that the list has taken these in."""
        await self._records.remove_field([str(each) for each in certificates], "unlisted")


def _fields(certificate: RevocableCertificate) -> dict[str, Any]:
    return {"list": str(_list_of(certificate)), "ends": to_millis(certificate.not_after)}


def _list_of(certificate: RevocableCertificate) -> ShardId:
    return ShardId(certificate.issuer, certificate.crl_shard)


def _status(fields: Any) -> Known:
    return _revoked(fields) if "at" in fields else GoodStatus()


def _revoked(fields: Any) -> RevokedStatus:
    return RevokedStatus(from_millis(fields["at"]), fields["reason"])
