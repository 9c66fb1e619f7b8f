"""Reviews of face checks by clerks: the queue, the pictures by short-lived links, decisions, and a record of it all."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from libs.common.core.errors import Refused
from libs.common.core.sealing import Sealed
from libs.common.core.values import Clock
from libs.common.delivery.aggregates import Aggregates
from services.biometrics.capture.uploads import Uploads
from services.biometrics.check import domain
from services.biometrics.check.parts import Part
from services.biometrics.check.records import ClerkDecision, Remark
from services.biometrics.check.states import CheckInReview, CheckMatched, CheckRules, CheckState
from services.biometrics.metrics import FaceMetrics
from services.biometrics.refusals import BiometricsRefusal
from services.biometrics.review.links import CaptureLink, Links

log = structlog.get_logger()

LINK_LIFETIME: Final = timedelta(minutes=5)


class Reviews:
    """The clerks' side of face checks.

    Args:
        checks: per journey.
    """

    def __init__(
        self,
        checks: Aggregates[CheckState],
        uploads: Uploads,
        links: Links,
        *,
        rules: CheckRules,
        clock: Clock,
        new_challenge: domain.NewChallenge,
        metrics: FaceMetrics,
    ) -> None:
        self._checks = checks
        self._uploads = uploads
        self._links = links
        self._rules = rules
        self._clock = clock
        self._new_challenge = new_challenge
        self._metrics = metrics

    async def queue(self, limit: int, after: tuple[str, str] | None = None) -> Sequence[tuple[str, CheckInReview]]:
        """Return the face checks that wait for a clerk, the most urgent first.

        Args:
            after: time due, as JSON has it, and journey of the last one of the page before.
        """
        found = await self._checks.find({"kind": "in_review"}, limit, order="due_at", after=after)
        return [(key, state) for key, state in found if isinstance(state, CheckInReview)]

    async def case(self, journey_id: str, clerk: str) -> tuple[CheckInReview, dict[Part, CaptureLink]]:
        """Open a case: what was measured, and permissions to see the captures.

        Raises:
            Refused: `REVIEW_NOT_WAITING`: nobody may view captures outside a review.
        """
        state = domain.in_review(await self._checks.get(journey_id))
        log.info("review.opened", subject=journey_id, clerk=clerk)
        until = self._clock() + LINK_LIFETIME
        return state, {
            part: CaptureLink(journey_id, part, place, clerk, until) for part, place in state.captures.items()
        }

    def address(self, link: CaptureLink) -> str:
        """Return a link as text that may stand in a path."""
        return self._links.write(link)

    async def picture(self, text: str, clerk: str) -> bytes:
        """Return a capture to the clerk who reviews it. The view is on record before anything is shown.

        Raises:
            Refused: see `Links.read` and `services.biometrics.check.domain.view`.
        """
        link = self._links.read(text, clerk)
        state = domain.in_review(await self._checks.get(link.journey_id))
        if state.captures.get(link.part) != link.place:
            raise Refused(BiometricsRefusal.LINK_EXPIRED)  # there are newer captures by now
        await self._checks.apply(link.journey_id, lambda state: domain.view(state, clerk, link.part, self._clock()))
        log.info("review.viewed", subject=link.journey_id, part=link.part, clerk=clerk)
        return await self._uploads.whole(link.place)

    async def decide(self, journey_id: str, *, matched: bool, clerk: str, reason: str) -> bool:
        """Take in a clerk's decision; return whether it ends the review, or another clerk is to decide as well.

        The reason, which may speak of anybody, is kept sealed and never logged.

        Raises:
            Refused: see `services.biometrics.check.domain.review`.
        """
        decision = ClerkDecision(clerk=clerk, matched=matched, at=self._clock(), remark=Sealed(Remark(text=reason)))
        after = await self._checks.apply(
            journey_id, lambda state: domain.review(state, decision, self._new_challenge, self._rules)
        )
        ended = not isinstance(after, CheckInReview)
        log.info("review.decided", subject=journey_id, matched=matched, clerk=clerk, ended=ended)
        if ended:
            self._metrics.face_reviews.labels("matched" if isinstance(after, CheckMatched) else "rejected").inc()
        return ended

    async def end_overdue(self, journey_id: str, now: datetime) -> None:
        """End a review that no clerk decided in time."""
        after = await self._checks.apply(
            journey_id, lambda state: domain.review_overdue(state, self._new_challenge, self._rules, now)
        )
        if not isinstance(after, CheckInReview):
            log.warning("review.overdue", subject=journey_id)
            self._metrics.face_reviews.labels("overdue").inc()
