"""What a revoked certificate does to the applications that were signed with it."""

from libs.common.contracts.ca import CertRevoked
from libs.common.contracts.events import Meta
from libs.common.core.values import Clock
from libs.common.delivery.aggregates import Aggregates
from services.kandas.application import domain
from services.kandas.application.states import ApplicationState, Checked, Submitted
from services.kandas.certificates.service import KnownCertificates
from services.kandas.rules.law import Law


class SignatureRevocations:
    """Sends applications back whose undecided part rests on a revoked certificate."""

    def __init__(
        self, applications: Aggregates[ApplicationState], certificates: KnownCertificates, *, law: Law, clock: Clock
    ) -> None:
        self._applications = applications
        self._certificates = certificates
        self._law = law
        self._clock = clock

    async def revoked(self, fact: CertRevoked, meta: Meta) -> None:
        """Record a revocation, and send back what rests on that certificate."""
        for application_id in await self._certificates.revoked(fact, meta):
            await self._send_back(application_id, fact.serial, meta)

    async def signature_stands(self, application: Submitted | Checked) -> bool:
        """Return whether the signature's certificate is unrevoked now; if not, send the application back.

        The event of a revocation may still be on its way to `revoked`.
        """
        serial = application.signature.serial
        if await self._certificates.live(serial):
            return True
        await self._send_back(application.id, serial)
        return False

    async def _send_back(self, application_id: str, serial: str, cause: Meta | None = None) -> None:
        await self._applications.apply(
            application_id,
            lambda state: domain.certificate_revoked(state, serial, self._law, self._clock()),
            cause=cause,
        )
