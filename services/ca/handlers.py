"""What the authority does when others tell it something: it notes facts, and issues nothing by itself."""

from typing import Any

from libs.common.contracts.biometrics import FaceMatched
from libs.common.contracts.events import Received
from libs.common.contracts.identity import DigitalIdCreated, JourneyClosed, JourneyStarted, RevocationRequested
from libs.common.contracts.otp import OtpConfirmed, OtpVerified
from libs.common.delivery.consumption import Route
from services.ca.enrolment.service import CaService
from services.ca.revocation.service import Revocations


class Handlers:
    """One function an event."""

    def __init__(self, service: CaService, revocations: Revocations) -> None:
        self._service = service
        self._revocations = revocations

    async def journey_started(self, message: Received[JourneyStarted]) -> None:
        """Somebody set out: this is who it is."""
        event = message.event
        facts: dict[str, object] = {"person": event.person, "person_ref": event.person_ref}
        if event.purpose == "renewal":
            facts |= {"renewal": True, "citizen_id": event.citizen_id}
        await self._service.note(message.meta, **facts)

    async def otp_verified(self, message: Received[OtpVerified]) -> None:
        """The phone is theirs."""
        await self._service.note(message.meta, phone_proven=True)

    async def face_matched(self, message: Received[FaceMatched]) -> None:
        """The face is the document's."""
        await self._service.note(message.meta, face_matched=True)

    async def digital_id_created(self, message: Received[DigitalIdCreated]) -> None:
        """They chose a PIN: enrolment may begin."""
        await self._service.note(message.meta, citizen_id=message.event.citizen_id)

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
        """Say which function takes in what."""
        return (
            Route(JourneyStarted, self.journey_started),
            Route(OtpVerified, self.otp_verified),
            Route(FaceMatched, self.face_matched),
            Route(DigitalIdCreated, self.digital_id_created),
            Route(JourneyClosed, self.journey_closed),
            Route(RevocationRequested, self.revocation_requested),
            Route(OtpConfirmed, self.otp_confirmed),
        )
