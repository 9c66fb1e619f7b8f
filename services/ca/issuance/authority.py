"""The issuing authority at work: makes orders and intents, and signs what is on record.

The only place where the issuing keys are used while the service runs.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key

from libs.common.contracts.ca import CertificateText
from libs.common.core.model import evolve
from libs.common.core.sealing import Sealed
from services.ca.authority.hierarchy import Hierarchy
from services.ca.authority.issuers import Issuer, PrivateKey, PublicKey, usable_key
from services.ca.issuance.lint import LintError, lint
from services.ca.issuance.orders import Order
from services.ca.issuance.steps import Intent, prepare, resume
from services.ca.model.certificate import Certificate, IntentRecord, RecordedCertificate, RequestedKey
from services.ca.model.ids import SERIAL_OCTETS, Entropy, serial_number
from services.ca.model.profiles import PROFILES, Publication
from services.ca.model.subject import Holder


@dataclass(frozen=True, slots=True)
class IssuingAuthority:
    """Signs what was looked at and recorded, and nothing else.

    Attributes:
        keys: by the label of the issuing authority, of all that have not ended.
        shards: into how many revocation lists each spreads its certificates.
    """

    hierarchy: Hierarchy
    publication: Publication
    keys: Mapping[str, PrivateKey]
    shards: int
    entropy: Entropy = secrets.token_bytes

    def order(self, request: RequestedKey, holder: Holder, now: datetime) -> Order:
        """Return what one certificate shall say: the holder as the facts name it, a fresh serial number, a list.

        Raises:
            ValueError: the holder is not of the kind that the profile names.
        """
        profile = PROFILES[request.profile]
        return Order(
            profile=profile,
            holder=holder,
            public_key=_public_key(request),
            serial_number=serial_number(self.entropy(SERIAL_OCTETS)),
            not_before=profile.not_before(now),
            crl_shard=self.entropy(1)[0] % self.shards,
        )

    def intend(self, order: Order) -> Intent:
        """Write and lint what will be signed for an order. No key is used.

        Raises:
            HierarchyError: no issuing authority for such keys lives long enough.
            LintError: what would be signed breaks the profile.
        """
        issuer = self.hierarchy.issuing_for(order.public_key, order.not_before, order.not_after).issuer
        tbs = prepare(order, issuer, self.publication)
        return Intent.of(order, lint(tbs, order, issuer, self.publication), self.publication)

    def sign(self, record: IntentRecord, request: RequestedKey, holder: Holder) -> Certificate:
        """Sign a recorded intent, under the address of then; again after a crash, it gives the same certificate.

        Raises:
            LintError: it breaks the profile, or its authority was revoked since.
        """
        intent = Intent.model_validate_json(record.intent)
        generation = self.hierarchy.generation(intent.issuer)
        if generation.revoked is not None:
            raise LintError((f"its issuing authority «{intent.issuer}» is revoked",))
        issuer = generation.issuer
        order = intent.order(holder, _public_key(request))
        signed = resume(intent, order, issuer, intent.publication(self.publication), self.keys[issuer.label])
        text = CertificateText(pem=signed.public_bytes(Encoding.PEM).decode())
        return evolve(_numbered(intent, request, issuer), Certificate, text=Sealed(text))

    def presume(self, record: IntentRecord, request: RequestedKey) -> RecordedCertificate:
        """Return what a recorded intent stands for, whether or not it was ever signed. No key is used."""
        intent = Intent.model_validate_json(record.intent)
        return _numbered(intent, request, self.hierarchy.generation(intent.issuer).issuer)


def order_of(stored: RecordedCertificate, request: RequestedKey, holder: Holder) -> Order:
    """Return the order that a stored certificate was made from. No key is used."""
    return Order(
        profile=PROFILES[stored.profile],
        holder=holder,
        public_key=_public_key(request),
        serial_number=int(stored.serial, 16),
        not_before=stored.not_before,
        crl_shard=stored.crl_shard,
    )


def _numbered(intent: Intent, request: RequestedKey, issuer: Issuer) -> RecordedCertificate:
    return RecordedCertificate(
        serial=intent.serial_number,
        key_id=x509.SubjectKeyIdentifier.from_public_key(_public_key(request)).digest.hex(),
        issuer_key_id=issuer.key_identifier.hex(),
        profile=request.profile,
        not_before=intent.not_before,
        not_after=intent.not_after,
        crl_shard=intent.crl_shard,
        issuer=intent.issuer,
    )


def _public_key(request: RequestedKey) -> PublicKey:
    return _read_key(request.spki)


@lru_cache(maxsize=1024)
def _read_key(spki: str) -> PublicKey:
    """Read a public key; each is asked for again on its way from request to certificate."""
    return usable_key(load_der_public_key(bytes.fromhex(spki)))
