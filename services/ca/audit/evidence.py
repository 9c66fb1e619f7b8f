"""What ledger, store, revocation lists and topics say about each serial number, laid side by side. Pure."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from libs.common.storage.chain import GENESIS, Break, Entry, Head, breaks
from services.ca.audit.serial_records import Revocation, Slip, Slips
from services.ca.ledger.acts import (
    Act,
    Archived,
    CertificateIntended,
    CertificateIssued,
    CertificatePutBack,
    CertificateRevoked,
    Checkpointed,
    ConfigurationChanged,
    Edition,
    ListSigned,
    MandateWithdrawn,
    Restored,
)


@dataclass(frozen=True, slots=True)
class ListEdition:
    """An edition of a revocation list as the store serves it; ``trouble`` if it is none."""

    place: str
    number: int = 0
    sha256: str = ""
    next_update: datetime | None = None
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class Contradicted:
    """A checkpoint that was vouched for at a time, and is not what the ledger holds at that position."""

    source: str
    position: int
    at: datetime


@dataclass(slots=True)
class Evidence:
    """All slips, and what is known beside them.

    Attributes:
        begins: where the ledger begins: `GENESIS`, or where it was cut off.
        head: where it ends.
        heard: checkpoints to be held against the ledger, each with where it comes from. ``checkpoints``: how many were;
            ``unvouched``: those whose time-stamp is not good, and why.
        topics: whether topics were read; else nothing is said about them. ``issued_since``, ``revoked_since``:
            the oldest fact that stood there.
    """

    slips: Slips
    begins: Head = GENESIS
    head: Head = GENESIS
    began_at: datetime | None = None
    breaks: list[Break] = field(default_factory=list)
    unreadable: list[int] = field(default_factory=list)
    heard: list[tuple[str, Checkpointed]] = field(default_factory=list)
    checkpoints: int = 0
    contradicted: list[Contradicted] = field(default_factory=list)
    unvouched: list[tuple[str, str]] = field(default_factory=list)
    archived: list[Archived] = field(default_factory=list)
    restored: list[Restored] = field(default_factory=list)
    withdrawn: set[str] = field(default_factory=set)
    base_urls: set[str] = field(default_factory=set)
    recorded_lists: dict[str, dict[int, str | None]] = field(default_factory=lambda: defaultdict(dict))
    lists: list[ListEdition] = field(default_factory=list)
    topics: bool = False
    issued_since: datetime | None = None
    revoked_since: datetime | None = None
    entries: int = 0
    enrolments: int = 0

    def slip(self, serial: str) -> Slip:
        """Give a slip to note something on; see `Slips.of`."""
        return self.slips.of(serial)

    def follow(self, page: Sequence[Entry]) -> None:
        """Follow the ledger over its next entries, and note where it does not hold."""
        self.breaks += breaks(page, self.head if self.entries else self.begins)
        self.began_at = self.began_at or moment(page[0])
        self.entries += len(page)
        self.head = page[-1].head

    def take(self, entry: Entry, act: Act) -> None:
        """Note what an act on record says."""
        match act:
            case CertificateIntended() | CertificateIssued() | CertificateRevoked() | CertificatePutBack():
                slip = self.slip(act.serial)
                slip.where = entry.fact.about
                slip.touch(moment(entry))
                _note(slip, act)
            case ListSigned():
                self._recorded(act.place, act.after)
            case ConfigurationChanged():
                self.base_urls.add(act.after.base_url)
            case Checkpointed():
                self.heard.append((f"entry {entry.position}", act))
            case Archived():
                self.archived.append(act)
            case Restored():
                self.restored.append(act)
            case MandateWithdrawn():
                self.withdrawn.add(act.mandate_id)
            case _:
                pass

    def _recorded(self, place: str, edition: Edition) -> None:
        """Remember the newest edition of a list, and the one that is served."""
        known = self.recorded_lists[place]
        known[edition.number] = edition.sha256
        kept = {max(known), *(each.number for each in self.lists if each.place == place)}
        self.recorded_lists[place] = {number: known[number] for number in kept & known.keys()}


def _note(slip: Slip, act: CertificateIntended | CertificateIssued | CertificateRevoked | CertificatePutBack) -> None:
    match act:
        case CertificatePutBack():
            slip.certificates.add(act.after.certificate_sha256)
        case CertificateIntended():
            slip.intended = act.after.tbs_sha256
        case CertificateIssued():
            slip.issued = act.before.tbs_sha256
            slip.certificates.add(act.after.certificate_sha256)
        case CertificateRevoked():
            slip.revoked = Revocation.of(act.after.at, act.after.reason)


def moment(entry: Entry) -> datetime:
    """Give when an entry was appended."""
    return datetime.fromisoformat(entry.at)
