"""What kandas does when others tell it something."""

from libs.common.contracts.ca import CertIssued, CertRevoked
from libs.common.contracts.events import Received
from libs.common.delivery.consumption import Route
from services.kandas.certificate_view import CertificateView


class Handlers:
    """One function an event."""

    def __init__(self, view: CertificateView) -> None:
        self._view = view

    async def cert_issued(self, message: Received[CertIssued]) -> None:
        """A certificate can sign applications from now on."""
        await self._view.issued(message.event, message.meta)

    async def cert_revoked(self, message: Received[CertRevoked]) -> None:
        """A certificate signs nothing any more; what rests on it undecided goes back."""
        await self._view.revoked(message.event, message.meta)

    def routes(self) -> tuple[Route[CertIssued], Route[CertRevoked]]:
        """Say which function takes in what."""
        return Route(CertIssued, self.cert_issued), Route(CertRevoked, self.cert_revoked)
