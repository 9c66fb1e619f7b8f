"""What biometrics does about events, and about face checks whose time has come."""

from datetime import datetime
from typing import Any

from libs.common.contracts.events import Received
from libs.common.contracts.identity import JourneyClosed, JourneyStarted
from libs.common.contracts.otp import OtpVerified
from libs.common.delivery.aggregates import Aggregates
from libs.common.delivery.consumption import Route
from services.biometrics.analysis.service import CheckAnalysis
from services.biometrics.capture.service import Captures
from services.biometrics.check.service import FaceChecks
from services.biometrics.check.states import (
    CheckAnalysing,
    CheckClosed,
    CheckInReview,
    CheckOpen,
    CheckPending,
    CheckState,
)
from services.biometrics.review.service import Reviews


class BiometricsEvents:
    """One function an event."""

    def __init__(self, face_checks: FaceChecks) -> None:
        self._face_checks = face_checks

    async def journey_started(self, message: Received[JourneyStarted]) -> None:
        """Note whose document it must be. A renewal asks for no face."""
        if message.event.purpose != "renewal":
            await self._face_checks.identify(message.meta, message.event.person, message.event.person_ref)

    async def otp_verified(self, message: Received[OtpVerified]) -> None:
        """Open the face check: the phone is theirs."""
        await self._face_checks.confirm_phone(message.meta)

    async def journey_closed(self, message: Received[JourneyClosed]) -> None:
        """Close the face check, and delete its media."""
        await self._face_checks.close(message.meta)

    def routes(self) -> tuple[Route[Any], ...]:
        """Return which function takes in which event."""
        return (
            Route(JourneyStarted, self.journey_started),
            Route(OtpVerified, self.otp_verified),
            Route(JourneyClosed, self.journey_closed),
        )


class NextStep:
    """Takes the step that a face check is due for.

    Args:
        checks: per journey.
    """

    def __init__(
        self,
        checks: Aggregates[CheckState],
        *,
        face_checks: FaceChecks,
        captures: Captures,
        analysis: CheckAnalysis,
        reviews: Reviews,
    ) -> None:
        self._checks = checks
        self._face_checks = face_checks
        self._captures = captures
        self._analysis = analysis
        self._reviews = reviews

    async def __call__(self, journey_id: str, now: datetime) -> None:
        """Take the step; a face check that has none is left as it is."""
        match await self._checks.get(journey_id):
            case CheckAnalysing() as state:
                await self._analysis.analyse(journey_id, state)
            case CheckPending() | CheckOpen():
                await self._face_checks.abandon(journey_id, now)
            case CheckInReview():
                await self._reviews.end_overdue(journey_id, now)
            case CheckClosed():
                await self._captures.delete(journey_id)
