"""Enrolments: from the facts of a journey to its certificates, and to their revocation. Pure.

An enrolment collects facts in whatever order they come (`Collecting`), takes requests once all are there (`Open`),
is issuing (`Issuing`: first the intents are recorded, then they are signed), and holds certificates (`Issued`).
`Closed` ended without any.
"""

from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from libs.common.contracts.ca import CertIssued, CertRefused, CertRevoked, Profile
from libs.common.contracts.people import Person
from libs.common.decisions import Decision
from libs.common.errors import Refused
from libs.common.events import Event
from libs.common.sealing import Personal, Sealed

Reason = Literal[
    "unspecified", "keyCompromise", "affiliationChanged", "superseded", "cessationOfOperation", "privilegeWithdrawn"
]
"""CRL reasons that apply to holders (RFC 5280, 5.3.1)."""


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class IntentRecord(Personal):
    """What is about to be signed, as JSON of `services.ca.issuance.Intent`. It names the holder."""

    audience: ClassVar[str] = "person"

    intent: str


class CertificateText(Personal):
    """A certificate in PEM. It names the holder."""

    audience: ClassVar[str] = "person"

    pem: str


class Facts(_Value):
    """What must be known before anything is issued."""

    person: Sealed[Person] | None = None
    person_ref: str | None = None
    citizen_id: str | None = None
    phone_proven: bool = False
    face_matched: bool = False

    @property
    def complete(self) -> bool:
        """Whether all is there: who it is, the phone, the face, and the Digital ID."""
        return self.person is not None and self.citizen_id is not None and self.phone_proven and self.face_matched


class Request(_Value):
    """A public key (SubjectPublicKeyInfo, DER in hexadecimal) whose possession was proven, and what it is for."""

    profile: Profile
    spki: str


class Certificate(_Value):
    """A certificate that was issued."""

    serial: str
    key_id: str
    issuer_key_id: str
    profile: Profile
    not_before: datetime
    not_after: datetime
    crl_shard: int
    text: Sealed[CertificateText]
    revoked_at: datetime | None = None
    revoked_for: Reason | None = None
    listed: bool = False
    """Whether the revocation list has taken it in."""


class Collecting(_Value):
    """Facts are missing."""

    kind: Literal["collecting"] = "collecting"
    facts: Facts = Facts()


class Open(_Value):
    """All facts are there; the citizen's requests are awaited."""

    kind: Literal["open"] = "open"
    facts: Facts


class Issuing(_Value):
    """Requests were accepted. Without intents: they are to be recorded. With intents: they are to be signed."""

    kind: Literal["issuing"] = "issuing"
    facts: Facts
    requests: tuple[Request, ...]
    intents: tuple[Sealed[IntentRecord], ...] = ()


class Issued(_Value):
    """The certificates are there. Not ``settled``: older ones are to be superseded, or revocations to be listed."""

    kind: Literal["issued"] = "issued"
    facts: Facts
    requests: tuple[Request, ...]
    certificates: tuple[Certificate, ...]
    settled: bool = False


class Closed(_Value):
    """The journey ended before anything was issued. Intents stay on record: they may have been signed."""

    kind: Literal["closed"] = "closed"
    reason: str
    intents: tuple[Sealed[IntentRecord], ...] = ()


Enrolment = Annotated[Collecting | Open | Issuing | Issued | Closed, Field(discriminator="kind")]
EnrolmentState = Collecting | Open | Issuing | Issued | Closed
Result = Decision[EnrolmentState]


def note(state: EnrolmentState | None, facts: dict[str, object]) -> Result | None:
    """Add what an event told. Facts only accumulate; once requests may be taken, nothing they say changes that."""
    if not isinstance(state, Collecting | None):
        return None
    known = (state or Collecting()).facts.model_copy(update=facts)
    return Decision(Open(facts=known) if known.complete else Collecting(facts=known))


def accept(state: EnrolmentState | None, requests: tuple[Request, ...], now: datetime) -> Result | None:
    """Take the citizen's requests. The same ones again change nothing.

    Raises:
        Refused: ``enrolment.not_open``, ``enrolment.closed``, ``enrolment.other_keys``.
    """
    match state:
        case Open(facts=facts):
            return Decision(Issuing(facts=facts, requests=requests), wake_at=now)
        case Issuing() | Issued() if state.requests == requests:
            return None
        case Issuing() | Issued():
            detail = "Certificates for other keys were asked for in this journey already. Please start a new journey."
            raise Refused("enrolment.other_keys", detail)
        case Closed():
            raise Refused("enrolment.closed", "This journey has ended. Please start a new one.")
        case _:
            detail = "Some steps of your journey are not confirmed yet. Please try again in a moment."
            raise Refused("enrolment.not_open", detail)


def refuse(state: EnrolmentState | None, reason: str, *, final: bool) -> Result | None:
    """Tell that a request cannot be honoured. Not final: the citizen may send another."""
    match state:
        case Open():
            return Decision(state, (CertRefused(reason=reason, final=final),))
        case Issuing(facts=facts):
            return Decision(Open(facts=facts), (CertRefused(reason=reason, final=final),))
        case _:
            return None


def intend(state: EnrolmentState | None, intents: tuple[Sealed[IntentRecord], ...], now: datetime) -> Result | None:
    """Record what will be signed, before it is. Only the first record counts."""
    if not isinstance(state, Issuing) or state.intents:
        return None
    return Decision(state.model_copy(update={"intents": intents}), wake_at=now)


def issued(state: EnrolmentState | None, certificates: tuple[Certificate, ...], now: datetime) -> Result | None:
    """Take in what was signed, and tell: one event a certificate."""
    if not isinstance(state, Issuing):
        return None
    holder = state.facts
    if holder.person is None or holder.citizen_id is None or holder.person_ref is None:
        raise ValueError("an enrolment that is issuing has all its facts")
    events = tuple(
        CertIssued(
            serial=each.serial,
            key_id=each.key_id,
            issuer_key_id=each.issuer_key_id,
            profile=each.profile,
            not_before=each.not_before,
            not_after=each.not_after,
            citizen_id=holder.citizen_id,
            person_ref=holder.person_ref,
            holder=holder.person,
        )
        for each in certificates
    )
    after = Issued(facts=holder, requests=state.requests, certificates=certificates)
    return Decision(after, events, wake_at=now)


def close(state: EnrolmentState | None, outcome: str, reason: str, now: datetime) -> Result | None:
    """The journey ended. What was issued stays good only if it ended well."""
    match state:
        case Issued() if outcome == "completed":
            return None
        case Issued():
            return revoke(state, None, "cessationOfOperation", now)
        case Closed():
            return None
        case Issuing(intents=intents):
            return Decision(Closed(reason=reason, intents=intents))
        case _:
            return Decision(Closed(reason=reason))


def revoke(state: EnrolmentState | None, serial: str | None, reason: Reason, now: datetime) -> Result | None:
    """Revoke one certificate of an enrolment, or all of them. What is revoked stays so, for its first reason."""
    if not isinstance(state, Issued) or state.facts.citizen_id is None:
        return None
    struck = {each.serial for each in state.certificates if each.revoked_at is None and serial in (None, each.serial)}
    if not struck:
        return None
    mark = {"revoked_at": now, "revoked_for": reason}
    certificates = tuple(each.model_copy(update=mark) if each.serial in struck else each for each in state.certificates)
    events: tuple[Event, ...] = tuple(
        CertRevoked(
            serial=each.serial,
            profile=each.profile,
            reason=reason,
            revoked_at=now,
            citizen_id=state.facts.citizen_id,
        )
        for each in certificates
        if each.serial in struck
    )
    after = state.model_copy(update={"certificates": certificates, "settled": False})
    return Decision(after, events, wake_at=now)


def settle(state: EnrolmentState | None, listed: frozenset[str]) -> Result | None:
    """Note that older certificates were superseded, and that the lists have taken these serials in."""
    if not isinstance(state, Issued):
        return None
    certificates = tuple(
        each.model_copy(update={"listed": True}) if each.serial in listed else each for each in state.certificates
    )
    missing = any(each.revoked_at is not None and not each.listed for each in certificates)
    after = state.model_copy(update={"certificates": certificates, "settled": not missing})
    return Decision(after, wake_at=None if not missing else max(filter(None, (c.revoked_at for c in certificates))))
