"""Issuance: from accepted requests to published certificates, in eight steps. docs/issuance.md tells it in prose."""

from asyncio import gather
from collections.abc import Sequence
from datetime import datetime

import structlog

from libs.common.core.sealing import Sealed
from libs.common.core.values import Clock
from libs.common.delivery.aggregates import Aggregates
from libs.common.storage.reservations import Reservations
from services.ca.enrolment import domain
from services.ca.enrolment.facts import holder_of
from services.ca.enrolment.states import EnrolmentState, Issuing
from services.ca.issuance.authority import IssuingAuthority
from services.ca.issuance.lint import LintError
from services.ca.issuance.steps import Intent
from services.ca.ledger import recording
from services.ca.ledger.acts import CertificateIntended
from services.ca.ledger.ports import Ledger
from services.ca.model.certificate import Certificate, IntentRecord
from services.ca.model.subject import UnusableNameError

log = structlog.get_logger()


class Issuance:
    """Makes certificates of accepted requests, so that nothing is signed which was not linted and recorded.

    Args:
        reservations: where each serial number is given once.
        ledger: where every use of an issuing key is on record, before and after.
    """

    def __init__(
        self,
        enrolments: Aggregates[EnrolmentState],
        *,
        authority: IssuingAuthority,
        reservations: Reservations,
        ledger: Ledger,
        clock: Clock,
    ) -> None:
        self._enrolments = enrolments
        self._authority = authority
        self._reservations = reservations
        self._ledger = ledger
        self._clock = clock

    async def issue(self, journey_id: str, state: Issuing, now: datetime) -> None:
        """Do the steps that an enrolment lacks. Its timer calls this after each of the two writes, 4 and 8.

        Each step may be done again, by any replica, after a crash at any place: before 4 nothing is left behind but
        reserved numbers; from 4 on there is one intent for each request, and everybody goes on with that one.
        """
        try:
            if not state.intents:
                # 1. Order: the holder as the facts name it (nothing is taken from the request but its key), a profile,
                #    a fresh serial number. Whose name can't stand in a certificate is refused here.
                orders = [self._authority.order(each, holder_of(state.facts), now) for each in state.requests]
                # 2. Lint: the very bytes to be signed are written, read back by another parser, and held against
                #    order and profile. What breaks a rule never meets a key.
                intents = [self._authority.intend(order) for order in orders]
                # 3. Reserve the serial numbers: two certificates of one number could not be told apart when one is
                #    revoked. Here also a store that was restored from an older backup is protected from itself.
                await self._reserve(journey_id, intents)
                # 4. Record the intents: before a key is used, so that a crash leaves a record of what may be signed.
                #    The first record counts: a replica that comes later goes on with these bytes, not with its own.
                await self._record(journey_id, intents, now)
                return
            # 5. Write the intents into the ledger: what can't be undone has to be on record where nobody can take it
            #    away unseen.
            await self._ledger.record(journey_id, *_intended(state))
            # 6. Sign exactly the recorded bytes, linted once more: only a linter's single-use token can be signed. The
            #    signature is deterministic, so that signing again after a crash gives the same certificate.
            certificates = self._sign(state)
            # 7. Write the signatures into the ledger: before anybody can hold a certificate, it can be proved.
            await self._ledger.record(journey_id, *map(recording.issued, map(recording.certificate, certificates)))
            # 8. Store and publish: one write takes in the certificates and their events, one a certificate; if the
            #    journey failed meanwhile, it revokes them too.
            await self._publish(journey_id, certificates)
        except (LintError, UnusableNameError) as error:
            await self._give_up(journey_id, state, error)

    async def _reserve(self, journey_id: str, intents: Sequence[Intent]) -> None:
        await gather(*(self._reservations.take("serial", each.serial_number, journey_id) for each in intents))

    async def _record(self, journey_id: str, intents: Sequence[Intent], now: datetime) -> None:
        records = tuple(Sealed(IntentRecord(intent=each.model_dump_json())) for each in intents)
        await self._enrolments.apply(journey_id, lambda state: domain.intend(state, records, now))

    def _sign(self, state: Issuing) -> tuple[Certificate, ...]:
        holder = holder_of(state.facts)
        pairs = zip(state.intents, state.requests, strict=True)
        return tuple(self._authority.sign(intent.value, request, holder) for intent, request in pairs)

    async def _publish(self, journey_id: str, certificates: tuple[Certificate, ...]) -> None:
        log.info("issuance.signed", subject=journey_id, serials=[each.serial for each in certificates])
        await self._enrolments.apply(journey_id, lambda state: domain.issued(state, certificates, self._clock()))

    async def _give_up(self, journey_id: str, state: Issuing, error: LintError | UnusableNameError) -> None:
        """Refuse for good. An intent on record may have been signed before a crash, so its number counts as revoked."""
        reason = _refusal(journey_id, error)
        if not state.intents:
            await self._enrolments.apply(journey_id, lambda present: domain.give_up(present, reason))
            return
        pairs = zip(state.intents, state.requests, strict=True)
        numbers = tuple(self._authority.presume(intent.value, request) for intent, request in pairs)
        await self._enrolments.apply(journey_id, lambda present: domain.void(present, numbers, reason, self._clock()))


def _intended(state: Issuing) -> list[CertificateIntended]:
    facts = state.facts
    return [
        recording.intended(intent.value, holder=facts.person, citizen_id=facts.citizen_id, person_ref=facts.person_ref)
        for intent in state.intents
    ]


def _refusal(journey_id: str, error: LintError | UnusableNameError) -> str:
    """Note in the log, without a traceback, which would quote the name, and return the text key."""
    if isinstance(error, LintError):
        log.error("issuance.refused", subject=journey_id, findings=error.findings)
        return "profile.broken"
    log.error("issuance.refused", subject=journey_id, failure=type(error).__name__)
    return "name.unusable"
