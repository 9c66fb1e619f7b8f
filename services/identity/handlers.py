"""What identity does with the events of other services."""

from typing import Any

from libs.common.contracts.biometrics import FaceMatched, FaceRejected, FaceReviewRequested
from libs.common.contracts.ca import CertExpiring, CertIssued, CertRefused, CertRevoked
from libs.common.contracts.events import Received
from libs.common.contracts.kandas import (
    KandasExtended,
    KandasGranted,
    KandasRefused,
    KandasReturned,
    KandasSubmitted,
)
from libs.common.contracts.otp import OtpRejected, OtpSent, OtpVerified
from libs.common.delivery.consumption import Route
from services.identity.cabinet.domain import ApplicationFact
from services.identity.cabinet.service import CabinetService
from services.identity.journeys.facts import CodeFact, FaceFact
from services.identity.journeys.service import JourneyService


class Handlers:
    """One function for each kind of fact.

    Facts about a code or a face go to the journey, about an application to the cabinet, about a certificate to both.
    `kandas.checked` is not subscribed to: it says nothing that the cabinet shows, and names no citizen.
    """

    def __init__(self, journeys: JourneyService, cabinet: CabinetService) -> None:
        self._journeys = journeys
        self._cabinet = cabinet

    async def code(self, message: Received[CodeFact]) -> None:
        """Take in that a code was sent, proven or refused."""
        await self._journeys.take_in(message.event, message.meta)

    async def face(self, message: Received[FaceFact]) -> None:
        """Take in that a face was matched, refused, or given to a clerk."""
        await self._journeys.take_in(message.event, message.meta)

    async def certificate(self, message: Received[CertIssued | CertRevoked]) -> None:
        """Put a certificate issued or revoked into the cabinet first: a completed journey must have it there."""
        await self._cabinet.take_in(message.event, message.meta)
        await self._journeys.take_in(message.event, message.meta)

    async def certificate_expiring(self, message: Received[CertExpiring]) -> None:
        """Mark in the cabinet that a certificate expires soon."""
        await self._cabinet.take_in(message.event, message.meta)

    async def certificate_refused(self, message: Received[CertRefused]) -> None:
        """Take in that a request for a certificate was refused."""
        await self._journeys.take_in(message.event, message.meta)

    async def application(self, message: Received[ApplicationFact]) -> None:
        """Put what happened to a kandas application into the cabinet."""
        await self._cabinet.take_in(message.event, message.meta)

    def routes(self) -> tuple[Route[Any], ...]:
        """Return which event goes where."""
        return (
            Route(OtpSent, self.code),
            Route(OtpVerified, self.code),
            Route(OtpRejected, self.code),
            Route(FaceMatched, self.face),
            Route(FaceRejected, self.face),
            Route(FaceReviewRequested, self.face),
            Route(CertIssued, self.certificate),
            Route(CertRevoked, self.certificate),
            Route(CertExpiring, self.certificate_expiring),
            Route(CertRefused, self.certificate_refused),
            Route(KandasSubmitted, self.application),
            Route(KandasReturned, self.application),
            Route(KandasGranted, self.application),
            Route(KandasExtended, self.application),
            Route(KandasRefused, self.application),
        )
