"""What identity does when others tell it something."""

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
from services.identity.accounts import Accounts
from services.identity.citizens import ApplicationFact
from services.identity.facts import CodeFact, FaceFact
from services.identity.service import JourneyService


class Handlers:
    """What is told of a code or a face is the journey's; of a certificate, the citizen's too; of kandas, theirs alone.

    `kandas.checked` is not taken in: it says nothing that the cabinet shows, and names no citizen.
    """

    def __init__(self, journeys: JourneyService, accounts: Accounts) -> None:
        self._journeys = journeys
        self._accounts = accounts

    async def code(self, message: Received[CodeFact]) -> None:
        """A code was sent, proven or refused."""
        await self._journeys.take_in(message.event, message.meta)

    async def face(self, message: Received[FaceFact]) -> None:
        """A face was matched, refused, or given to a clerk."""
        await self._journeys.take_in(message.event, message.meta)

    async def certificate(self, message: Received[CertIssued | CertRevoked]) -> None:
        """A certificate was issued or revoked: first into the cabinet, so that a completed journey has it there."""
        await self._accounts.take_in(message.event, message.meta)
        await self._journeys.take_in(message.event, message.meta)

    async def certificate_expiring(self, message: Received[CertExpiring]) -> None:
        """A certificate ends soon: the cabinet says so."""
        await self._accounts.take_in(message.event, message.meta)

    async def certificate_refused(self, message: Received[CertRefused]) -> None:
        """A request for a certificate cannot be honoured."""
        await self._journeys.take_in(message.event, message.meta)

    async def application(self, message: Received[ApplicationFact]) -> None:
        """Something happened to a kandas application."""
        await self._accounts.take_in(message.event, message.meta)

    def routes(self) -> tuple[Route[Any], ...]:
        """Say which event goes where."""
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
