"""What ledger, store, revocation lists and topics say about each serial number, side by side. Pure."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from libs.common.storage.chain import GENESIS, Break, Entry, Head, breaks
from services.ca.audit.serial_records import Revocation, SerialRecord, SerialRecords
from services.ca.ledger.acts import (
    Act,
    Archived,
    CertificateIntended,
    CertificateIssued,
    CertificatePutBack,
    CertificateRevoked,
    Checkpointed,
    ConfigurationChanged,
    ListSigned,
    RecordedEdition,
    Restored,
)


@dataclass(frozen=True, slots=True)
class ServedEdition:
    """An edition of a revocation list as the store serves it; ``trouble`` if it is none."""

    place: str
    number: int = 0
    sha256: str = ""
    next_update: datetime | None = None
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class Contradicted:
    """A checkpoint with a good time-stamp that is not what the ledger holds at that position."""

    source: str
    position: int
    at: datetime


@dataclass(slots=True)
class AuditEvidence:
    """What the sources say about each serial number, and what is known beside that.

    Attributes:
        begins: where the ledger begins: `GENESIS`, or where it was cut off.
        head: where it ends.
        pending: checkpoints still to be held against the ledger, each with its source. ``checkpoints``: how many were;
            ``invalid``: those whose time-stamp is not good, and why.
        topics: whether topics were read; else nothing is said about them. ``issued_since``, ``revoked_since``:
            the oldest fact that stood there.
    """

    records: SerialRecords = field(default_factory=SerialRecords)
    begins: Head = GENESIS
    head: Head = GENESIS
    began_at: datetime | None = None
    breaks: list[Break] = field(default_factory=list)
    unreadable: list[int] = field(default_factory=list)
    pending: list[tuple[str, Checkpointed]] = field(default_factory=list)
    checkpoints: int = 0
    contradicted: list[Contradicted] = field(default_factory=list)
    invalid: list[tuple[str, str]] = field(default_factory=list)
    archived: list[Archived] = field(default_factory=list)
    restored: list[Restored] = field(default_factory=list)
    base_urls: set[str] = field(default_factory=set)
    recorded_lists: dict[str, dict[int, str | None]] = field(default_factory=lambda: defaultdict(dict))
    lists: list[ServedEdition] = field(default_factory=list)
    topics: bool = False
    issued_since: datetime | None = None
    revoked_since: datetime | None = None
    entries: int = 0
    enrolments: int = 0

    def record(self, serial: str) -> SerialRecord:
        """Return the record of a serial number, to note something on."""
        return self.records.of(serial)

    def follow(self, page: Sequence[Entry]) -> None:
        """Follow the ledger over its next entries, and note where it does not hold."""
        self.breaks += breaks(page, self.head if self.entries else self.begins)
        self.began_at = self.began_at or appended_at(page[0])
        self.entries += len(page)
        self.head = page[-1].head

    def take(self, entry: Entry, act: Act) -> None:
        """Note what an act on record says."""
        match act:
            case CertificateIntended() | CertificateIssued() | CertificateRevoked() | CertificatePutBack():
                record = self.record(act.serial)
                record.where = entry.fact.about
                record.touch(appended_at(entry))
                _note(record, act)
            case ListSigned():
                self._recorded(act.place, act.after)
            case ConfigurationChanged():
                self.base_urls.add(act.after.base_url)
            case Checkpointed():
                self.pending.append((f"entry {entry.position}", act))
            case Archived():
                self.archived.append(act)
            case Restored():
                self.restored.append(act)
            case _:
                pass

    def _recorded(self, place: str, edition: RecordedEdition) -> None:
        """Remember the newest edition of a list, and the one that is served."""
        known = self.recorded_lists[place]
        known[edition.number] = edition.sha256
        kept = {max(known), *(each.number for each in self.lists if each.place == place)}
        self.recorded_lists[place] = {number: known[number] for number in kept & known.keys()}


def _note(
    record: SerialRecord, act: CertificateIntended | CertificateIssued | CertificateRevoked | CertificatePutBack
) -> None:
    match act:
        case CertificatePutBack():
            record.certificates += (act.after.certificate_sha256,)
        case CertificateIntended():
            record.intended = act.after.tbs_sha256
        case CertificateIssued():
            record.issued = act.before.tbs_sha256
            record.certificates += (act.after.certificate_sha256,)
        case CertificateRevoked():
            record.revoked = Revocation.of(act.after.at, act.after.reason)


def appended_at(entry: Entry) -> datetime:
    """Return when an entry was appended."""
    return datetime.fromisoformat(entry.at)
