"""Keeps the responder's certificate: asks for it, renews it, and hands it out. See `services.ca.responder`."""

from datetime import datetime, timedelta
from typing import Final

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from libs.common.aggregates import Aggregates
from libs.common.der import serial_text
from libs.common.values import Clock
from services.ca import acts, responder
from services.ca.acts import Ledger
from services.ca.authority import IssuingAuthority
from services.ca.domain import IntentRecord
from services.ca.holders import Authority
from services.ca.issuance import Intent, prepare, resume
from services.ca.lint import lint
from services.ca.ocsp import Failure, OcspRefused, Responder
from services.ca.orders import SERIAL_OCTETS, Order, serial_number
from services.ca.ports import SerialBook
from services.ca.profiles import OCSP_RESPONDER
from services.ca.responder import ResponderState
from services.ca.status import OWN

_RELOAD_AFTER: Final = timedelta(minutes=1)
"""A renewed certificate is noticed this late; the one before is good for days yet."""
_ABOUT: Final = OWN + "ocsp"

log = structlog.get_logger()


class Responders:
    """The one certificate of the responder's key.

    Args:
        states: by issuing and responder's key, so that a new key gets a certificate of its own.
        key: the responder's; the same on every replica.
    """

    def __init__(
        self,
        states: Aggregates[ResponderState],
        *,
        book: SerialBook,
        authority: IssuingAuthority,
        ledger: Ledger,
        key: ec.EllipticCurvePrivateKey,
        clock: Clock,
    ) -> None:
        self._states = states
        self._book = book
        self._authority = authority
        self._ledger = ledger
        self._key = key
        self._clock = clock
        self.key_id: Final = x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest.hex()
        self._id: Final = f"{authority.hierarchy.issuer.key_identifier.hex()}-{self.key_id}"
        self._current: Responder | None = None
        self._reload_at: datetime | None = None

    async def start(self) -> None:
        """Reserve the operator's own serial numbers, and ask for the first certificate."""
        for label, certificate in self._authority.hierarchy.own.items():
            await self._book.take("serial", serial_text(certificate.serial_number), OWN + label)
        await self._states.apply(self._id, lambda state: responder.begin(state, self._clock()))

    async def stop(self) -> None:
        """Nothing to do: the timer is the engine's."""

    async def wake(self, key: str, now: datetime) -> None:
        """Do the next step towards a certificate. Another key's is left to whoever has that key."""
        state = await self._states.get(key) if key == self._id else None
        if state is not None and state.intent is None:
            await self._intend(now)
        elif state is not None and state.intent is not None:
            await self._sign(state.intent)

    async def current(self) -> Responder:
        """Give the responder with its certificate. OcspRefused (try later) while there is none."""
        now = self._clock()
        if self._current is None or self._reload_at is None or now >= self._reload_at:
            state = await self._states.get(self._id)
            if state is None or state.certificate is None:
                raise OcspRefused(Failure.TRY_LATER)
            certificate = x509.load_pem_x509_certificate(state.certificate.encode())
            self._current = Responder.of(self._authority.hierarchy.issuer, certificate, self._key)
            self._reload_at = now + _RELOAD_AFTER
        return self._current

    async def _intend(self, now: datetime) -> None:
        authority = self._authority
        order = Order(
            profile=OCSP_RESPONDER,
            holder=self._holder,
            public_key=self._key.public_key(),
            serial_number=serial_number(authority.entropy(SERIAL_OCTETS)),
            not_before=now.replace(microsecond=0),
        )
        issuer, publication = authority.hierarchy.issuer, authority.publication
        linted = lint(prepare(order, issuer, publication), order, issuer, publication)
        intent = Intent.of(order, linted, publication)
        await self._book.take("serial", intent.serial_number, _ABOUT)
        record = intent.model_dump_json()
        await self._states.apply(self._id, lambda state: responder.intend(state, record, now))

    async def _sign(self, record: str) -> None:
        authority, intent = self._authority, Intent.model_validate_json(record)
        order = intent.order(self._holder, self._key.public_key())
        issuer, publication = authority.hierarchy.issuer, authority.publication
        await self._ledger.record(_ABOUT, acts.intended(IntentRecord(intent=record), None))
        signed = resume(intent, order, issuer, publication, authority.key)
        await self._ledger.record(_ABOUT, acts.issued(signed))
        certificate = signed.public_bytes(Encoding.PEM).decode()
        log.info("responder.certified", serial=intent.serial_number)
        begins = intent.not_before
        await self._states.apply(self._id, lambda state: responder.renewed(state, record, certificate, begins))

    @property
    def _holder(self) -> Authority:
        (organisation,) = self._authority.hierarchy.issuing.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        return Authority(organisation=str(organisation.value), common_name="OCSP Responder")
