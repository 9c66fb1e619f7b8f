"""What ledger, store, revocation lists and topics say about each serial number, laid side by side. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from libs.common.chain import GENESIS, Break, Entry, Head, breaks
from services.ca.acts import (
    Act,
    Archived,
    CertificateIntended,
    CertificateIssued,
    CertificatePutBack,
    CertificateRevoked,
    Checkpointed,
    ConfigurationChanged,
    ListSigned,
    Restored,
)

NEVER = datetime.min.replace(tzinfo=UTC)


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
class Answer:
    """What OCSP would say: revoked so, or good."""

    revoked: Revocation | None


@dataclass(slots=True)
class Slip:
    """Everything known about one serial number. ``touched`` is when it was last on record or told.

    Attributes:
        about: the journey, or ``authority/…`` for the operator's own.
        intended, issued: SHA-256 of the bytes to be signed, as the ledger has them before and after the signature.
        certificates: SHA-256 of the certificate, by the ledger: of each signature that was made of it.
        stored: the certificate's SHA-256, by the store; ``stored_tbs`` that of its signed part.
        places: the journeys under which the store has it.
        state: the kind of enrolment that has it.
        issuer: the label of the authority that signed it, by the store; empty if the store does not have it.
        answer: what OCSP would say, if there is a record to say it from.
        troubles: what is wrong with the stored certificate by itself.
    """

    serial: str
    about: str = ""
    first: datetime = NEVER
    touched: datetime = NEVER
    intended: str | None = None
    issued: str | None = None
    certificates: set[str] = field(default_factory=set)
    revoked: Revocation | None = None
    state: Literal["issued", "void", "retired", "issuing"] | None = None
    places: tuple[str, ...] = ()
    stored: str | None = None
    stored_tbs: str | None = None
    stored_revoked: Revocation | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    shard: str = ""
    owner: str | None = None
    listed: Revocation | None = None
    issuer: str = ""
    answer: Answer | None = None
    told: datetime | None = None
    told_revoked: Revocation | None = None
    troubles: list[str] = field(default_factory=list)

    def touch(self, at: datetime) -> None:
        """Note that something was said about it at that time."""
        self.first = at if self.first == NEVER else min(self.first, at)
        self.touched = max(self.touched, at)


@dataclass(frozen=True, slots=True)
class ListEdition:
    """An edition of a revocation list as the store serves it; ``trouble`` if it is none."""

    place: str
    number: int = 0
    sha256: str = ""
    next_update: datetime | None = None
    trouble: str | None = None


@dataclass(slots=True)
class Evidence:
    """All slips, and what is known beside them.

    Attributes:
        begins: where the ledger begins: `GENESIS`, or where it was cut off.
        head: where it ends.
        wanted: the positions that checkpoints speak of, to be filled in first; ``hashes`` of those entries.
        checkpoints: what vouches for the ledger, each with where it comes from; ``unvouched`` those whose
            time-stamp is not good, and why; ``vouched_at`` the time of the others.
        topics: whether topics were read; else nothing is said about them. ``issued_since``, ``revoked_since``:
            the oldest fact that stood there.
    """

    slips: dict[str, Slip] = field(default_factory=dict)
    begins: Head = GENESIS
    head: Head = GENESIS
    began_at: datetime | None = None
    breaks: list[Break] = field(default_factory=list)
    unreadable: list[int] = field(default_factory=list)
    wanted: set[int] = field(default_factory=set)
    hashes: dict[int, str] = field(default_factory=dict)
    checkpoints: list[tuple[str, Checkpointed]] = field(default_factory=list)
    unvouched: list[tuple[str, str]] = field(default_factory=list)
    vouched_at: dict[str, datetime] = field(default_factory=dict)
    archived: list[Archived] = field(default_factory=list)
    restored: list[Restored] = field(default_factory=list)
    base_urls: set[str] = field(default_factory=set)
    recorded_lists: dict[str, dict[int, str | None]] = field(default_factory=lambda: defaultdict(dict))
    lists: list[ListEdition] = field(default_factory=list)
    topics: bool = False
    issued_since: datetime | None = None
    revoked_since: datetime | None = None
    entries: int = 0
    enrolments: int = 0

    def slip(self, serial: str) -> Slip:
        """Give the slip of a serial number, a new one if need be."""
        return self.slips.setdefault(serial, Slip(serial))

    def follow(self, page: Sequence[Entry]) -> None:
        """Follow the ledger over its next entries, and note where it does not hold."""
        self.breaks += breaks(page, self.head if self.entries else self.begins)
        self.hashes |= {entry.position: entry.hash for entry in page if entry.position in self.wanted}
        self.began_at = self.began_at or moment(page[0])
        self.entries += len(page)
        self.head = page[-1].head

    def take(self, entry: Entry, act: Act) -> None:
        """Note what an act on record says."""
        match act:
            case CertificateIntended() | CertificateIssued() | CertificateRevoked() | CertificatePutBack():
                slip = self.slip(act.serial)
                slip.about = entry.fact.about
                slip.touch(moment(entry))
                _note(slip, act)
            case ListSigned():
                self.recorded_lists[act.place][act.after.number] = act.after.sha256
            case ConfigurationChanged():
                self.base_urls.add(act.after.base_url)
            case Checkpointed():
                self.checkpoints.append((f"entry {entry.position}", act))
            case Archived():
                self.archived.append(act)
            case Restored():
                self.restored.append(act)
            case _:
                pass


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


def in_batches(values: Iterable[str], size: int) -> Iterable[list[str]]:
    """Give values in lists of at most this size."""
    batch: list[str] = []
    for value in values:
        batch.append(value)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
