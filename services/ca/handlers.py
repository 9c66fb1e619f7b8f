"""What the authority does about the events of other services: it notes facts, and issues nothing by itself."""

from typing import Any

from libs.common.contracts.biometrics import FaceMatched
from libs.common.contracts.events import Received
from libs.common.contracts.identity import DigitalIdCreated, JourneyClosed, JourneyStarted, RevocationRequested
from libs.common.contracts.otp import OtpConfirmed, OtpVerified
from libs.common.delivery.consumption import Route
from services.ca.enrolment.facts import FactEvent
from services.ca.enrolment.service import EnrolmentService
from services.ca.revocation.service import Revocations


class Handlers:
    """One function for each kind of consequence."""

    def __init__(self, service: EnrolmentService, revocations: Revocations) -> None:
        self._service = service
        self._revocations = revocations

    async def fact(self, message: Received[FactEvent]) -> None:
        """Add what an event says about a journey: who it is, that phone and face are theirs, their Digital ID."""
        await self._service.note(message.meta, message.event)

    async def journey_closed(self, message: Received[JourneyClosed]) -> None:
        """The journey ended, well or not."""
        await self._service.close(message.meta, message.event.outcome, message.event.reason)

    async def revocation_requested(self, message: Received[RevocationRequested]) -> None:
        """A citizen asks in the cabinet for a revocation."""
        await self._revocations.asked(message.event, message.meta)

    async def otp_confirmed(self, message: Received[OtpConfirmed]) -> None:
        """And confirmed it."""
        await self._revocations.confirmed(message.meta)

    def routes(self) -> tuple[Route[Any], ...]:
        """Return which function takes in what."""
        return (
            Route(JourneyStarted, self.fact),
            Route(OtpVerified, self.fact),
            Route(FaceMatched, self.fact),
            Route(DigitalIdCreated, self.fact),
            Route(JourneyClosed, self.journey_closed),
            Route(RevocationRequested, self.revocation_requested),
            Route(OtpConfirmed, self.otp_confirmed),
        )
