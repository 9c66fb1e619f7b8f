"""What the ledger remembers: each act of the authority, typed, with what was before it and what after. Pure.

An act that uses a key stands twice: as intended before the key signs, and as done afterwards. Names and numbers of
people are sealed; in clear are serial numbers, digests, dates, reasons, and who asked, by opaque identifiers.
"""

import hashlib
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter

from libs.common.contracts.ca import CertificateText
from libs.common.contracts.people import Person
from libs.common.core.model import Model
from libs.common.core.sealing import Sealed
from services.ca.model.certificate import IntentRecord

Means = Literal["token", "signature", "code"]
"""How whoever asked was known: by a token, by a signature of one of the pair's keys, by PIN and code."""


class RecordedIntent(Model):
    """A certificate that may be signed at any moment, or was: these very bytes, by their SHA-256."""

    status: Literal["intended"] = "intended"
    tbs_sha256: str


class RecordedGood(Model):
    """A certificate that was signed."""

    status: Literal["good"] = "good"
    certificate_sha256: str


class RecordedRevocation(Model):
    """A certificate that is no longer good. ``reason`` as in RFC 5280, 5.3.1."""

    status: Literal["revoked"] = "revoked"
    at: datetime
    reason: str


class RecordedEdition(Model):
    """One edition of a revocation list: its number, how many it lists, and once it is signed its SHA-256."""

    number: int
    this_update: datetime
    entries: int
    sha256: str | None = None


class Configuration(Model):
    """What the authority signs with, and under which terms; keys by their subject key identifiers."""

    issuer_keys: tuple[str, ...]
    responder_keys: tuple[str, ...]
    tsa_certificate_sha256: str
    tsa_policy: str
    clock_tolerance_ms: int
    crl_shards: int
    base_url: str


class CertificateIntended(Model):
    """A certificate is about to be signed. ``record`` holds the bytes; the rest says for whom, unless for ourselves."""

    kind: Literal["certificate.intended"] = "certificate.intended"
    serial: str
    profile: str
    not_before: datetime
    crl_shard: int
    before: None = None
    after: RecordedIntent
    record: Sealed[IntentRecord]
    holder: Sealed[Person] | None = None
    citizen_id: str | None = None
    person_ref: str | None = None

    @property
    def id(self) -> str:
        """The same for the same intent."""
        return f"intended/{self.serial}"


class CertificateIssued(Model):
    """A certificate was signed. ``signature`` (hexadecimal) and the intended bytes are the certificate."""

    kind: Literal["certificate.issued"] = "certificate.issued"
    serial: str
    key_id: str
    issuer_key_id: str
    signature: str
    before: RecordedIntent
    after: RecordedGood

    @property
    def id(self) -> str:
        """The same for the same signature.

        Keys in tokens sign the same bytes differently each time: a crash between this record and the store leaves two
        signatures on record, and either is the authority's.
        """
        return f"issued/{self.serial}/{self.after.certificate_sha256[:16]}"


class RevocationAsked(Model):
    """Somebody asked for a revocation: ``by`` is the citizen's or the clerk's identifier."""

    kind: Literal["revocation.asked"] = "revocation.asked"
    serial: str
    reason: str
    role: Literal["citizen", "clerk"]
    by: str
    means: Means = "token"

    @property
    def id(self) -> str:
        """The same for the same wish of the same person."""
        asked = f"{self.role}|{self.by}|{self.reason}"
        return f"asked/{self.serial}/{hashlib.sha256(asked.encode()).hexdigest()[:16]}"


class CertificateRevoked(Model):
    """A serial number was revoked, and will be on the list of its shard.

    Nothing ``before``: it was intended and could not be signed again, and nobody knows whether it had been.
    """

    kind: Literal["certificate.revoked"] = "certificate.revoked"
    serial: str
    before: RecordedGood | None
    after: RecordedRevocation

    @property
    def id(self) -> str:
        """A certificate is revoked once."""
        return f"revoked/{self.serial}"


class ListIntended(Model):
    """An edition of a revocation list is about to be signed."""

    kind: Literal["list.intended"] = "list.intended"
    place: str
    before: RecordedEdition | None
    after: RecordedEdition

    @property
    def id(self) -> str:
        """Another try at the same number is another act: it signs other bytes."""
        return f"list.intended/{self.place}/{self.after.number}/{self.after.this_update.isoformat()}"


class ListSigned(Model):
    """An edition of a revocation list was signed, and is about to be published."""

    kind: Literal["list.signed"] = "list.signed"
    place: str
    before: RecordedEdition | None
    after: RecordedEdition

    @property
    def id(self) -> str:
        """The same for the same bytes."""
        return f"list.signed/{self.place}/{self.after.number}/{(self.after.sha256 or '')[:16]}"


class ConfigurationChanged(Model):
    """Another key, certificate, policy or address was taken into use."""

    kind: Literal["configuration.changed"] = "configuration.changed"
    follows: int
    before: Configuration | None
    after: Configuration

    @property
    def id(self) -> str:
        """One change follows another: of replicas that see the same one, one records it."""
        return f"configuration/{self.follows}"


class Checkpointed(Model):
    """The ledger up to here is covered: ``token`` (base64) is a time-stamp (RFC 3161) over the entry's hash."""

    kind: Literal["ledger.checkpointed"] = "ledger.checkpointed"
    position: int
    hash: str
    token: str

    @property
    def id(self) -> str:
        """One checkpoint a position."""
        return f"checkpoint/{self.position}"


class Archived(Model):
    """The ledger up to here was written to an archive, and removed from the store."""

    kind: Literal["ledger.archived"] = "ledger.archived"
    position: int
    hash: str
    archive_sha256: str

    @property
    def id(self) -> str:
        """One archive a position."""
        return f"archived/{self.position}"


class CertificatePutBack(Model):
    """A certificate that only the topics knew was put back into the store; how it came about is not on record here."""

    kind: Literal["certificate.put_back"] = "certificate.put_back"
    serial: str
    profile: str
    before: None = None
    after: RecordedGood
    text: Sealed[CertificateText]
    holder: Sealed[Person] | None
    citizen_id: str
    person_ref: str | None

    @property
    def id(self) -> str:
        """Once a certificate."""
        return f"put_back/{self.serial}"


class Restored(Model):
    """The store was found to be older than the ledger or the topics, and was brought up to them.

    ``head`` is how far the ledger then went: what was behind it is lost, and was put back from the topics.
    """

    kind: Literal["store.restored"] = "store.restored"
    at: datetime
    head: int
    certificates: int
    revocations: int
    republished: int

    @property
    def id(self) -> str:
        """Each time is an act of its own."""
        return f"restored/{self.at.isoformat()}"


Act = (
    CertificateIntended
    | CertificateIssued
    | RevocationAsked
    | CertificateRevoked
    | ListIntended
    | ListSigned
    | ConfigurationChanged
    | Checkpointed
    | Archived
    | CertificatePutBack
    | Restored
)
ACTS: Final[TypeAdapter[Act]] = TypeAdapter(Annotated[Act, Field(discriminator="kind")])
