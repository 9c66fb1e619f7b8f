"""Face checks as other services' events begin and end them."""

from datetime import datetime

from libs.common.contracts.events import Meta
from libs.common.contracts.people import Person
from libs.common.core.sealing import Sealed
from libs.common.core.values import Clock
from libs.common.delivery.aggregates import Aggregates
from services.biometrics.check import domain
from services.biometrics.check.states import CheckRules, CheckState


class FaceChecks:
    """Opens and closes face checks.

    Args:
        checks: per journey.
    """

    def __init__(
        self,
        checks: Aggregates[CheckState],
        *,
        rules: CheckRules,
        clock: Clock,
        new_challenge: domain.NewChallenge,
    ) -> None:
        self._checks = checks
        self._rules = rules
        self._clock = clock
        self._new_challenge = new_challenge

    async def identify(self, meta: Meta, person: Sealed[Person], person_ref: str) -> None:
        """Note whose document a journey's must be."""

        def decide(state: CheckState | None) -> domain.Result | None:
            return domain.identify(state, person, person_ref, self._new_challenge, rules=self._rules, now=self._clock())

        await self._checks.apply(meta.subject, decide, cause=meta)

    async def confirm_phone(self, meta: Meta) -> None:
        """Note that a journey's phone is the person's."""

        def decide(state: CheckState | None) -> domain.Result | None:
            return domain.confirm_phone(state, self._new_challenge, rules=self._rules, now=self._clock())

        await self._checks.apply(meta.subject, decide, cause=meta)

    async def close(self, meta: Meta) -> None:
        """Close the face check of a journey that ended."""
        await self._checks.apply(meta.subject, lambda state: domain.close(state, self._clock()), cause=meta)

    async def abandon(self, journey_id: str, now: datetime) -> None:
        """Close a face check that nobody goes on with."""
        await self._checks.apply(journey_id, lambda state: domain.abandon(state, now))
