"""Enrolments: from the facts of a journey to its certificates, and to their revocation. Pure.

An enrolment collects facts in whatever order they come (`Collecting`), takes requests once all are there (`Open`),
is issuing (`Issuing`: first the intents are recorded, then they are signed), and holds certificates (`Issued`).
`Closed` ended before any intent was on record. An intent on record always comes to one of two ends, because it may
have been signed: a stored certificate (`Issued`, revoked at once if the journey failed meanwhile), or, where it can
no longer be signed, a serial number that is revoked (`Void`).
"""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from libs.common.contracts.ca import CertIssued, CertRefused, CertRevoked
from libs.common.contracts.events import Event
from libs.common.core.errors import Refused
from libs.common.core.sealing import Sealed
from libs.common.delivery.decisions import Decision
from services.ca.model.certificate import Certificate, IntentRecord, Numbered, Reason
from services.ca.model.facts import Facts, Request


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class Collecting(_Value):
    """Facts are missing."""

    kind: Literal["collecting"] = "collecting"
    facts: Facts = Facts()


class Open(_Value):
    """All facts are there; the citizen's requests are awaited."""

    kind: Literal["open"] = "open"
    facts: Facts


class Issuing(_Value):
    """Requests were accepted. Without intents: they are to be recorded. With intents: they are to be signed.

    ``ended``: why the journey failed when the intents were on record; what is signed is then revoked at once.
    """

    kind: Literal["issuing"] = "issuing"
    facts: Facts
    requests: tuple[Request, ...]
    intents: tuple[Sealed[IntentRecord], ...] = ()
    ended: str | None = None


class Certified(_Value):
    """Serial numbers are out. Not ``settled``: older ones are to be superseded, or revocations to be listed."""

    facts: Facts
    requests: tuple[Request, ...]
    certificates: tuple[Numbered, ...]
    settled: bool = False


class Ending(_Value):
    """What else of this person ends, and why; see `services.ca.enrolment.revocation_cascade`.

    Attributes:
        at: what came to be later does not end.
    """

    reason: Reason
    at: datetime


class Issued(Certified):
    """The certificates are there."""

    kind: Literal["issued"] = "issued"
    certificates: tuple[Certificate, ...]
    ending: Ending | None = None
    noticed: int | None = None
    """How many days before the end the citizen was last told of it."""


class Void(Certified):
    """What was on record could not be signed (again). It may have been before a crash: its numbers are revoked."""

    kind: Literal["void"] = "void"


class Retired(Certified):
    """The certificates ended long ago: what names anybody was dropped, the numbers and what became of them stay."""

    kind: Literal["retired"] = "retired"
    facts: Facts = Facts()
    requests: tuple[Request, ...] = ()


class Closed(_Value):
    """The journey ended, and nothing was signed."""

    kind: Literal["closed"] = "closed"
    reason: str


Enrolment = Annotated[Collecting | Open | Issuing | Issued | Void | Retired | Closed, Field(discriminator="kind")]
EnrolmentState = Collecting | Open | Issuing | Issued | Void | Retired | Closed
Result = Decision[EnrolmentState]


def note(state: EnrolmentState | None, facts: dict[str, object]) -> Result | None:
    """Add what an event told. Facts only accumulate; once requests may be taken, nothing they say changes that."""
    if not isinstance(state, Collecting | None):
        return None
    known = (state or Collecting()).facts.model_copy(update=facts)
    return Decision(Open(facts=known) if known.complete else Collecting(facts=known))


def require_open(state: EnrolmentState | None) -> Open | Issuing | Issued:
    """Give the enrolment if all facts are there and the journey goes on.

    Raises:
        Refused: ``enrolment.not_open``, ``enrolment.closed``.
    """
    match state:
        case Open() | Issuing() | Issued():
            return state
        case Closed() | Void() | Retired():
            raise Refused("enrolment.closed", "This journey has ended. Please start a new one.")
        case _:
            detail = "Some steps of your journey are not confirmed yet. Please try again in a moment."
            raise Refused("enrolment.not_open", detail)


def accept(state: EnrolmentState | None, requests: tuple[Request, ...], now: datetime) -> Result | None:
    """Take the citizen's requests. The same ones again change nothing.

    Raises:
        Refused: as `require_open`, and ``enrolment.other_keys``.
    """
    ready = require_open(state)
    if isinstance(ready, Open):
        return Decision(Issuing(facts=ready.facts, requests=requests), wake_at=now)
    if ready.requests != requests:
        detail = "Certificates for other keys were asked for in this journey already. Please start a new journey."
        raise Refused("enrolment.other_keys", detail)
    return None


def refuse(state: EnrolmentState | None, reason: str) -> Result | None:
    """Tell that a request cannot be honoured; the citizen may send another. What was accepted before goes on."""
    if not isinstance(state, Open):
        return None
    return Decision(state, (CertRefused(reason=reason),))


def give_up(state: EnrolmentState | None, reason: str) -> Result | None:
    """Tell that no certificate can be made for this citizen. Once an intent is on record, see `void` instead."""
    if not isinstance(state, Issuing) or state.intents:
        return None
    refused = CertRefused(reason=reason, final=True)
    return Decision(Open(facts=state.facts), (refused,))


def intend(state: EnrolmentState | None, intents: tuple[Sealed[IntentRecord], ...], now: datetime) -> Result | None:
    """Record what will be signed, before it is. Only the first record counts."""
    if not isinstance(state, Issuing) or state.intents:
        return None
    return Decision(state.model_copy(update={"intents": intents}), wake_at=now)


def issued(state: EnrolmentState | None, certificates: tuple[Certificate, ...], now: datetime) -> Result | None:
    """Take in what was signed, and tell: one event a certificate. If the journey failed meanwhile, it is revoked."""
    if not isinstance(state, Issuing) or not state.intents:
        return None
    told = tuple(issued_event(state.facts, each) for each in certificates)
    after = Issued(facts=state.facts, requests=state.requests, certificates=certificates)
    if state.ended is None:
        return Decision(after, told, wake_at=now)
    revoked = revoke(after, None, "cessationOfOperation", now)
    return Decision(after, told, wake_at=now) if revoked is None else replace(revoked, events=told + revoked.events)


def void(state: EnrolmentState | None, numbers: tuple[Numbered, ...], reason: str, now: datetime) -> Result | None:
    """Give up intents on record that can no longer be signed: their serial numbers count as revoked."""
    if not isinstance(state, Issuing) or not state.intents:
        return None
    after = Void(facts=state.facts, requests=state.requests, certificates=numbers)
    revoked = revoke(after, None, "cessationOfOperation", now)
    refused: tuple[Event, ...] = () if state.ended else (CertRefused(reason=reason, final=True),)
    return None if revoked is None else replace(revoked, events=refused + revoked.events)


def close(state: EnrolmentState | None, outcome: str, reason: str, now: datetime) -> Result | None:
    """The journey ended. What was issued, or is about to be signed, stays good only if it ended well."""
    match state:
        case Issued() | Issuing(intents=(_, *_)) if outcome == "completed":
            return None
        case Issued():
            return revoke(state, None, "cessationOfOperation", now)
        case Issuing(intents=(_, *_), ended=None):
            return Decision(state.model_copy(update={"ended": reason}), wake_at=now)
        case Issuing(intents=(_, *_)) | Void() | Retired() | Closed():
            return None
        case _:
            return Decision(Closed(reason=reason))


def revoke(state: EnrolmentState | None, serial: str | None, reason: Reason, now: datetime) -> Result | None:
    """Revoke one certificate of an enrolment, or all of them. What is revoked stays so, for its first reason."""
    if not isinstance(state, Issued | Void) or state.facts.citizen_id is None:
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


def issued_event(holder: Facts, certificate: Certificate) -> CertIssued:
    """Tell that a certificate was issued."""
    if holder.person is None or holder.citizen_id is None or holder.person_ref is None:
        raise ValueError("an enrolment that is issuing has all its facts")
    return CertIssued(
        serial=certificate.serial,
        key_id=certificate.key_id,
        issuer_key_id=certificate.issuer_key_id,
        profile=certificate.profile,
        not_before=certificate.not_before,
        not_after=certificate.not_after,
        citizen_id=holder.citizen_id,
        person_ref=holder.person_ref,
        holder=holder.person,
        certificate=certificate.text,
    )
