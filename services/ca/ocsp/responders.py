"""Keeps the responders' certificates: asks for them, renews them, and hands them out. See `states`."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from libs.common.core.values import Clock
from libs.common.delivery.aggregates import Aggregates
from libs.common.pki.der import serial_text
from libs.common.storage.reservations import Reservations
from services.ca.authority.generations import Generation
from services.ca.authority.issuers import PrivateKey
from services.ca.authority.revoked import found
from services.ca.issuance.authority import IssuingAuthority
from services.ca.issuance.lint import lint
from services.ca.issuance.orders import Order
from services.ca.issuance.steps import Intent, prepare, resume
from services.ca.ledger import recording
from services.ca.ledger.ports import Ledger
from services.ca.model.certificate import IntentRecord
from services.ca.model.ids import SERIAL_OCTETS, own, serial_number
from services.ca.model.profiles import OCSP_RESPONDER
from services.ca.model.subject import Authority
from services.ca.ocsp import states
from services.ca.ocsp.answers import Responder, cert_id_forms
from services.ca.ocsp.questions import OcspFailure, OcspQuestions, OcspRefused
from services.ca.ocsp.states import ResponderIntended, ResponderState, certificate_of

_RELOAD_AFTER: Final = timedelta(minutes=1)
"""A renewed certificate is noticed this late; the one before is good for days yet."""

log = structlog.get_logger()


class Responders:
    """A responder for each issuing authority, with a key and a certificate of its own.

    Args:
        states: by issuing and responder's key, so that a new key gets a certificate of its own.
        keys: the responders', by the label of the issuing authority; the same on every replica.
    """

    def __init__(
        self,
        states: Aggregates[ResponderState],
        *,
        book: Reservations,
        authority: IssuingAuthority,
        ledger: Ledger,
        keys: Mapping[str, PrivateKey],
        clock: Clock,
    ) -> None:
        self._book = book
        self._authority = authority
        generations = [each for each in authority.hierarchy.generations if each.label in keys]
        kept = [
            _Kept(states, book=book, authority=authority, ledger=ledger, issuing=at, key=keys[at.label], clock=clock)
            for at in generations
        ]
        self._by_id: Final = {each.id: each for each in kept}
        self._by_issuer: Final = {each.issuing.issuer.key_identifier: each for each in kept}
        self.key_ids: Final = tuple(each.key_id for each in kept)
        self._by_form: Final = {form: each for each in kept for form in cert_id_forms(each.issuing.issuer)}

    async def start(self) -> None:
        """Reserve the operator's own serial numbers, and ask for the first certificates."""
        hierarchy = self._authority.hierarchy
        for label, certificate in hierarchy.own.items():
            owner = own(hierarchy.above(certificate).label, label)
            await self._book.take("serial", serial_text(certificate.serial_number), owner)
        for each in self._by_id.values():
            await each.begin()

    async def stop(self) -> None:
        """Nothing to do: the timer is the engine's."""

    async def wake(self, key: str, now: datetime) -> None:
        """Do the next step towards a certificate. Another key's is left to whoever has that key."""
        if key in self._by_id:
            await self._by_id[key].wake(now)

    async def asked(self, questions: OcspQuestions) -> Responder:
        """Return the responder that answers these questions.

        Raises:
            OcspRefused: unauthorized: one is about another authority's certificate, or they are about several
                (RFC 5019, 2.2.3); try later: it has no certificate yet.
        """
        return await self._of(questions).current()

    def at_hand(self, questions: OcspQuestions) -> Responder | None:
        """Return it if it need not be waited for. OcspRefused as above."""
        return self._of(questions).at_hand()

    def _of(self, questions: OcspQuestions) -> "_Kept":
        kept = {self._by_form.get(cert_id.issuer) for cert_id in questions.cert_ids}
        only = kept.pop() if len(kept) == 1 else None
        if only is None:
            raise OcspRefused(OcspFailure.UNAUTHORIZED)
        return only

    async def for_issuer(self, key_identifier: bytes) -> Responder:
        """Return the responder for the issuing authority with this key. OcspRefused as above."""
        kept = self._by_issuer.get(key_identifier)
        if kept is None:
            raise OcspRefused(OcspFailure.UNAUTHORIZED)
        return await kept.current()


class _Kept:
    """One responder."""

    def __init__(
        self,
        states: Aggregates[ResponderState],
        *,
        book: Reservations,
        authority: IssuingAuthority,
        ledger: Ledger,
        issuing: Generation,
        key: PrivateKey,
        clock: Clock,
    ) -> None:
        self._states = states
        self._book = book
        self._authority = authority
        self._ledger = ledger
        self.issuing = issuing
        self._key = key
        self._clock = clock
        self.key_id: Final = x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest.hex()
        self.id: Final = f"{issuing.issuer.key_identifier.hex()}-{self.key_id}"
        self._current: Responder | None = None
        self._reload_at: datetime | None = None

    async def begin(self) -> None:
        await self._states.apply(
            self.id, lambda state: states.begin(state, self._clock(), revoked=self._is_revoked(state))
        )

    def _is_revoked(self, state: ResponderState | None) -> bool:
        pem = certificate_of(state)
        if pem is None:
            return False
        certificate = x509.load_pem_x509_certificate(pem.encode())
        return found(certificate, self._authority.hierarchy.revoked) is not None

    async def wake(self, now: datetime) -> None:
        state = await self._states.get(self.id)
        if isinstance(state, ResponderIntended):
            await self._sign(state.intent)
        elif state is not None and states.wake_at(state) <= now:
            await self._intend(now)

    async def current(self) -> Responder:
        known = self.at_hand()
        if known is not None:
            return known
        pem = certificate_of(await self._states.get(self.id))
        if pem is None:
            raise OcspRefused(OcspFailure.TRY_LATER)
        certificate = x509.load_pem_x509_certificate(pem.encode())
        self._current = Responder.of(self.issuing.issuer, certificate, self._key)
        self._reload_at = self._clock() + _RELOAD_AFTER
        return self._current

    def at_hand(self) -> Responder | None:
        return None if self._reload_at is None or self._clock() >= self._reload_at else self._current

    async def _intend(self, now: datetime) -> None:
        authority = self._authority
        order = Order(
            profile=OCSP_RESPONDER,
            holder=self._holder,
            public_key=self._key.public_key(),
            serial_number=serial_number(authority.entropy(SERIAL_OCTETS)),
            not_before=OCSP_RESPONDER.not_before(now),
        )
        issuer, publication = self.issuing.issuer, authority.publication
        linted = lint(prepare(order, issuer, publication), order, issuer, publication)
        intent = Intent.of(order, linted, publication)
        await self._book.take("serial", intent.serial_number, own(issuer.label, "ocsp"))
        record = intent.model_dump_json()
        await self._states.apply(self.id, lambda state: states.intend(state, record, now))

    async def _sign(self, record: str) -> None:
        authority, intent = self._authority, Intent.model_validate_json(record)
        order = intent.order(self._holder, self._key.public_key())
        issuer, about = self.issuing.issuer, own(self.issuing.label, "ocsp")
        await self._ledger.record(about, recording.intended(IntentRecord(intent=record)))
        publication = intent.publication(authority.publication)
        signed = resume(intent, order, issuer, publication, authority.keys[issuer.label])
        await self._ledger.record(about, recording.issued(signed))
        certificate = signed.public_bytes(Encoding.PEM).decode()
        log.info("responder.certified", serial=intent.serial_number, issuer=issuer.label)
        begins = intent.not_before
        await self._states.apply(self.id, lambda state: states.renewed(state, record, certificate, begins))

    @property
    def _holder(self) -> Authority:
        (organisation,) = self.issuing.certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        return Authority(organisation=str(organisation.value), common_name="OCSP Responder")
