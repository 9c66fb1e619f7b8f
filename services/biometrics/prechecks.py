"""A quick look at a picture before it is uploaded: what to change, and nothing is kept."""

import asyncio
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final

from libs.common.errors import Refused
from libs.common.values import Clock
from services.biometrics.analyser import Analyser
from services.biometrics.content import PICTURES, require
from services.biometrics.reports import SelfieReport
from services.biometrics.workers import AnalysisBroken

MOST_BYTES: Final = 300_000
AT_ONCE: Final = 5
EVERY: Final = timedelta(seconds=1)
REMEMBERED: Final = 10_000
PATIENCE_S: Final = 5.0


class Pace:
    """Lets each journey do something a few times at once, and then once in a while.

    A virtual schedule (the generic cell rate algorithm, ITU-T I.371): one moment a journey is all it remembers, and
    the journeys that were quiet longest are forgotten first. Each process keeps its own.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next: OrderedDict[str, datetime] = OrderedDict()

    def step(self, journey_id: str) -> None:
        """Count one.

        Raises:
            Refused: ``pre_check.too_often``, 429, with ``retry_at``.
        """
        now = self._clock()
        due = max(self._next.pop(journey_id, now), now)
        late = due - now - EVERY * (AT_ONCE - 1)
        if late > timedelta(0):
            self._next[journey_id] = due
            raise Refused("pre_check.too_often", "Please wait a moment between two looks.", 429, retry_at=now + late)
        self._next[journey_id] = due + EVERY
        while len(self._next) > REMEMBERED:
            self._next.popitem(last=False)


class PreChecks:
    """Looks at pictures that are not uploaded yet."""

    def __init__(self, analyser: Analyser, clock: Clock) -> None:
        self._analyser = analyser
        self._pace = Pace(clock)

    def step(self, journey_id: str) -> None:
        """Count one look; see `Pace.step`."""
        self._pace.step(journey_id)

    async def look(self, content: bytes) -> SelfieReport:
        """Tell what a selfie would be sent back for (no guidance: it is good), and what would be better still.

        Raises:
            Refused: ``picture.not_an_image``, 415; ``pre_check.unavailable``, 503, while others are looked at.
        """
        require(content, PICTURES)
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._analyser.precheck(content)
        except (AnalysisBroken, TimeoutError):
            detail = "A quick look is not possible just now. You can send the picture all the same."
            raise Refused("pre_check.unavailable", detail, 503) from None
