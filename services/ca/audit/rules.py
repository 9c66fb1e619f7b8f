"""The rules of the check: where ledger, store, lists and topics do not agree, and what it means. Pure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from libs.common.contracts.ca import CertIssued
from libs.common.core.model import Model
from libs.common.storage.chain import GENESIS
from services.ca.audit.evidence import AuditEvidence
from services.ca.audit.serial_records import SerialRecord
from services.ca.model.ids import OWN

KEPT_ON_TOPICS: Final = timedelta(days=29)
"""Topics keep facts for thirty days; what is older cannot be missed there."""

Severity = Literal["error", "warning"]


class AuditFinding(Model):
    """Something that is not as it must be: a stable key, what it is about, what it means, what to do."""

    key: str
    severity: Severity
    about: str
    text: str
    advice: str


class Times(Model):
    """The moment of the check. What was touched after ``settled`` may be on its way, and is not judged."""

    now: datetime
    settled: datetime


@dataclass(slots=True)
class Tally:
    """How many numbers were checked; ``lost``: issued in the last weeks, before the oldest fact on the topic."""

    serial_numbers: int = 0
    issued: int = 0
    revoked: int = 0
    lost: int = 0


def findings(evidence: AuditEvidence, times: Times, tally: Tally) -> Iterator[AuditFinding]:
    """Return everything that is not as it must be, and count what was checked."""
    yield from _chain(evidence)
    yield from _checkpoints(evidence)
    yield from _lists(evidence, times)
    for record in evidence.records:
        _count(tally, record, evidence, times)
        for rule in _BY_ITSELF:
            yield from rule(record, evidence, times)
        if record.touched <= times.settled:
            for rule in _COMPARED:
                yield from rule(record, evidence, times)
    yield from _topics(evidence, tally)


def _count(tally: Tally, record: SerialRecord, evidence: AuditEvidence, times: Times) -> None:
    tally.serial_numbers += 1
    tally.revoked += record.stored_revoked is not None
    if record.state == "issued":
        tally.issued += 1
        since = (evidence.issued_since or times.now).replace(microsecond=0)
        tally.lost += record.issued_at is not None and times.now - KEPT_ON_TOPICS < record.issued_at < since


def _error(key: str, about: str, text: str, advice: str) -> AuditFinding:
    return AuditFinding(key=key, severity="error", about=about, text=text, advice=advice)


def _warning(key: str, about: str, text: str, advice: str) -> AuditFinding:
    return AuditFinding(key=key, severity="warning", about=about, text=text, advice=advice)


_TAMPERED: Final = "Stop issuing, keep the database as it is, and compare with the newest export and archive."
_KEYS: Final = f"Check CA_SEALING; if all keys are there: {_TAMPERED}"
_TIMER_FAILED: Final = "Search for `timer.failed` in the service's log."
_RESTORE: Final = "Run `python -m services.ca.tools.restore` with the newest export of the ledger (docs/operations.md)."


def _chain(evidence: AuditEvidence) -> Iterator[AuditFinding]:
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


def _checkpoints(evidence: AuditEvidence) -> Iterator[AuditFinding]:
    for source, why in evidence.invalid:
        yield _error("checkpoint.invalid", source, f"The checkpoint's time-stamp is not good: {why}.", _TAMPERED)
    for each in evidence.contradicted:
        about = f"checkpoint {each.position} ({each.source})"
        if any(each.at <= restored.at and each.position > restored.head for restored in evidence.restored):
            text = "The entries it covered were lost when an older backup was restored, and put back from the topics."
            yield _warning("ledger.lost_in_restore", about, text, "Keep exports, so that the next restore is whole.")
        elif each.position > evidence.head.position:
            text = f"The ledger ends at {evidence.head.position}: entries that a checkpoint covers are missing."
            yield _error("ledger.shortened", about, text, _RESTORE)
        else:
            text = "The ledger holds another entry there than the one that the checkpoint covers: it was written anew."
            yield _error("ledger.rewritten", about, text, _TAMPERED)


def _lists(evidence: AuditEvidence, times: Times) -> Iterator[AuditFinding]:
    for each in evidence.lists:
        recorded = evidence.recorded_lists.get(each.place, {})
        if each.trouble is not None:
            yield _error("list.invalid", each.place, f"The served edition {each.trouble}.", _TAMPERED)
            continue
        if each.next_update is not None and each.next_update < times.now:
            text = f"Edition {each.number} ended at {each.next_update:%Y-%m-%d %H:%M} UTC."
            advice = "Search for `timer.failed` in the service's log; the root's is renewed by a key ceremony."
            yield _error("list.expired", each.place, text, advice)
        if each.number in recorded and recorded[each.number] not in (None, each.sha256):
            text = f"Edition {each.number} is not the one on record under this number."
            yield _error("list.not_recorded", each.place, text, _TAMPERED)
        newest = max(recorded, default=0)
        if newest > each.number:
            text = f"Edition {each.number} is served, but {newest} was signed before: the list counts backwards."
            yield _error("list.backwards", each.place, text, _RESTORE)


def _sound(record: SerialRecord, _evidence: AuditEvidence, times: Times) -> Iterator[AuditFinding]:
    ended = record.not_after is not None and record.not_after < times.now
    for trouble in record.troubles:
        make = _warning if ended else _error
        text = f"The certificate does not pass: {trouble}."
        yield make(
            "certificate.lint", record.serial, text, "Find out which release issued it; revoke it if it is wrong."
        )
    if len(record.places) > 1:
        text = f"The store has this serial number in {len(record.places)} journeys."
        yield _error("serial.twice", record.serial, text, _TAMPERED)


def _intended(record: SerialRecord, _evidence: AuditEvidence, _times: Times) -> Iterator[AuditFinding]:
    if record.intended is None or record.issued is not None or record.about.startswith(OWN):
        return
    if record.state == "issuing":
        text = "It was about to be signed and its journey stands still."
        yield _warning("issuance.stuck", record.serial, text, f"Read the log of journey {record.about}.")
    elif record.state is None:
        text = "It was about to be signed; it is neither stored nor revoked, and may have been signed."
        yield _error("signature.unaccounted", record.serial, text, _RESTORE)


def _issued(record: SerialRecord, evidence: AuditEvidence, _times: Times) -> Iterator[AuditFinding]:
    if record.issued is not None and record.intended is None and not _archived(record, evidence):
        text = "It was signed without being on record before."
        yield _error("ledger.no_intent", record.serial, text, _TAMPERED)
    if record.issued is not None and record.intended not in (None, record.issued):
        text = "What was signed is not what was intended."
        yield _error("ledger.other_bytes", record.serial, text, _TAMPERED)
    if record.issued is not None and record.state in (None, "issuing") and not record.about.startswith(OWN):
        text = "It is on record as issued, but the store does not have it: OCSP answers «unknown»."
        yield _error("store.certificate_missing", record.serial, text, _RESTORE)
    if record.stored is not None and record.certificates and record.stored not in record.certificates:
        text = "The stored certificate is not the one on record."
        yield _error("store.other_certificate", record.serial, text, _TAMPERED)
    if record.stored is not None and not record.certificates and not _archived(record, evidence):
        text = "The store has it, but no issuance is on record."
        advice = "If it was issued before there was a ledger, all is well; else: " + _TAMPERED
        make = _warning if _before_ledger(record, evidence) else _error
        yield make("ledger.certificate_missing", record.serial, text, advice)


def _revoked(record: SerialRecord, evidence: AuditEvidence, times: Times) -> Iterator[AuditFinding]:
    recorded, stored = record.revoked, record.stored_revoked
    if recorded is not None and stored is None and record.state is not None:
        text = f"Its revocation at {recorded.at:%Y-%m-%d %H:%M:%S} UTC is on record, but the store holds it for good."
        yield _error("store.revocation_missing", record.serial, text, _RESTORE)
    elif recorded is not None and stored not in (None, recorded):
        text = "The store and the ledger disagree when or why it was revoked."
        yield _error("store.other_revocation", record.serial, text, _TAMPERED)
    elif stored is not None and recorded is None and not _archived(record, evidence):
        make = _warning if _before_ledger(record, evidence) else _error
        text = "It is revoked, but no revocation is on record."
        yield make("ledger.revocation_missing", record.serial, text, _TIMER_FAILED)
    yield from _listed(record, times)


def _listed(record: SerialRecord, times: Times) -> Iterator[AuditFinding]:
    stored, ended = record.stored_revoked, record.not_after is not None and record.not_after < times.now
    if stored is not None and record.listed is None and not ended and stored.at <= times.settled:
        text = "It is revoked, but stands on no revocation list."
        yield _error("list.revocation_missing", record.serial, text, _TIMER_FAILED)
    if record.listed is not None and record.listed != stored and record.listed.at <= times.settled:
        text = "It stands on a revocation list, but the store has it as good, or revoked at another time."
        yield _error("store.listed_only", record.serial, text, _RESTORE)


def _answered(record: SerialRecord, _evidence: AuditEvidence, _times: Times) -> Iterator[AuditFinding]:
    if record.answer is None or record.answer.revoked == record.stored_revoked:
        return
    if record.answer.revoked is None:
        text = "It is revoked, but OCSP answers «good»."
        yield _error("status.revocation_missing", record.serial, text, _TIMER_FAILED)
    else:
        text = "OCSP answers «revoked», but the store has it as good, or revoked at another time or for another reason."
        yield _error("status.other_revocation", record.serial, text, _TAMPERED)


def _reserved(record: SerialRecord, _evidence: AuditEvidence, _times: Times) -> Iterator[AuditFinding]:
    if record.state is not None and record.owner not in record.places:
        text = "Its serial number is not reserved for its journey: OCSP answers «unknown», and it could be given again."
        yield _error("serial.not_reserved", record.serial, text, _RESTORE)


def _published(record: SerialRecord, evidence: AuditEvidence, times: Times) -> Iterator[AuditFinding]:
    if not evidence.topics or record.about.startswith(OWN):
        return
    if record.published is not None and record.state in (None, "issuing"):
        text = "`cert.issued` was published, but the store does not have it: OCSP answers «unknown»."
        yield _error("topic.certificate_only", record.serial, text, _RESTORE)
    issued = record.issued_at if record.state == "issued" else None
    if record.published is None and _would_stand(issued, evidence.issued_since, times):
        yield _error("topic.certificate_missing", record.serial, "`cert.issued` was not published.", _RESTORE)
    if record.published_revoked is not None and record.stored_revoked is None:
        text = "`cert.revoked` was published, but the store holds it for good."
        yield _error("topic.revocation_only", record.serial, text, _RESTORE)
    revoked = None if record.stored_revoked is None else record.stored_revoked.at
    if record.published_revoked is None and _would_stand(revoked, evidence.revoked_since, times):
        yield _error("topic.revocation_missing", record.serial, "`cert.revoked` was not published.", _RESTORE)


def _would_stand(at: datetime | None, since: datetime | None, times: Times) -> bool:
    """Whether a fact of that time has to stand on a topic whose oldest fact is of ``since``."""
    return at is not None and since is not None and at >= max(since, times.now - KEPT_ON_TOPICS)


def _topics(evidence: AuditEvidence, tally: Tally) -> Iterator[AuditFinding]:
    """Report topics that go back less far than they should."""
    if evidence.topics and tally.lost:
        since = (
            "holds nothing" if evidence.issued_since is None else f"begins at {evidence.issued_since:%Y-%m-%d %H:%M}"
        )
        text = f"It {since}: {tally.lost} certificates of the last weeks cannot be compared with it."
        yield _warning("topic.short", CertIssued.topic, text, "Ask whoever runs the broker how the topic was lost.")


def _archived(record: SerialRecord, evidence: AuditEvidence) -> bool:
    """Whether its acts may be in an archive: the ledger's beginning was cut off after it was issued."""
    began = evidence.began_at
    return evidence.begins != GENESIS and (began is None or record.issued_at is None or record.issued_at < began)


def _before_ledger(record: SerialRecord, evidence: AuditEvidence) -> bool:
    """Whether it was issued before anything was on record."""
    began = evidence.began_at
    return began is None or (record.issued_at is not None and record.issued_at < began.replace(microsecond=0))


_Rule = Callable[[SerialRecord, AuditEvidence, Times], Iterator[AuditFinding]]
_BY_ITSELF: Final[tuple[_Rule, ...]] = (_sound,)
_COMPARED: Final[tuple[_Rule, ...]] = (_intended, _issued, _revoked, _answered, _reserved, _published)
