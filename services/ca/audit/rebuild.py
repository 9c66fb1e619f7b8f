"""Putting together what ledger and topics have of one journey's certificates."""

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from libs.common.contracts.ca import CertIssued, CertRevoked, EntityRole
from libs.common.contracts.events import Event
from libs.common.core.sealing import Keyring, Sealed
from libs.common.pki.der import serial_text
from libs.common.storage.chain import Entry
from services.ca.audit.gather import UNREADABLE
from services.ca.audit.recovery import Found, profile_of, unsigned, with_signature
from services.ca.authority.hierarchy import Hierarchy, HierarchyError
from services.ca.issuance.steps import Intent
from services.ca.ledger.acts import Act, CertificateIntended, CertificateIssued, CertificatePutBack, CertificateRevoked
from services.ca.ledger.chain import ChainLedger
from services.ca.model.certificate import reason_of
from services.ca.model.entities import LegalEntity, Mandate

_PUT_BACK: Final = "put back from cert.issued"
"""The basis of a mandate whose confirmation was lost with the ledger."""
_SHARD: Final = re.compile(r"/(\d+)\.crl$")


def collect(
    ledger: ChainLedger, hierarchy: Hierarchy, keyring: Keyring, entries: Iterable[Entry], events: Iterable[Event]
) -> dict[str, Found]:
    """Put together what ledger and topics have of the serial numbers of one journey, or of one mandate."""
    found: dict[str, Found] = {}
    for entry in entries:
        with suppress(*UNREADABLE):  # the check reports it
            _take(found, ledger.read(entry), hierarchy, keyring)
    for event in events:
        if isinstance(event, CertIssued) and (read := _issued(event, hierarchy, keyring)) is not None:
            found.setdefault(event.serial, read)
    for event in events:
        if isinstance(event, CertRevoked) and event.serial in found and found[event.serial].revoked is None:
            revoked = (event.revoked_at, reason_of(event.reason))
            found[event.serial] = replace(found[event.serial], revoked=revoked)
    return found


def _take(found: dict[str, Found], act: Act, hierarchy: Hierarchy, keyring: Keyring) -> None:
    match act:
        case CertificateIntended() if (intended := _intended(act)) is not None:
            found[act.serial] = intended
        case CertificateIssued() if act.serial in found:
            half = found[act.serial]
            tbs = x509.load_der_x509_certificate(half.der).tbs_certificate_bytes
            der = with_signature(tbs, bytes.fromhex(act.signature))
            found[act.serial] = replace(half, der=der, signed=True)
        case CertificatePutBack() if (read := _issued(act, hierarchy, keyring)) is not None:
            found.setdefault(act.serial, read)
        case CertificateRevoked() if act.serial in found:
            revoked = (act.after.at, reason_of(act.after.reason))
            found[act.serial] = replace(found[act.serial], revoked=revoked)
        case _:
            pass


def _intended(act: CertificateIntended) -> Found | None:
    profile = profile_of(act.profile) if act.mandate is None else "SIGN"
    intent = Intent.model_validate_json(act.record.value.intent)
    if profile is None or act.citizen_id is None:
        return None
    return Found(
        serial=act.serial,
        profile=profile,
        der=unsigned(intent.tbs),
        signed=False,
        issuer=intent.issuer,
        crl_shard=act.crl_shard,
        person=None if act.holder is None else act.holder.value,
        citizen_id=act.citizen_id,
        person_ref=act.person_ref,
        mandate=act.mandate,
    )


def _issued(fact: CertIssued | CertificatePutBack, hierarchy: Hierarchy, keyring: Keyring) -> Found | None:
    """Read what a topic has, or had; events of before certificates travelled along cannot bring one back."""
    text = fact.text if isinstance(fact, CertificatePutBack) else fact.certificate
    profile = profile_of(fact.profile)
    if text is None or not text.readable or profile is None:
        return None
    try:
        signed = x509.load_pem_x509_certificate(text.value.pem.encode())
        issuer = hierarchy.above(signed).label
        mandate = fact.mandate if isinstance(fact, CertificatePutBack) else _mandate(signed, fact.acts_for, keyring)
    except (ValueError, HierarchyError):
        return None  # whoever can write to a topic must not bring in certificates of others
    if serial_text(signed.serial_number) != fact.serial:
        return None
    return Found(
        serial=fact.serial,
        profile=profile,
        der=signed.public_bytes(Encoding.DER),
        signed=True,
        issuer=issuer,
        crl_shard=_shard(signed),
        person=fact.holder.value if fact.holder is not None and fact.holder.readable else None,
        citizen_id=fact.citizen_id,
        person_ref=fact.person_ref,
        mandate=mandate,
    )


def _mandate(signed: x509.Certificate, role: EntityRole | None, keyring: Keyring) -> Mandate | None:
    """Read for which entity a certificate was issued; by whose word, only the ledger knew. ValueError: for none."""
    if role is None:
        return None
    (name,) = signed.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    (unit,) = signed.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    entity = LegalEntity(name=str(name.value), bin=str(unit.value).removeprefix("BIN"))
    return Mandate(
        entity=Sealed(entity),
        entity_ref=keyring.blind("entity", entity.bin),
        role=role,
        basis=_PUT_BACK,
        confirmed_by="",
        confirmed_at=signed.not_valid_before_utc,
    )


def _shard(signed: x509.Certificate) -> int:
    """Read from the certificate which shard of the revocation list it points to."""
    points = signed.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    names = [str(name.value) for point in points for name in point.full_name or ()]
    found = next(filter(None, map(_SHARD.search, names)), None)
    return int(found.group(1)) if found else 0
