"""The rules of the check: where ledger, store, lists and topics do not agree, and what it means. Pure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from libs.common.contracts.ca import CertIssued
from libs.common.storage.chain import GENESIS
from services.ca.audit.evidence import Evidence
from services.ca.audit.serial_records import Slip
from services.ca.model.ids import OWN

TOLD_WITHIN: Final = timedelta(days=29)
"""Topics keep facts for thirty days; what is older cannot be missed there."""

Severity = Literal["error", "warning"]


class Finding(BaseModel):
    """Something that is not as it must be: a stable key, what it is about, what it means, what to do."""

    model_config = ConfigDict(frozen=True)

    key: str
    severity: Severity
    about: str
    text: str
    advice: str


class Times(BaseModel):
    """The moment of the check. What was touched after ``settled`` may be on its way, and is not judged."""

    model_config = ConfigDict(frozen=True)

    now: datetime
    settled: datetime


@dataclass(slots=True)
class Tally:
    """How many numbers were looked at; ``untold``: issued in the last weeks, before the oldest fact on the topic."""

    serial_numbers: int = 0
    issued: int = 0
    revoked: int = 0
    untold: int = 0


def findings(evidence: Evidence, times: Times, tally: Tally) -> Iterator[Finding]:
    """Give everything that is not as it must be, and count what was looked at."""
    yield from _chain(evidence)
    yield from _checkpoints(evidence)
    yield from _lists(evidence, times)
    for slip in (each for part in evidence.slips.parts() for each in part):
        _count(tally, slip, evidence, times)
        for rule in _BY_ITSELF:
            yield from rule(slip, evidence, times)
        if slip.touched <= times.settled:
            for rule in _COMPARED:
                yield from rule(slip, evidence, times)
    yield from _topics(evidence, tally)


def _count(tally: Tally, slip: Slip, evidence: Evidence, times: Times) -> None:
    tally.serial_numbers += 1
    tally.revoked += slip.stored_revoked is not None
    if slip.state == "issued":
        tally.issued += 1
        since = (evidence.issued_since or times.now).replace(microsecond=0)
        tally.untold += slip.not_before is not None and times.now - TOLD_WITHIN < slip.not_before < since


def _error(key: str, about: str, text: str, advice: str) -> Finding:
    return Finding(key=key, severity="error", about=about, text=text, advice=advice)


def _warning(key: str, about: str, text: str, advice: str) -> Finding:
    return Finding(key=key, severity="warning", about=about, text=text, advice=advice)


_TAMPERED: Final = "Stop issuing, keep the database as it is, and compare with the newest export and archive."
_KEYS: Final = f"Check CA_SEALING; if all keys are there: {_TAMPERED}"
_RESTORE: Final = "Run `python -m services.ca.tools.restore` with the newest export of the ledger (docs/operations.md)."


def _chain(evidence: Evidence) -> Iterator[Finding]:
    for each in evidence.breaks:
        yield _error("ledger.broken", f"entry {each.position}", f"The chain does not hold: {each.what}.", _TAMPERED)
    for position in evidence.unreadable:
        text = "The entry's act cannot be read: it was altered, or its sealing key is not held here."
        yield _error("ledger.unreadable", f"entry {position}", text, _KEYS)
    begins = evidence.begins
    known = {(each.position, each.hash) for each in evidence.archived}
    if begins != GENESIS and (begins.position, begins.hash) not in known:
        text = "The ledger begins here, and no act on record says that what was before went into an archive."
        yield _error("ledger.cut", f"entry {begins.position}", text, _TAMPERED)


def _checkpoints(evidence: Evidence) -> Iterator[Finding]:
    for source, why in evidence.unvouched:
        yield _error("checkpoint.invalid", source, f"The checkpoint's time-stamp is not good: {why}.", _TAMPERED)
    for each in evidence.contradicted:
        about = f"checkpoint {each.position} ({each.source})"
        if any(each.at <= restored.at and each.position > restored.head for restored in evidence.restored):
            text = (
                "The entries it vouched for were lost when an older backup was restored, and put back from the topics."
            )
            yield _warning("ledger.lost_in_restore", about, text, "Keep exports, so that the next restore is whole.")
        elif each.position > evidence.head.position:
            text = f"The ledger ends at {evidence.head.position}: entries that were vouched for are missing."
            yield _error("ledger.shortened", about, text, _RESTORE)
        else:
            text = "The ledger holds another entry there than the one that was vouched for: it was written anew."
            yield _error("ledger.rewritten", about, text, _TAMPERED)


def _lists(evidence: Evidence, times: Times) -> Iterator[Finding]:
    for each in evidence.lists:
        recorded = evidence.recorded_lists.get(each.place, {})
        if each.trouble is not None:
            yield _error("list.invalid", each.place, f"The served edition {each.trouble}.", _TAMPERED)
            continue
        if each.next_update is not None and each.next_update < times.now:
            text = f"Edition {each.number} ended at {each.next_update:%Y-%m-%d %H:%M} UTC."
            advice = "Look for `timer.failed` in the service's log; the root's is renewed by a key ceremony."
            yield _error("list.expired", each.place, text, advice)
        if each.number in recorded and recorded[each.number] not in (None, each.sha256):
            text = f"Edition {each.number} is not the one on record under this number."
            yield _error("list.not_recorded", each.place, text, _TAMPERED)
        newest = max(recorded, default=0)
        if newest > each.number:
            text = f"Edition {each.number} is served, but {newest} was signed before: the list counts backwards."
            yield _error("list.backwards", each.place, text, _RESTORE)


def _sound(slip: Slip, _evidence: Evidence, times: Times) -> Iterator[Finding]:
    ended = slip.not_after is not None and slip.not_after < times.now
    for trouble in slip.troubles:
        make = _warning if ended else _error
        text = f"The certificate does not pass: {trouble}."
        yield make("certificate.lint", slip.serial, text, "Find out which release issued it; revoke it if it is wrong.")
    if len(slip.places) > 1:
        text = f"The store has this serial number in {len(slip.places)} journeys."
        yield _error("serial.twice", slip.serial, text, _TAMPERED)


def _intended(slip: Slip, _evidence: Evidence, _times: Times) -> Iterator[Finding]:
    if slip.intended is None or slip.issued is not None or slip.about.startswith(OWN):
        return
    if slip.state == "issuing":
        text = "It was about to be signed and its journey stands still."
        yield _warning("issuance.stuck", slip.serial, text, f"Look for journey {slip.about} in the service's log.")
    elif slip.state is None:
        text = "It was about to be signed; it is neither stored nor revoked, and may have been signed."
        yield _error("signature.unaccounted", slip.serial, text, _RESTORE)


def _issued(slip: Slip, evidence: Evidence, _times: Times) -> Iterator[Finding]:
    if slip.issued is not None and slip.intended is None and not _archived(slip, evidence):
        text = "It was signed without being on record before."
        yield _error("ledger.no_intent", slip.serial, text, _TAMPERED)
    if slip.issued is not None and slip.intended not in (None, slip.issued):
        text = "What was signed is not what was intended."
        yield _error("ledger.other_bytes", slip.serial, text, _TAMPERED)
    if slip.issued is not None and slip.state in (None, "issuing") and not slip.about.startswith(OWN):
        text = "It is on record as issued, but the store does not have it: OCSP answers «unknown»."
        yield _error("store.certificate_missing", slip.serial, text, _RESTORE)
    if slip.stored is not None and slip.certificates and slip.stored not in slip.certificates:
        text = "The stored certificate is not the one on record."
        yield _error("store.other_certificate", slip.serial, text, _TAMPERED)
    if slip.stored is not None and not slip.certificates and not _archived(slip, evidence):
        text = "The store has it, but no issuance is on record."
        advice = "If it was issued before there was a ledger, all is well; else: " + _TAMPERED
        make = _warning if _before_ledger(slip, evidence) else _error
        yield make("ledger.certificate_missing", slip.serial, text, advice)


def _revoked(slip: Slip, evidence: Evidence, times: Times) -> Iterator[Finding]:
    recorded, stored = slip.revoked, slip.stored_revoked
    if recorded is not None and stored is None and slip.state is not None:
        text = f"Its revocation at {recorded.at:%Y-%m-%d %H:%M:%S} UTC is on record, but the store holds it for good."
        yield _error("store.revocation_missing", slip.serial, text, _RESTORE)
    elif recorded is not None and stored not in (None, recorded):
        text = "The store and the ledger disagree when or why it was revoked."
        yield _error("store.other_revocation", slip.serial, text, _TAMPERED)
    elif stored is not None and recorded is None and not _archived(slip, evidence):
        make = _warning if _before_ledger(slip, evidence) else _error
        text = "It is revoked, but no revocation is on record."
        yield make("ledger.revocation_missing", slip.serial, text, "Look for `timer.failed` in the service's log.")
    yield from _listed(slip, times)


def _listed(slip: Slip, times: Times) -> Iterator[Finding]:
    stored, ended = slip.stored_revoked, slip.not_after is not None and slip.not_after < times.now
    if stored is not None and slip.listed is None and not ended and stored.at <= times.settled:
        text = "It is revoked, but stands on no revocation list."
        yield _error("list.revocation_missing", slip.serial, text, "Look for `timer.failed` in the service's log.")
    if slip.listed is not None and slip.listed != stored and slip.listed.at <= times.settled:
        text = "It stands on a revocation list, but the store has it as good, or revoked at another time."
        yield _error("store.listed_only", slip.serial, text, _RESTORE)


def _answered(slip: Slip, _evidence: Evidence, _times: Times) -> Iterator[Finding]:
    if slip.answer is None or slip.answer.revoked == slip.stored_revoked:
        return
    if slip.answer.revoked is None:
        text = "It is revoked, but OCSP answers «good»."
        yield _error("status.revocation_missing", slip.serial, text, "Look for `timer.failed` in the service's log.")
    else:
        text = "OCSP answers «revoked», but the store has it as good, or revoked at another time or for another reason."
        yield _error("status.other_revocation", slip.serial, text, _TAMPERED)


def _reserved(slip: Slip, _evidence: Evidence, _times: Times) -> Iterator[Finding]:
    if slip.state is not None and slip.owner not in slip.places:
        text = "Its serial number is not reserved for its journey: OCSP answers «unknown», and it could be given again."
        yield _error("serial.not_reserved", slip.serial, text, _RESTORE)


def _told(slip: Slip, evidence: Evidence, times: Times) -> Iterator[Finding]:
    if not evidence.topics or slip.about.startswith(OWN):
        return
    if slip.told is not None and slip.state in (None, "issuing"):
        text = "`cert.issued` was told, but the store does not have it: OCSP answers «unknown»."
        yield _error("topic.certificate_only", slip.serial, text, _RESTORE)
    issued = slip.not_before if slip.state == "issued" else None
    if slip.told is None and _would_stand(issued, evidence.issued_since, times):
        yield _error("topic.certificate_missing", slip.serial, "`cert.issued` was not told.", _RESTORE)
    if slip.told_revoked is not None and slip.stored_revoked is None:
        text = "`cert.revoked` was told, but the store holds it for good."
        yield _error("topic.revocation_only", slip.serial, text, _RESTORE)
    revoked = None if slip.stored_revoked is None else slip.stored_revoked.at
    if slip.told_revoked is None and _would_stand(revoked, evidence.revoked_since, times):
        yield _error("topic.revocation_missing", slip.serial, "`cert.revoked` was not told.", _RESTORE)


def _would_stand(at: datetime | None, since: datetime | None, times: Times) -> bool:
    """Whether a fact of that time has to stand on a topic whose oldest fact is of ``since``."""
    return at is not None and since is not None and at >= max(since, times.now - TOLD_WITHIN)


def _topics(evidence: Evidence, tally: Tally) -> Iterator[Finding]:
    """Tell how far back the topics go, where that is less than they should."""
    if evidence.topics and tally.untold:
        since = (
            "holds nothing" if evidence.issued_since is None else f"begins at {evidence.issued_since:%Y-%m-%d %H:%M}"
        )
        text = f"It {since}: {tally.untold} certificates of the last weeks cannot be compared with it."
        yield _warning("topic.short", CertIssued.topic, text, "Ask whoever runs the broker how the topic was lost.")


def _archived(slip: Slip, evidence: Evidence) -> bool:
    """Whether its acts may be in an archive: the ledger's beginning was cut off after it was issued."""
    began = evidence.began_at
    return evidence.begins != GENESIS and (began is None or slip.not_before is None or slip.not_before < began)


def _before_ledger(slip: Slip, evidence: Evidence) -> bool:
    """Whether it was issued before anything was on record."""
    began = evidence.began_at
    return began is None or (slip.not_before is not None and slip.not_before < began.replace(microsecond=0))


_Rule = Callable[[Slip, Evidence, Times], Iterator[Finding]]
_BY_ITSELF: Final[tuple[_Rule, ...]] = (_sound,)
_COMPARED: Final[tuple[_Rule, ...]] = (_intended, _issued, _revoked, _answered, _reserved, _told)
