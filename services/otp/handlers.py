"""What otp does with the events of other services."""

from typing import Any

from libs.common.contracts.events import Received
from libs.common.contracts.identity import JourneyClosed, JourneyStarted, RevocationRequested
from libs.common.delivery.consumption import Route
from services.otp.service import OtpService


class Handlers:
    """One function an event."""

    def __init__(self, service: OtpService) -> None:
        self._service = service

    async def journey_started(self, message: Received[JourneyStarted]) -> None:
        """Send a code: somebody began a journey."""
        await self._service.begin(message.event, message.meta)

    async def revocation_requested(self, message: Received[RevocationRequested]) -> None:
        """Send a code that confirms the wish to revoke a certificate."""
        await self._service.begin(message.event, message.meta)

    async def journey_closed(self, message: Received[JourneyClosed]) -> None:
        """Let the codes of a journey that ended count no more."""
        await self._service.close(message.meta)

    def routes(self) -> tuple[Route[Any], ...]:
        """Return which event goes where."""
        return (
            Route(JourneyStarted, self.journey_started),
            Route(RevocationRequested, self.revocation_requested),
            Route(JourneyClosed, self.journey_closed),
        )
