"""What otp does when others tell it something."""

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
        """Somebody set out: send a code."""
        await self._service.begin(message.event, message.meta)

    async def revocation_requested(self, message: Received[RevocationRequested]) -> None:
        """Somebody wants a certificate revoked: send a code that confirms it."""
        await self._service.begin(message.event, message.meta)

    async def journey_closed(self, message: Received[JourneyClosed]) -> None:
        """The journey ended: its codes count no more."""
        await self._service.close(message.meta)

    def routes(self) -> tuple[Route[Any], ...]:
        """Say which function takes in what."""
        return (
            Route(JourneyStarted, self.journey_started),
            Route(RevocationRequested, self.revocation_requested),
            Route(JourneyClosed, self.journey_closed),
        )
