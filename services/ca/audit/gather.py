"""Collecting the evidence for the check: from the store first, then the ledger, then the topics.

In this order because the service writes the other way round: what is stored was on record before, and what is
published was stored before. So nothing that happens meanwhile seems missing.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiokafka import ConsumerRecord
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import ValidationError

from libs.common.contracts.ca import CertIssued, CertRevoked, LedgerCheckpointed
from libs.common.contracts.events import Event, MalformedMessage, Meta, decode, read_meta
from libs.common.core.kafka_access import KafkaAccess
from libs.common.core.sealing import KeyNotHere, Keyring, SealError
from libs.common.delivery.aggregates import Aggregates
from libs.common.delivery.topic_reader import everything
from libs.common.pki.der import serial_text
from libs.common.storage.chain import ChainStore, Head
from libs.common.storage.records import Records
from libs.common.storage.reservations import Reservations
from services.ca.audit.evidence import AuditEvidence, Contradicted, ServedEdition
from services.ca.audit.relint import troubles
from services.ca.audit.serial_records import Revocation, SerialRecord, StatusAnswer
from services.ca.authority.hierarchy import ROOT, Hierarchy
from services.ca.authority.issuers import PublicKey, usable_key
from services.ca.crl.publishing import assembled
from services.ca.crl.shards import Shard
from services.ca.enrolment.states import Certified, EnrolmentState, Issued, Issuing, Retired
from services.ca.issuance.steps import Intent
from services.ca.ledger.acts import Checkpointed, ConfigurationChanged
from services.ca.ledger.chain import ChainLedger
from services.ca.ledger.recording import certificate
from services.ca.ledger.stamps import StampRefused, verify_checkpoint
from services.ca.model.certificate import Certificate, IntentRecord, RecordedCertificate
from services.ca.model.ids import CertificateId, ShardId
from services.ca.model.profiles import PROFILES
from services.ca.model.status import RevokedStatus
from services.ca.status.records import Statuses

PAGE: Final = 500
ROOT_PLACE: Final = "list/root"
UNREADABLE: Final = (ValidationError, SealError, KeyNotHere)


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the evidence comes from."""

    enrolments: Aggregates[EnrolmentState]
    lists: Aggregates[Shard]
    pages: Records
    statuses: Statuses
    book: Reservations
    chain: ChainStore
    ledger: ChainLedger
    hierarchy: Hierarchy
    root_list: Path
    keyring: Keyring


async def gather(sources: Sources, witnesses: Iterable[tuple[str, Checkpointed]], base_url: str) -> AuditEvidence:
    """Collect what store and ledger say.

    Args:
        witnesses: checkpoints kept elsewhere, with where that is.
    """
    evidence = AuditEvidence(base_urls={base_url}, pending=list(witnesses))
    evidence.begins = evidence.head = await sources.chain.start()
    await _addresses(evidence, sources)
    await _stored(evidence, sources)
    async for key, shard in sources.lists.all():
        der = None if shard.issue is None else await assembled(sources.pages, shard.issue)
        missing = "is missing: none was ever signed" if shard.issue is None else "lacks some of its pages"
        issuer = sources.hierarchy.generation(ShardId.parse(key).issuer).issuer
        _listed(evidence, f"list/{key}", der, missing, issuer.public_key)
    _own_revocations(evidence, sources)
    await _recorded(evidence, sources)
    records = list(evidence.records)
    for start in range(0, len(records), PAGE):
        batch = records[start : start + PAGE]
        await _reserved(evidence, batch, sources.book)
        await _answered(evidence, batch, sources.statuses)
    return evidence


async def _addresses(evidence: AuditEvidence, sources: Sources) -> None:
    """Learn from the ledger where the authority was published before: its terms, from the last change to the first."""
    entry = await sources.chain.last("configuration.changed")
    while entry is not None:
        try:
            act = sources.ledger.read(entry)
        except UNREADABLE:
            return  # reported when the ledger is followed
        if not isinstance(act, ConfigurationChanged):
            return
        evidence.base_urls |= {each.base_url for each in (act.before, act.after) if each is not None}
        earlier = await sources.chain.read(act.follows - 1, 1) if 0 < act.follows < entry.position else ()
        entry = earlier[0] if earlier else None


async def _stored(evidence: AuditEvidence, sources: Sources) -> None:
    async for journey_id, state in sources.enrolments.all():
        evidence.enrolments += 1
        match state:
            case Certified():
                for number, each in enumerate(state.certificates):
                    _stored_one(evidence, journey_id, state, each)
                    if isinstance(state, Issued) and isinstance(each, Certificate):
                        _linted_again(evidence, state, number, each, sources.hierarchy)
            case Issuing():
                for intent in state.intents:
                    _pending(evidence, journey_id, intent.value)
            case _:
                pass


def _pending(evidence: AuditEvidence, journey_id: str, intended: IntentRecord) -> None:
    intent = Intent.model_validate_json(intended.intent)
    record = evidence.record(intent.serial_number)
    record.state, record.places, record.where = "issuing", (*record.places, journey_id), journey_id
    record.touch(intent.not_before + PROFILES[intent.profile].backdated)


def _stored_one(evidence: AuditEvidence, journey_id: str, state: Certified, each: RecordedCertificate) -> None:
    record = evidence.record(each.serial)
    record.state = "retired" if isinstance(state, Retired) else "issued" if isinstance(state, Issued) else "void"
    record.places, record.where, record.issuer = (*record.places, journey_id), journey_id, each.issuer
    record.issued_at, record.not_after = each.issued_at, each.not_after
    record.touch(each.issued_at)
    if each.revoked_at is not None:
        record.stored_revoked = Revocation.of(each.revoked_at, each.revoked_for)
        record.touch(each.revoked_at)


def _linted_again(
    evidence: AuditEvidence, state: Issued, number: int, stored: Certificate, hierarchy: Hierarchy
) -> None:
    record = evidence.record(stored.serial)
    try:
        signed = certificate(stored)
    except ValueError:
        record.troubles += ("it does not read as a certificate",)
        return
    record.stored = hashlib.sha256(signed.public_bytes(Encoding.DER)).hexdigest()
    if state.facts.person is not None and state.facts.person.readable:
        issuer, urls = hierarchy.generation(stored.issuer).issuer, evidence.base_urls
        record.troubles += tuple(
            troubles(stored, signed, state.requests[number], state.facts, issuer=issuer, base_urls=urls)
        )


def _own_revocations(evidence: AuditEvidence, sources: Sources) -> None:
    """Learn which of the operator's own certificates are revoked, and which of them the root's list has."""
    for each in sources.hierarchy.revoked:
        record = evidence.record(each.serial)
        record.stored_revoked = Revocation.of(each.revoked_at, each.revoked_for)
        record.not_after, record.issuer = each.not_after, "" if each.issuer == ROOT else each.issuer
        record.touch(each.revoked_at)
    der = None
    with suppress(OSError, ValueError):  # reported as a missing list
        der = x509.load_pem_x509_crl(sources.root_list.read_bytes()).public_bytes(Encoding.DER)
    key = usable_key(sources.hierarchy.root.public_key())
    _listed(evidence, ROOT_PLACE, der, "is missing or damaged", key)


def _listed(evidence: AuditEvidence, place: str, der: bytes | None, missing: str, key: PublicKey) -> None:
    if der is None:
        evidence.lists.append(ServedEdition(place, trouble=missing))
        return
    try:
        crl = x509.load_der_x509_crl(der)
        number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except (ValueError, x509.ExtensionNotFound):
        evidence.lists.append(ServedEdition(place, trouble="does not read as a revocation list"))
        return
    sound = crl.is_signature_valid(key)
    trouble = None if sound else "does not bear the authority's signature"
    sha256 = hashlib.sha256(der).hexdigest()
    evidence.lists.append(ServedEdition(place, number, sha256, crl.next_update_utc, trouble))
    for each in crl:
        evidence.record(serial_text(each.serial_number)).listed = Revocation(each.revocation_date_utc, _reason(each))


def _reason(revoked: x509.RevokedCertificate) -> str:
    try:
        reason = revoked.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except x509.ExtensionNotFound:
        return "unspecified"
    # The root's list has a word of its own for an authority's stolen key.
    return str((x509.ReasonFlags.key_compromise if reason is x509.ReasonFlags.ca_compromise else reason).value)


async def _recorded(evidence: AuditEvidence, sources: Sources) -> None:
    after = evidence.begins.position
    while page := await sources.chain.read(after, PAGE):
        evidence.follow(page)
        for entry in page:
            try:
                evidence.take(entry, sources.ledger.read(entry))
            except UNREADABLE:
                evidence.unreadable.append(entry.position)
        after = page[-1].position
        await _hold_against(evidence, sources)
    await _hold_against(evidence, sources)


async def _hold_against(evidence: AuditEvidence, sources: Sources) -> None:
    """Hold checkpoints against what the ledger has at their positions."""
    for source, checkpoint in evidence.pending:
        evidence.checkpoints += 1
        try:
            stamp = verify_checkpoint(checkpoint, sources.hierarchy.trust)
        except StampRefused as refusal:
            evidence.invalid.append((source, str(refusal)))
            continue
        known = checkpoint.position >= evidence.begins.position
        if not known or (await sources.ledger.at(checkpoint.position)) == Head(checkpoint.position, checkpoint.hash):
            continue
        if sources.hierarchy.was_revoked(stamp.certificate, stamp.time):  # whoever stole the key may have made it up
            evidence.invalid.append((source, "the time-stamp authority was revoked by then"))
        else:
            evidence.contradicted.append(Contradicted(source, checkpoint.position, stamp.time))
    evidence.pending.clear()
    await asyncio.sleep(0)


async def _reserved(evidence: AuditEvidence, batch: Sequence[SerialRecord], book: Reservations) -> None:
    for serial, owner in (await book.owners_of("serial", [each.serial for each in batch])).items():
        evidence.record(serial).owner = owner


async def _answered(evidence: AuditEvidence, batch: Sequence[SerialRecord], statuses: Statuses) -> None:
    """Learn from which status OCSP would answer. A record that is missing is made good when it is asked for."""
    stored = [CertificateId(each.issuer, each.serial) for each in batch if each.issuer]
    for certificate_id, status in (await statuses.find(stored)).items():
        revoked = Revocation.of(status.at, status.reason) if isinstance(status, RevokedStatus) else None
        evidence.record(certificate_id.serial).answer = StatusAnswer(revoked)


async def read_topics(evidence: AuditEvidence, facts: AsyncIterator[tuple[Event, Meta]]) -> None:
    """Collect what the topics hold, as `published_facts` returns it."""
    evidence.topics = True
    async for event, meta in facts:
        if not isinstance(event, CertIssued | CertRevoked):
            continue
        record = evidence.record(event.serial)
        record.subject = meta.subject
        record.touch(meta.time)
        if isinstance(event, CertIssued):
            record.published = meta.time
            evidence.issued_since = min(evidence.issued_since or meta.time, meta.time)
        else:
            evidence.revoked_since = min(evidence.revoked_since or meta.time, meta.time)
            record.published_revoked = Revocation.of(event.revoked_at, event.reason)


async def published_facts(access: KafkaAccess, keyring: Keyring) -> AsyncIterator[tuple[Event, Meta]]:
    """Return what the topics hold of certificates; malformed records are passed over, as subscribers do."""
    kinds: dict[str, type[Event]] = {CertIssued.topic: CertIssued, CertRevoked.topic: CertRevoked}
    async for record in everything(access, *kinds):
        read = _event(kinds[record.topic], record, keyring)
        if read is not None:
            yield read


async def witnesses(access: KafkaAccess, keyring: Keyring) -> list[tuple[str, Checkpointed]]:
    """Return the checkpoints that were published."""
    found: list[tuple[str, Checkpointed]] = []
    async for record in everything(access, LedgerCheckpointed.topic):
        read = _event(LedgerCheckpointed, record, keyring)
        if read is not None and isinstance(read[0], LedgerCheckpointed):
            checkpoint = Checkpointed.model_validate(read[0].model_dump())
            found.append((f"{record.topic}/{record.partition}/{record.offset}", checkpoint))
    return found


def _event(kind: type[Event], record: ConsumerRecord[bytes, bytes], keyring: Keyring) -> tuple[Event, Meta] | None:
    try:
        meta = read_meta(record.headers, record.key)
        if meta.type != kind.type() or meta.source != "ca":
            return None
        return decode(kind, meta, record.value or b"", keyring), meta
    except (MalformedMessage, KeyNotHere):
        return None
