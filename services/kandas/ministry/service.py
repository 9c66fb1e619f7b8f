"""The check of an application, made when it is submitted and repeated until the ministry's system answers."""

from datetime import datetime

from libs.common.core.errors import Retryable
from libs.common.core.values import Clock
from libs.common.delivery.aggregates import Aggregates
from services.kandas.application import domain
from services.kandas.application.revocations import SignatureRevocations
from services.kandas.application.states import ApplicationState, Submitted
from services.kandas.ministry.client import MinistrySystem
from services.kandas.rules.law import Law


class MinistryChecks:
    """Has applications checked by the ministry's system."""

    def __init__(
        self,
        applications: Aggregates[ApplicationState],
        revocations: SignatureRevocations,
        ministry: MinistrySystem,
        *,
        law: Law,
        clock: Clock,
    ) -> None:
        self._applications = applications
        self._revocations = revocations
        self._ministry = ministry
        self._law = law
        self._clock = clock

    async def check(self, state: Submitted, now: datetime) -> None:
        """Ask about every person and record the answers. The key makes a repeated question harmless.

        Raises:
            Retryable: the ministry's system gave no answer; the term runs on meanwhile.
        """
        if not await self._revocations.signature_stands(state):
            return
        try:
            answers = await self._ministry.check(state.service, state.persons, f"{state.id}-{state.round}")
        except Retryable:
            await self._applications.apply(state.id, lambda held: domain.tick(held, self._law, now))
            raise
        await self._applications.apply(
            state.id, lambda held: domain.record_check(held, state.round, answers, self._law, self._clock())
        )
