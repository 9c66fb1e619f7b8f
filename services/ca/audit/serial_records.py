"""What is known about each serial number, in memory as long as there are few, and on disk when there are millions.

The sources are read one after the other, and each of them says a little about every number. So what was said is
written away from time to time as it stands, number by number in one of many parts of a file, and laid together again a
part at a time. Memory so depends on neither the number of certificates nor their age.
"""

import pickle
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from tempfile import TemporaryFile
from typing import IO, Final, Literal
from weakref import finalize
from zlib import crc32

NEVER: Final = datetime.min.replace(tzinfo=UTC)
AT_ONCE: Final = 50_000
"""Slips in memory, about 1 kB each, before they are written away."""
PARTS: Final = 256


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
        where: the journey, or ``authority/…`` for the operator's own, by store and ledger; ``subject`` by the topics.
        intended, issued: SHA-256 of the bytes to be signed, as the ledger has them before and after the signature.
        certificates: SHA-256 of the certificate, by the ledger: of each signature that was made of it.
        stored: the certificate's SHA-256, by the store.
        places: the journeys under which the store has it.
        state: the kind of enrolment that has it.
        issuer: the label of the authority that signed it, by the store; empty if the store does not have it.
        answer: what OCSP would say, if there is a record to say it from.
        troubles: what is wrong with the stored certificate by itself.
    """

    serial: str
    where: str = ""
    subject: str = ""
    first: datetime = NEVER
    touched: datetime = NEVER
    intended: str | None = None
    issued: str | None = None
    certificates: set[str] = field(default_factory=set)
    revoked: Revocation | None = None
    state: Literal["issued", "void", "retired", "issuing"] | None = None
    places: tuple[str, ...] = ()
    stored: str | None = None
    stored_revoked: Revocation | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    owner: str | None = None
    listed: Revocation | None = None
    issuer: str = ""
    answer: Answer | None = None
    told: datetime | None = None
    told_revoked: Revocation | None = None
    troubles: tuple[str, ...] = ()

    @property
    def about(self) -> str:
        """Whose it is."""
        return self.where or self.subject

    def touch(self, at: datetime) -> None:
        """Note that something was said about it at that time."""
        self.first = at if self.first == NEVER else min(self.first, at)
        self.touched = max(self.touched, at)

    def lay(self, later: "Slip") -> None:
        """Take in what another slip of the same number says, written later."""
        for name in _SAID_ONCE:
            said = getattr(later, name)
            if said not in (None, ""):
                setattr(self, name, said)
        if later.touched != NEVER:
            self.touch(later.first)
            self.touch(later.touched)
        self.certificates |= later.certificates
        self.places += later.places
        self.troubles += later.troubles


_SAID_ONCE: Final = (
    *("where", "subject", "intended", "issued", "revoked", "state", "stored", "stored_revoked"),
    *("not_before", "not_after", "owner", "listed", "issuer", "answer", "told", "told_revoked"),
)


class Slips:
    """The slips of all serial numbers. One that is taken up again may be a fresh one: read them in `parts` alone.

    Args:
        at_once: how many are held in memory before they are written away.
    """

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        self._held: dict[str, Slip] = {}
        self._file: IO[bytes] | None = None
        self._written: dict[int, list[int]] = defaultdict(list)

    def of(self, serial: str) -> Slip:
        """Give a slip to note something on, at once: it may be written away with the next call."""
        slip = self._held.get(serial)
        if slip is None:
            if len(self._held) >= self._at_once:
                self._write_away()
            slip = self._held[serial] = Slip(serial)
        return slip

    def parts(self) -> Iterator[list[Slip]]:
        """Give all slips, a list at a time, each number once. Meanwhile more may be noted on those of the last list."""
        if self._file is None:
            yield list(self._held.values())
            return
        self._write_away()
        for part in range(PARTS):
            yield self._read(part)

    @property
    def on_disk(self) -> int:
        """Octets that were written away."""
        return 0 if self._file is None else self._file.seek(0, 2)

    def _write_away(self) -> None:
        if self._file is None:
            self._file = TemporaryFile()  # noqa: SIM115 - it has no name, and ends with this object
            finalize(self, self._file.close)
        sorted_out: dict[int, list[Slip]] = defaultdict(list)
        for serial, slip in self._held.items():
            sorted_out[crc32(serial.encode()) % PARTS].append(slip)
        for part, slips in sorted_out.items():
            self._written[part].append(self._file.seek(0, 2))
            pickle.dump(slips, self._file, pickle.HIGHEST_PROTOCOL)
        self._held = {}

    def _read(self, part: int) -> list[Slip]:
        laid: dict[str, Slip] = {}
        for place in self._written[part]:
            if self._file is not None:
                self._file.seek(place)
                for slip in pickle.load(self._file):  # noqa: S301 - this process wrote it, into a file without a name
                    if slip.serial in laid:
                        laid[slip.serial].lay(slip)
                    else:
                        laid[slip.serial] = slip
        return list(laid.values())
