"""A check of a picture before it is uploaded: what to change, and nothing is kept."""

import asyncio
from datetime import timedelta
from typing import Final

from libs.common.core.errors import Refused
from libs.common.core.values import Clock
from libs.common.delivery.aggregates import Aggregates
from services.biometrics.analysis.analyser import Analyser
from services.biometrics.analysis.reports import SelfieReport
from services.biometrics.analysis.workers import AnalysisBroken, AnalysisTimeout
from services.biometrics.capture.content import PICTURES, require
from services.biometrics.check import domain
from services.biometrics.check.states import CheckState
from services.biometrics.refusals import BiometricsRefusal

MOST_BYTES: Final = 300_000
PATIENCE_S: Final = 5.0
PAUSE: Final = timedelta(minutes=1)
"""After a picture whose analysis had to be ended."""


class PreChecks:
    """Checks pictures that are not uploaded yet. The face check counts how often, whichever instance is asked.

    Args:
        checks: per journey.
    """

    def __init__(self, checks: Aggregates[CheckState], analyser: Analyser, clock: Clock) -> None:
        self._checks = checks
        self._analyser = analyser
        self._clock = clock

    async def admit(self, journey_id: str) -> None:
        """Count one pre-check; see `domain.pre_check`."""
        await self._checks.apply(journey_id, lambda state: domain.pre_check(state, self._clock()))

    async def run(self, journey_id: str, content: bytes) -> SelfieReport:
        """Report what a selfie would be sent back for (no guidance: it is good), and what would be better still.

        Raises:
            Refused: `NOT_AN_IMAGE`; `PRE_CHECK_UNAVAILABLE` while others are analysed, and
                where the analysis broke.
        """
        require(content, PICTURES)
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._analyser.precheck(content)
        except AnalysisTimeout:
            until = self._clock() + PAUSE
            await self._checks.apply(journey_id, lambda state: domain.pause_pre_checks(state, until))
            raise _unavailable() from None
        except (AnalysisBroken, TimeoutError):
            raise _unavailable() from None


def _unavailable() -> Refused:
    return Refused(BiometricsRefusal.PRE_CHECK_UNAVAILABLE)
