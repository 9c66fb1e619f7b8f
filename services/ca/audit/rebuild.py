"""Collecting what ledger and topics have of one journey's certificates."""

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from libs.common.contracts.ca import CertIssued, CertRevoked
from libs.common.contracts.events import Event
from libs.common.pki.der import serial_text
from libs.common.storage.chain import Entry
from services.ca.audit.gather import UNREADABLE
from services.ca.audit.recovery import Found, profile_of, unsigned, with_signature
from services.ca.authority.hierarchy import Hierarchy, HierarchyError
from services.ca.issuance.steps import Intent
from services.ca.ledger.acts import Act, CertificateIntended, CertificateIssued, CertificatePutBack, CertificateRevoked
from services.ca.ledger.chain import ChainLedger
from services.ca.model.certificate import reason_of

_SHARD: Final = re.compile(r"/(\d+)\.crl$")


def collect(
    ledger: ChainLedger, hierarchy: Hierarchy, entries: Iterable[Entry], events: Iterable[Event]
) -> dict[str, Found]:
    """Collect what ledger and topics have of the serial numbers of one journey."""
    found: dict[str, Found] = {}
    for entry in entries:
        with suppress(*UNREADABLE):  # the check reports it
            _take(found, ledger.read(entry), hierarchy)
    for event in events:
        if isinstance(event, CertIssued) and (read := _issued(event, hierarchy)) is not None:
            found.setdefault(event.serial, read)
    for event in events:
        if isinstance(event, CertRevoked) and event.serial in found and found[event.serial].revoked is None:
            revoked = (event.revoked_at, reason_of(event.reason))
            found[event.serial] = replace(found[event.serial], revoked=revoked)
    return found


def _take(found: dict[str, Found], act: Act, hierarchy: Hierarchy) -> None:
    match act:
        case CertificateIntended() if (intended := _intended(act)) is not None:
            found[act.serial] = intended
        case CertificateIssued() if act.serial in found:
            half = found[act.serial]
            tbs = x509.load_der_x509_certificate(half.der).tbs_certificate_bytes
            der = with_signature(tbs, bytes.fromhex(act.signature))
            found[act.serial] = replace(half, der=der, signed=True)
        case CertificatePutBack() if (read := _issued(act, hierarchy)) is not None:
            found.setdefault(act.serial, read)
        case CertificateRevoked() if act.serial in found:
            revoked = (act.after.at, reason_of(act.after.reason))
            found[act.serial] = replace(found[act.serial], revoked=revoked)
        case _:
            pass


def _intended(act: CertificateIntended) -> Found | None:
    profile = profile_of(act.profile)
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
    )


def _issued(fact: CertIssued | CertificatePutBack, hierarchy: Hierarchy) -> Found | None:
    """Read what a topic has, or had; events of before certificates travelled along cannot bring one back."""
    text = fact.text if isinstance(fact, CertificatePutBack) else fact.certificate
    profile = profile_of(fact.profile)
    if text is None or not text.readable or profile is None:
        return None
    try:
        signed = x509.load_pem_x509_certificate(text.value.pem.encode())
        issuer = hierarchy.above(signed).label
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
    )


def _shard(signed: x509.Certificate) -> int:
    """Read from the certificate which shard of the revocation list it points to."""
    points = signed.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    names = [str(name.value) for point in points for name in point.full_name or ()]
    found = next(filter(None, map(_SHARD.search, names)), None)
    return int(found.group(1)) if found else 0
