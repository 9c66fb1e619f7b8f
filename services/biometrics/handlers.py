"""What biometrics does when others tell it something."""

from typing import Any

from libs.common.contracts.events import Received
from libs.common.contracts.identity import JourneyClosed, JourneyStarted
from libs.common.contracts.otp import OtpVerified
from libs.common.delivery.consumption import Route
from services.biometrics.service import BiometricsService
from services.biometrics.states import Waiting


class Handlers:
    """One function an event."""

    def __init__(self, service: BiometricsService) -> None:
        self._service = service

    async def journey_started(self, message: Received[JourneyStarted]) -> None:
        """Somebody set out: whose document it must be is known now. A renewal asks for no face."""
        if message.event.purpose == "renewal":
            return
        news = Waiting(person=message.event.person, person_ref=message.event.person_ref)
        await self._service.note(message.meta, news)

    async def otp_verified(self, message: Received[OtpVerified]) -> None:
        """The phone is theirs: the face check opens."""
        await self._service.note(message.meta, Waiting(phone_proven=True))

    async def journey_closed(self, message: Received[JourneyClosed]) -> None:
        """The journey ended: its media go."""
        await self._service.close(message.meta)

    def routes(self) -> tuple[Route[Any], ...]:
        """Say which function takes in what."""
        return (
            Route(JourneyStarted, self.journey_started),
            Route(OtpVerified, self.otp_verified),
            Route(JourneyClosed, self.journey_closed),
        )
