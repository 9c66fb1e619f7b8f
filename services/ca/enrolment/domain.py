"""Enrolments: what each fact, request, signature and revocation makes of one. Pure; see `states` for the states."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from libs.common.contracts.ca import CertIssued, CertRefused, CertRevoked
from libs.common.contracts.events import Event
from libs.common.core.errors import Refused
from libs.common.core.model import evolve
from libs.common.core.sealing import Sealed
from libs.common.delivery.decisions import Decision
from services.ca.enrolment.facts import EnrolmentFacts, FactEvent, learn
from services.ca.enrolment.states import Closed, Collecting, EnrolmentState, Issued, Issuing, Open, Retired, Void
from services.ca.model.certificate import Certificate, IntentRecord, Reason, RecordedCertificate, RequestedKey
from services.ca.refusals import CaRefusal

Result = Decision[EnrolmentState]
Marked = TypeVar("Marked", bound=RecordedCertificate)


def note(state: EnrolmentState | None, event: FactEvent) -> Result | None:
    """Add what an event says. Facts only accumulate; once requests may be taken, nothing they say changes that."""
    if not isinstance(state, Collecting | None):
        return None
    facts = learn((state or Collecting()).facts, event)
    return Decision(Open(facts=facts) if facts.complete else Collecting(facts=facts))


def require_open(state: EnrolmentState | None) -> Open | Issuing | Issued:
    """Return the enrolment if all facts are there and the journey goes on.

    Raises:
        Refused: ``enrolment.not_open``, ``enrolment.closed``.
    """
    match state:
        case Open() | Issuing() | Issued():
            return state
        case Closed() | Void() | Retired():
            raise Refused(CaRefusal.ENROLMENT_CLOSED)
        case _:
            raise Refused(CaRefusal.ENROLMENT_NOT_OPEN)


def accept(state: EnrolmentState | None, requests: tuple[RequestedKey, ...], now: datetime) -> Result | None:
    """Take the citizen's requests. The same ones again change nothing.

    Raises:
        Refused: as `require_open`, and ``enrolment.other_keys``.
    """
    ready = require_open(state)
    if isinstance(ready, Open):
        return Decision(evolve(ready, Issuing, requests=requests, since=now))
    if ready.requests != requests:
        raise Refused(CaRefusal.ENROLMENT_OTHER_KEYS)
    return None


def refuse(state: EnrolmentState | None, reason: str) -> Result | None:
    """Report that a request cannot be honoured; the citizen may send another. What was accepted before goes on."""
    if not isinstance(state, Open):
        return None
    return Decision(state, (CertRefused(reason=reason),))


def intend(state: EnrolmentState | None, intents: tuple[Sealed[IntentRecord], ...], now: datetime) -> Result | None:
    """Record what will be signed, before it is. Only the first record counts."""
    if not isinstance(state, Issuing) or state.intents:
        return None
    return Decision(evolve(state, Issuing, intents=intents, since=now))


def give_up(state: EnrolmentState | None, reason: str) -> Result | None:
    """Report that no certificate can be made for this citizen. Once an intent is on record, see `void` instead."""
    if not isinstance(state, Issuing) or state.intents:
        return None
    return Decision(evolve(state, Open), (CertRefused(reason=reason, final=True),))


def issued(state: EnrolmentState | None, certificates: tuple[Certificate, ...], now: datetime) -> Result | None:
    """Take in what was signed: one event a certificate. If the journey failed meanwhile, it is revoked."""
    if not isinstance(state, Issuing) or not state.intents:
        return None
    events = tuple(issued_event(state.facts, each) for each in certificates)
    after = evolve(state, Issued, certificates=certificates)
    revoked = None if state.ended is None else revoke(after, None, "cessationOfOperation", now)
    return Decision(after, events) if revoked is None else replace(revoked, events=events + revoked.events)


def void(
    state: EnrolmentState | None, numbers: tuple[RecordedCertificate, ...], reason: str, now: datetime
) -> Result | None:
    """Give up intents on record that can no longer be signed: their serial numbers count as revoked."""
    if not isinstance(state, Issuing) or not state.intents:
        return None
    revoked = revoke(evolve(state, Void, certificates=numbers), None, "cessationOfOperation", now)
    refused: tuple[Event, ...] = () if state.ended else (CertRefused(reason=reason, final=True),)
    return None if revoked is None else replace(revoked, events=refused + revoked.events)


def close(state: EnrolmentState | None, outcome: str, reason: str, now: datetime) -> Result | None:
    """End the journey. What was issued, or is about to be signed, stays good only if it ended well."""
    match state:
        case Issued() | Issuing(intents=(_, *_)) if outcome == "completed":
            return None
        case Issued():
            return revoke(state, None, "cessationOfOperation", now)
        case Issuing(intents=(_, *_), ended=None):
            return Decision(evolve(state, Issuing, ended=reason, since=now))
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
    after: Issued | Void
    if isinstance(state, Issued):
        after = evolve(state, Issued, certificates=_marked(state.certificates, struck, reason, now), settled=False)
    else:
        after = evolve(state, Void, certificates=_marked(state.certificates, struck, reason, now), settled=False)
    events: tuple[Event, ...] = tuple(
        CertRevoked(
            serial=each.serial,
            profile=each.profile,
            reason=reason,
            revoked_at=now,
            citizen_id=state.facts.citizen_id,
        )
        for each in after.certificates
        if each.serial in struck
    )
    return Decision(after, events)


def issued_event(holder: EnrolmentFacts, certificate: Certificate) -> CertIssued:
    """Return the event that says that a certificate was issued."""
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


def _marked(
    certificates: tuple[Marked, ...], struck: Collection[str], reason: Reason, now: datetime
) -> tuple[Marked, ...]:
    return tuple(
        evolve(each, type(each), revoked_at=now, revoked_for=reason) if each.serial in struck else each
        for each in certificates
    )
