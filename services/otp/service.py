"""One-time codes: load, decide, save with what follows."""

from datetime import datetime

from libs.common.contracts.events import Meta
from libs.common.contracts.identity import JourneyStarted, RevocationRequested
from libs.common.core.errors import Permanent, Retryable
from libs.common.core.values import Clock
from libs.common.delivery.aggregates import Aggregates
from services.otp import domain, limits
from services.otp.domain import CodeBlocked, CodeRules, CodeSent, CodesState, CodeToSend
from services.otp.limits import LimitRules, Usage
from services.otp.sms import SmsGateway, sms_text


class OtpService:
    """One-time codes.

    Args:
        codes: per journey.
        usage: per person and per phone, across journeys.
        new_code: returns the digits of a fresh code, and an id for its SMS.
    """

    def __init__(
        self,
        codes: Aggregates[CodesState],
        usage: Aggregates[Usage],
        gateway: SmsGateway,
        *,
        rules: CodeRules,
        limit_rules: LimitRules,
        clock: Clock,
        new_code: domain.NewCode,
    ) -> None:
        self._codes = codes
        self._usage = usage
        self._gateway = gateway
        self._rules = rules
        self._limit_rules = limit_rules
        self._clock = clock
        self._new_code = new_code

    async def begin(self, asked: JourneyStarted | RevocationRequested, meta: Meta) -> None:
        """Make the first code of a journey, or of a request to revoke."""
        frozen_until = None
        if await self._codes.get(meta.subject) is None:
            try:
                await self._count_code(asked.person_ref, asked.phone_ref, meta)
            except limits.LimitReached as frozen:
                frozen_until = frozen.until
        await self._codes.apply(
            meta.subject,
            lambda state: domain.begin(state, asked, self._new_code, frozen_until, self._clock()),
            cause=meta,
        )

    async def resend(self, journey_id: str) -> None:
        """Make another code because the citizen asks for one."""
        state = await self._codes.get(journey_id)
        if isinstance(state, CodeSent | CodeBlocked):
            domain.resend(state, self._new_code, self._rules, self._clock())
            await self._count_code(state.person_ref, state.phone_ref, None)
        await self._codes.apply(
            journey_id, lambda state: domain.resend(state, self._new_code, self._rules, self._clock())
        )

    async def check(self, journey_id: str, digits: str) -> None:
        """Check what the citizen typed; return if it is the code.

        Raises:
            Refused: it is not, or there is nothing to compare with.
        """
        known = await self._codes.get(journey_id)
        if not isinstance(known, CodeSent):
            domain.check(known, digits, self._rules, self._clock())
            return
        # Counted before it is compared, and taken off again if it was right: no crash gives a try away.
        tried_at = self._clock()
        await self._usage.apply(known.person_ref, lambda used: limits.count_try(used, self._limit_rules, tried_at))
        refusal = await self._codes.ask(
            journey_id, lambda state: domain.check(state, digits, self._rules, self._clock())
        )
        if refusal is not None:
            raise refusal
        await self._usage.apply(known.person_ref, lambda used: limits.forgive_try(used, tried_at))

    async def close(self, meta: Meta) -> None:
        """Forget the codes of a journey that ended."""
        await self._codes.apply(meta.subject, domain.close, cause=meta)

    async def wake(self, journey_id: str, now: datetime) -> None:
        """Send the SMS that is to go out, or stop a code that expired."""
        state = await self._codes.get(journey_id)
        if isinstance(state, CodeToSend):
            await self._send(journey_id, state)
        else:
            await self._codes.apply(journey_id, lambda state: domain.expire(state, self._rules, now))

    async def _send(self, journey_id: str, sending: CodeToSend) -> None:
        text = sms_text(sending.code.value.digits, sending.purpose)
        try:
            await self._gateway.send(journey_id, sending.contact.value.phone, text, sending.sms_id)
        except (Retryable, Permanent) as error:
            hopeless = isinstance(error, Permanent)
            await self._codes.apply(
                journey_id,
                lambda state: domain.not_taken(state, sending.sms_id, hopeless, self._rules, self._clock()),
            )
        else:
            await self._codes.apply(
                journey_id, lambda state: domain.taken(state, sending.sms_id, self._rules, self._clock())
            )

    async def _count_code(self, person_ref: str, phone_ref: str, cause: Meta | None) -> None:
        """Count a code against person and phone, once for a cause.

        Raises:
            LimitReached: one of them had too many.
        """
        for ref in (person_ref, phone_ref):
            await self._usage.apply(
                ref, lambda used: limits.count_code(used, self._limit_rules, self._clock()), cause=cause
            )
