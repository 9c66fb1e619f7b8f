"""What biometrics does for clerks: the queue, the pictures by short-lived links, decisions, and a record of it all."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from libs.common.core.errors import Refused
from libs.common.core.metrics import Metrics
from libs.common.core.sealing import Box, Keyring, Sealed, SealError
from libs.common.core.values import Clock
from libs.common.delivery.aggregates import Aggregates
from services.biometrics import domain
from services.biometrics.capture.uploads import Uploads
from services.biometrics.records import Remark, Review
from services.biometrics.states import CheckState, InReview, Matched, Rules
from services.biometrics.verdicts import Part

log = structlog.get_logger()

LINK_LIFETIME: Final = timedelta(minutes=5)
_LINK: Final = "review.link"


@dataclass(frozen=True, slots=True)
class Link:
    """Permission for one clerk to see one capture, until then."""

    journey_id: str
    part: Part
    place: str
    clerk: str
    until: datetime


def _path_text(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def _from_path(text: str) -> bytes:
    """Read one spelling only: the last letter of base64 has bits that decoders ignore (RFC 4648 section 3.5)."""
    sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if _path_text(sealed) != text:
        raise ValueError("not the spelling that was given out")
    return sealed


class Links:
    """Writes permissions into addresses: sealed, so that they can be neither forged nor read.

    Args:
        audience: the key that seals them; one that only this service holds.
    """

    def __init__(self, keyring: Keyring, audience: str, clock: Clock) -> None:
        self._keyring = keyring
        self._audience = audience
        self._clock = clock

    def write(self, link: Link) -> str:
        """Give a link as text that may stand in a path."""
        content = [link.journey_id, link.part, link.place, link.clerk, int(link.until.timestamp())]
        box = self._keyring.seal(self._audience, json.dumps(content).encode(), _LINK)
        return f"{box.kid}~{_path_text(base64.b64decode(box.box))}"

    def read(self, text: str, clerk: str) -> Link:
        """Give the link again, for the clerk it was written for.

        Raises:
            Refused: ``review.link_unknown``, 404; ``review.link_expired``, 410; ``review.link_of_another``, 403.
        """
        kid, _, sealed = text.partition("~")
        try:
            content = self._keyring.open(Box(kid, base64.b64encode(_from_path(sealed)).decode()), _LINK)
        except (SealError, ValueError):
            raise Refused(
                "review.link_unknown", "There is nothing at this address. Please open the case anew.", 404
            ) from None
        journey_id, part, place, owner, until = json.loads(content)
        link = Link(journey_id, part, place, owner, datetime.fromtimestamp(until, UTC))
        if link.clerk != clerk:
            raise Refused(
                "review.link_of_another", "This address was made for another clerk. Please open the case.", 403
            )
        if link.until <= self._clock():
            raise Refused("review.link_expired", "This address is no longer valid. Please open the case anew.", 410)
        return link


class Reviews:
    """The clerks' side of face checks."""

    def __init__(
        self,
        checks: Aggregates[CheckState],
        uploads: Uploads,
        links: Links,
        *,
        rules: Rules,
        clock: Clock,
        new_challenge: domain.NewChallenge,
        metrics: Metrics,
    ) -> None:
        self._checks = checks
        self._uploads = uploads
        self._links = links
        self._rules = rules
        self._clock = clock
        self._new_challenge = new_challenge
        self._metrics = metrics

    async def queue(self, limit: int, after: tuple[str, str] | None = None) -> Sequence[tuple[str, InReview]]:
        """Give the face checks that wait for a clerk, the most urgent first.

        Args:
            after: time due, as JSON has it, and journey of the last one of the page before.
        """
        found = await self._checks.find({"kind": "in_review"}, limit, order="due_at", after=after)
        return [(key, state) for key, state in found if isinstance(state, InReview)]

    async def case(self, journey_id: str, clerk: str) -> tuple[InReview, dict[Part, Link]]:
        """Open a case: what was measured, and permissions to see the captures.

        Raises:
            Refused: ``review.not_waiting``: nobody may look outside a review.
        """
        state = domain.in_review(await self._checks.get(journey_id))
        log.info("review.opened", subject=journey_id, clerk=clerk)
        until = self._clock() + LINK_LIFETIME
        return state, {part: Link(journey_id, part, place, clerk, until) for part, place in state.captures.items()}

    def address(self, link: Link) -> str:
        """Write a link."""
        return self._links.write(link)

    async def picture(self, text: str, clerk: str) -> bytes:
        """Show a capture to the clerk who reviews it. The look is on record before anything is shown.

        Raises:
            Refused: see `Links.read` and `services.biometrics.domain.look`.
        """
        link = self._links.read(text, clerk)
        state = domain.in_review(await self._checks.get(link.journey_id))
        if state.captures.get(link.part) != link.place:
            raise Refused("review.link_expired", "There are newer captures by now. Please open the case anew.", 410)
        await self._checks.apply(link.journey_id, lambda state: domain.look(state, clerk, link.part, self._clock()))
        log.info("review.looked", subject=link.journey_id, part=link.part, clerk=clerk)
        return await self._uploads.whole(link.place)

    async def decide(self, journey_id: str, *, matched: bool, clerk: str, reason: str) -> bool:
        """Take in a clerk's decision; tell whether it ends the review, or another clerk is to decide as well.

        The reason, which may speak of anybody, is kept sealed and never logged.

        Raises:
            Refused: see `services.biometrics.domain.review`.
        """
        decision = Review(clerk=clerk, matched=matched, at=self._clock(), remark=Sealed(Remark(text=reason)))
        after = await self._checks.apply(
            journey_id, lambda state: domain.review(state, decision, self._new_challenge, self._rules)
        )
        ended = not isinstance(after, InReview)
        log.info("review.decided", subject=journey_id, matched=matched, clerk=clerk, ended=ended)
        if ended:
            self._metrics.face_reviews.labels("matched" if isinstance(after, Matched) else "rejected").inc()
        return ended
