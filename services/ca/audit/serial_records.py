"""What is known about each serial number, in memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Revocation:
    """When (UTC, whole seconds, as lists have it) and why."""

    at: datetime
    reason: str

    @classmethod
    def of(cls, at: datetime, reason: str | None) -> "Revocation":
        """Take it from where it is kept more exactly."""
        return cls(at.astimezone(UTC).replace(microsecond=0), reason or "unspecified")


@dataclass(frozen=True, slots=True)
class StatusAnswer:
    """What OCSP would answer: revoked so, or good."""

    revoked: Revocation | None


@dataclass(slots=True)
class SerialRecord:
    """Everything known about one serial number.

    Attributes:
        where: the journey, or ``authority/…`` for the operator's own, by store and ledger; ``subject`` by the topics.
        touched: when it was last on record or published.
        intended, issued: SHA-256 of the bytes to be signed, as the ledger has them before and after the signature.
        certificates: SHA-256 of the certificate, by the ledger: of each signature that was made of it.
        stored: the certificate's SHA-256, by the store.
        places: the journeys under which the store has it.
        state: the kind of enrolment that has it.
        issuer: the label of the authority that signed it, by the store; empty if the store does not have it.
        owner: the journey for which the number is reserved.
        answer: what OCSP would answer, if there is a record to answer from.
        published, published_revoked: what the topics say.
        troubles: what is wrong with the stored certificate by itself.
    """

    serial: str
    where: str = ""
    subject: str = ""
    touched: datetime = NEVER
    intended: str | None = None
    issued: str | None = None
    certificates: tuple[str, ...] = ()
    revoked: Revocation | None = None
    state: Literal["issued", "void", "retired", "issuing"] | None = None
    places: tuple[str, ...] = ()
    stored: str | None = None
    stored_revoked: Revocation | None = None
    issued_at: datetime | None = None
    not_after: datetime | None = None
    owner: str | None = None
    listed: Revocation | None = None
    issuer: str = ""
    answer: StatusAnswer | None = None
    published: datetime | None = None
    published_revoked: Revocation | None = None
    troubles: tuple[str, ...] = ()

    @property
    def about(self) -> str:
        """Whose it is."""
        return self.where or self.subject

    def touch(self, at: datetime) -> None:
        """Note that something was recorded or published about it at that time."""
        self.touched = max(self.touched, at)


class SerialRecords:
    """The records of all serial numbers, each begun when it is first asked for."""

    def __init__(self) -> None:
        self._records: dict[str, SerialRecord] = {}

    def __iter__(self) -> Iterator[SerialRecord]:
        """Return all of them, in the order in which they were begun."""
        return iter(self._records.values())

    def of(self, serial: str) -> SerialRecord:
        """Return the record of a number."""
        record = self._records.get(serial)
        if record is None:
            record = self._records[serial] = SerialRecord(serial)
        return record
