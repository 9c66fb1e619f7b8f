"""What the authority does: load, decide, save with what follows."""

from asyncio import gather
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

import structlog

from libs.common.contracts.events import Meta
from libs.common.core.sealing import Sealed
from libs.common.core.values import Clock
from libs.common.delivery.aggregates import Aggregates
from libs.common.storage.reservations import Reservations
from services.ca.crl.publishing import RevocationLists
from services.ca.enrolment import domain, lifecycle, supersession
from services.ca.enrolment.csr_intake import Intake
from services.ca.enrolment.domain import Certified, EnrolmentState, Issued, Issuing
from services.ca.enrolment.revocation_cascade import end
from services.ca.enrolment.supersession import Held, Holding
from services.ca.issuance.authority import IssuingAuthority
from services.ca.issuance.lint import LintError
from services.ca.ledger import recording
from services.ca.ledger.ports import Ledger
from services.ca.model.certificate import Certificate, IntentRecord, Numbered
from services.ca.model.ids import ShardId
from services.ca.model.subject import UnusableNameError
from services.ca.status.records import Statuses

log = structlog.get_logger()


class CaService:
    """Enrolments and their certificates.

    Args:
        enrolments: per journey.
        holdings: per citizen.
        statuses: of certificates, for relying parties.
        lists: are told of revocations.
        book: where serial numbers and keys are reserved, so that each exists once.
        intake: takes requests.
        ledger: where every act is recorded, before what cannot be undone.
        kept: how long after their end certificates stay as they are.
    """

    def __init__(
        self,
        enrolments: Aggregates[EnrolmentState],
        holdings: Aggregates[Holding],
        statuses: Statuses,
        lists: RevocationLists,
        *,
        book: Reservations,
        authority: IssuingAuthority,
        intake: Intake,
        ledger: Ledger,
        clock: Clock,
        kept: timedelta = lifecycle.KEPT,
    ) -> None:
        self._enrolments = enrolments
        self._holdings = holdings
        self._statuses = statuses
        self._lists = lists
        self._book = book
        self._authority = authority
        self._intake = intake
        self._ledger = ledger
        self._kept = kept
        self._clock = clock

    async def note(self, meta: Meta, **facts: object) -> None:
        """Add what an event told about a journey."""
        await self._enrolments.apply(meta.subject, lambda state: domain.note(state, facts), cause=meta)

    async def close(self, meta: Meta, outcome: str, reason: str) -> None:
        """The journey ended."""
        await self._enrolments.apply(
            meta.subject, lambda state: domain.close(state, outcome, reason, self._clock()), cause=meta
        )

    async def request(self, journey_id: str, sign_csr: str, auth_csr: str, signature: bytes | None = None) -> None:
        """Take the citizen's two requests (PEM): steps 1 and 2 of issuance. Raises as `Intake.take` does."""
        await self._intake.take(journey_id, {"SIGN": sign_csr, "AUTH": auth_csr}, signature)

    async def certificates(self, journey_id: str) -> tuple[str, Sequence[Certificate]]:
        """Give where an enrolment stands, and its certificates."""
        state = await self._enrolments.get(journey_id)
        if isinstance(state, Issued):
            return state.kind, state.certificates
        return ("collecting" if state is None else state.kind), ()

    async def wake(self, journey_id: str, now: datetime) -> None:
        """Do the next step of an enrolment that has one."""
        # What this process knows will do: every step ends in a decision on the present state.
        state = await self._enrolments.get(journey_id, fresh=False)
        if isinstance(state, Issuing) and not state.intents:
            await self._intend(journey_id, state, now)
        elif isinstance(state, Issuing):
            await self._sign(journey_id, state)
        elif isinstance(state, Certified):
            await self._settle(journey_id, state)

    async def _intend(self, journey_id: str, state: Issuing, now: datetime) -> None:
        """Record what will be signed, under serial numbers that nobody else has."""
        try:
            # 3. Profile applied, and 4. the bytes to be signed linted. No key is used.
            intents = [self._authority.intend(request, state.facts, now) for request in state.requests]
        except (LintError, UnusableNameError) as error:
            reason = _refusal(journey_id, error)
            await self._enrolments.apply(journey_id, lambda state: domain.give_up(state, reason))
            return
        await gather(*(self._book.take("serial", each.serial_number, journey_id) for each in intents))
        records = tuple(Sealed(IntentRecord(intent=intent.model_dump_json())) for intent in intents)
        # 5. Intents recorded, by the first to come; whoever comes later signs these.
        await self._enrolments.apply(journey_id, lambda state: domain.intend(state, records, now))

    async def _sign(self, journey_id: str, state: Issuing) -> None:
        """Sign what was recorded, again if a crash lost the signature; or see to it that it counts as revoked."""
        pairs = [(intent.value, request) for intent, request in zip(state.intents, state.requests, strict=True)]
        await self._ledger.record(journey_id, *(recording.intended(record, state.facts) for record, _ in pairs))
        try:
            # 6. Signed: exactly the recorded bytes, linted once more.
            certificates = tuple(self._authority.sign(record, request, state.facts) for record, request in pairs)
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
        """Supersede all but the newest certificates, end what ends with these, and bring revocations onto the lists."""
        if state.facts.citizen_id is not None and any(each.revoked_at is None for each in state.certificates):
            held = Held(journey=journey_id, since=state.certificates[0].not_before)
            holding = await self._holdings.apply(state.facts.citizen_id, lambda known: supersession.add(known, held))
            for older in holding.superseded if holding else ():
                await self._enrolments.apply(older, lambda each: domain.revoke(each, None, "superseded", self._clock()))
        await self._end_with(state)
        await self._ledger.record(journey_id, *recording.revoked(state.certificates))
        await self._statuses.note(state.certificates, self._clock())
        revoked = [each for each in state.certificates if each.revoked_at is not None]
        for place in {ShardId(each.issuer, each.crl_shard) for each in revoked if not each.listed}:
            await self._lists.mark(place)
        listed = frozenset(each.serial for each in revoked)
        await self._enrolments.apply(
            journey_id, lambda present: lifecycle.settle(present, listed, self._clock(), self._kept)
        )

    async def _end_with(self, state: Certified) -> None:
        """End whatever else of the person ends with these certificates."""
        if not isinstance(state, Issued) or (ending := state.ending) is None or state.facts.citizen_id is None:
            return
        known = await self._holdings.get(state.facts.citizen_id)
        for each in known.journeys if known is not None else ():
            await self._enrolments.apply(each.journey, lambda other: end(other, ending, self._clock()))


def certificates_of(enrolments: Aggregates[EnrolmentState]) -> Callable[[str], Awaitable[Sequence[Numbered]]]:
    """Return a reader of an enrolment's certificates; it returns none where there is no such enrolment."""

    async def read(journey_id: str) -> Sequence[Numbered]:
        state = await enrolments.get(journey_id)
        return state.certificates if isinstance(state, Certified) else ()

    return read


def _refusal(journey_id: str, error: LintError | UnusableNameError) -> str:
    """Note in the log, without a traceback, which would quote the name, and give the text key."""
    if isinstance(error, LintError):
        log.error("issuance.refused", subject=journey_id, findings=error.findings)
        return "profile.broken"
    log.error("issuance.refused", subject=journey_id, failure=type(error).__name__)
    return "name.unusable"
