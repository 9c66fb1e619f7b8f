"""What kandas does when an event arrives, and when an application's time has come."""

from datetime import datetime

from libs.common.contracts.ca import CertIssued, CertRevoked
from libs.common.contracts.events import Received
from libs.common.delivery.aggregates import Aggregates
from libs.common.delivery.consumption import Route
from services.kandas.application.deadlines import Deadlines
from services.kandas.application.revocations import SignatureRevocations
from services.kandas.application.states import ApplicationState, Checked, ClosedApplication, Returned, Submitted
from services.kandas.certificates.service import KnownCertificates
from services.kandas.documents.service import SealedDocuments
from services.kandas.ministry.service import MinistryChecks


class Handlers:
    """One function an event."""

    def __init__(self, certificates: KnownCertificates, revocations: SignatureRevocations) -> None:
        self._certificates = certificates
        self._revocations = revocations

    async def cert_issued(self, message: Received[CertIssued]) -> None:
        """A certificate can sign applications from now on."""
        await self._certificates.issued(message.event, message.meta)

    async def cert_revoked(self, message: Received[CertRevoked]) -> None:
        """A certificate signs nothing any more; undecided applications that rest on it go back."""
        await self._revocations.revoked(message.event, message.meta)

    def routes(self) -> tuple[Route[CertIssued], Route[CertRevoked]]:
        """Return which function handles which event."""
        return Route(CertIssued, self.cert_issued), Route(CertRevoked, self.cert_revoked)


class Wakes:
    """What a woken application needs: its check, its documents, the purge, or a deadline applied.

    Each is repeated after a crash, and each outcome is recorded once.
    """

    def __init__(
        self,
        applications: Aggregates[ApplicationState],
        checks: MinistryChecks,
        documents: SealedDocuments,
        deadlines: Deadlines,
    ) -> None:
        self._applications = applications
        self._checks = checks
        self._documents = documents
        self._deadlines = deadlines

    async def wake(self, application_id: str, now: datetime) -> None:
        """Do what is due for one application."""
        match state := await self._applications.get(application_id):
            case Submitted():
                await self._checks.check(state, now)
            case Checked() | Returned() if state.unsealed():
                await self._documents.make_missing(application_id)
            case ClosedApplication():
                await self._deadlines.purge(state)
            case _:
                await self._deadlines.pass_time(application_id, state, now)
