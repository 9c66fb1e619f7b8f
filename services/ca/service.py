"""What the authority does: load, decide, save with what follows."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

import structlog

from libs.common.aggregates import Aggregates
from libs.common.contracts.people import Person
from libs.common.events import Meta
from libs.common.sealing import Sealed
from libs.common.store import Taken
from libs.common.values import Clock
from libs.common.vouching import renewal_document
from services.ca import aftercare, domain, holdings, recording
from services.ca.acts import Ledger
from services.ca.authority import IssuingAuthority
from services.ca.domain import (
    Certificate,
    Certified,
    EnrolmentState,
    IntentRecord,
    Issued,
    Issuing,
    Request,
)
from services.ca.holders import UnusableNameError
from services.ca.holdings import Held, Holding
from services.ca.lint import LintError
from services.ca.lists import RevocationLists
from services.ca.ports import SerialBook
from services.ca.requests import RequestRefused, parse, require_distinct
from services.ca.shards import ShardId
from services.ca.statuses import Statuses
from services.ca.vouching import Vouching

log = structlog.get_logger()


class CaService:
    """Enrolments and their certificates.

    Args:
        enrolments: per journey.
        holdings: per citizen.
        statuses: of certificates, for relying parties.
        lists: are told of revocations.
        book: where serial numbers and keys are reserved, so that each exists once.
        vouching: checks what is signed with present certificates.
        blocked_keys: see `services.ca.key_rules.read_blocklist`.
        ledger: where every act is recorded, before what cannot be undone.
    """

    def __init__(
        self,
        enrolments: Aggregates[EnrolmentState],
        holdings: Aggregates[Holding],
        statuses: Statuses,
        lists: RevocationLists,
        *,
        book: SerialBook,
        authority: IssuingAuthority,
        vouching: Vouching,
        ledger: Ledger,
        clock: Clock,
        blocked_keys: frozenset[str] = frozenset(),
    ) -> None:
        self._enrolments = enrolments
        self._holdings = holdings
        self._statuses = statuses
        self._lists = lists
        self._book = book
        self._authority = authority
        self._vouching = vouching
        self._ledger = ledger
        self._blocked_keys = blocked_keys
        self._clock = clock

    async def note(self, meta: Meta, **facts: object) -> None:
        """Add what an event told about a journey."""
        await self._enrolments.apply(meta.subject, lambda state: domain.note(state, facts), cause=meta)

    async def close(self, meta: Meta, outcome: str, reason: str) -> None:
        """The journey ended."""
        await self._enrolments.apply(
            meta.subject, lambda state: domain.close(state, outcome, reason, self._clock()), cause=meta
        )

    async def request(self, journey_id: str, sign_csr: bytes, auth_csr: bytes, signature: bytes | None = None) -> None:
        """Take the citizen's two requests; for a renewal with the present key's signature over both.

        Raises:
            Refused: a request cannot be honoured (``csr.…``), it is not the time for it (``enrolment.…``), or the
                signature does not count (``vouching.…``, ``signature.…``).
        """
        try:
            # 1. Facts complete.
            state = domain.require_open(await self._enrolments.get(journey_id))
            # 2. Requests parsed, possession of both keys proven.
            requests = _parsed(sign_csr, auth_csr)
            # Looked at before keys are reserved, which makes them useless to other journeys.
            if domain.accept(state, requests, self._clock()) is None:
                return
            if state.facts.renewal:
                document = renewal_document(journey_id, sign_csr.decode(), auth_csr.decode())
                await self._vouching.require(signature, document, state.facts.citizen_id)
            for each in requests:
                await self._reserve_key(each, journey_id)
        except RequestRefused as refusal:
            key = refusal.key
            await self._enrolments.apply(journey_id, lambda state: domain.refuse(state, key))
            raise
        await self._enrolments.apply(journey_id, lambda state: domain.accept(state, requests, self._clock()))

    async def certificates(self, journey_id: str) -> tuple[str, Sequence[Certificate]]:
        """Give where an enrolment stands, and its certificates."""
        state = await self._enrolments.get(journey_id)
        if isinstance(state, Issued):
            return state.kind, state.certificates
        return ("collecting" if state is None else state.kind), ()

    async def wake(self, journey_id: str, now: datetime) -> None:
        """Do the next step of an enrolment that has one."""
        state = await self._enrolments.get(journey_id)
        if isinstance(state, Issuing) and not state.intents:
            await self._intend(journey_id, state, now)
        elif isinstance(state, Issuing):
            await self._sign(journey_id, state)
        elif isinstance(state, Certified):
            await self._settle(journey_id, state)

    async def _reserve_key(self, request: Request, journey_id: str) -> None:
        digest = hashlib.sha256(bytes.fromhex(request.spki)).hexdigest()
        if digest in self._blocked_keys:
            detail = "This key is known to be compromised: others have it too. Please make a new key."
            raise RequestRefused("csr.key_compromised", detail)
        try:
            await self._book.take("key", digest, journey_id)
        except Taken:
            detail = "A certificate for this key exists or was asked for in another journey. Please make a new key."
            raise RequestRefused("csr.key_in_use", detail) from None

    async def _intend(self, journey_id: str, state: Issuing, now: datetime) -> None:
        """Record what will be signed, under serial numbers that nobody else has."""
        person = _person(state)
        try:
            # 3. Profile applied, and 4. the bytes to be signed linted. No key is used.
            intents = [self._authority.intend(request, person, now) for request in state.requests]
        except (LintError, UnusableNameError) as error:
            reason = _refusal(journey_id, error)
            await self._enrolments.apply(journey_id, lambda state: domain.give_up(state, reason))
            return
        for intent in intents:
            await self._book.take("serial", intent.serial_number, journey_id)
        records = tuple(Sealed(IntentRecord(intent=intent.model_dump_json())) for intent in intents)
        # 5. Intents recorded, by the first to come; whoever comes later signs these.
        await self._enrolments.apply(journey_id, lambda state: domain.intend(state, records, now))

    async def _sign(self, journey_id: str, state: Issuing) -> None:
        """Sign what was recorded, again if a crash lost the signature; or see to it that it counts as revoked."""
        person = _person(state)
        pairs = [(intent.value, request) for intent, request in zip(state.intents, state.requests, strict=True)]
        await self._ledger.record(journey_id, *(recording.intended(record, state.facts) for record, _ in pairs))
        try:
            # 6. Signed: exactly the recorded bytes, linted once more.
            certificates = tuple(self._authority.sign(record, request, person) for record, request in pairs)
        except (LintError, UnusableNameError) as error:
            reason = _refusal(journey_id, error)
            numbers = tuple(self._authority.presume(record, request) for record, request in pairs)
            await self._enrolments.apply(journey_id, lambda state: domain.void(state, numbers, reason, self._clock()))
            return
        issued = (recording.issued(recording.certificate(each)) for each in certificates)
        await self._ledger.record(journey_id, *issued)
        log.info("issuance.signed", subject=journey_id, serials=[each.serial for each in certificates])
        # 7. Stored, and 8. published: one event a certificate, from the outbox of the same write.
        await self._enrolments.apply(journey_id, lambda state: domain.issued(state, certificates, self._clock()))

    async def _settle(self, journey_id: str, state: Certified) -> None:
        """Supersede all but the citizen's newest certificates, and bring revocations onto the lists."""
        if state.facts.citizen_id is not None and any(each.revoked_at is None for each in state.certificates):
            held = Held(journey=journey_id, since=state.certificates[0].not_before)
            holding = await self._holdings.apply(state.facts.citizen_id, lambda known: holdings.add(known, held))
            for older in holding.superseded if holding else ():
                await self._enrolments.apply(older, lambda each: domain.revoke(each, None, "superseded", self._clock()))
        await self._ledger.record(journey_id, *recording.revoked(state.certificates))
        for each in state.certificates:
            await self._statuses.note(each, self._clock())
        revoked = [each for each in state.certificates if each.revoked_at is not None]
        for place in {ShardId(each.issuer, each.crl_shard) for each in revoked if not each.listed}:
            await self._lists.told(place)
        listed = frozenset(each.serial for each in revoked)
        await self._enrolments.apply(journey_id, lambda present: aftercare.settle(present, listed, self._clock()))


def _parsed(sign_csr: bytes, auth_csr: bytes) -> tuple[Request, ...]:
    """Take the two keys. RequestRefused if one of them cannot be certified, or they are the same."""
    sign, auth = parse(sign_csr), parse(auth_csr)
    require_distinct(sign, auth)
    return Request(profile="SIGN", spki=sign.spki.hex()), Request(profile="AUTH", spki=auth.spki.hex())


def _refusal(journey_id: str, error: LintError | UnusableNameError) -> str:
    """Note in the log, without a traceback, which would quote the name, and give the text key."""
    if isinstance(error, LintError):
        log.error("issuance.refused", subject=journey_id, findings=error.findings)
        return "profile.broken"
    log.error("issuance.refused", subject=journey_id, failure=type(error).__name__)
    return "name.unusable"


def _person(state: Issuing) -> Person:
    if state.facts.person is None:
        raise ValueError("an enrolment that is issuing has all its facts")
    return state.facts.person.value
