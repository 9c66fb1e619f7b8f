"""Following the certification authority: which certificates are live, and which applications rest on them."""

from libs.common.contracts.ca import CertIssued, CertRevoked
from libs.common.contracts.events import Meta
from libs.common.core.values import Clock
from libs.common.delivery.aggregates import Aggregates
from services.kandas import certificates, domain
from services.kandas.certificates import Certificate, Live
from services.kandas.states import State
from services.kandas.transitions import Law


class CertificateView:
    """The certificates by serial number."""

    def __init__(
        self, known: Aggregates[Certificate], applications: Aggregates[State], *, law: Law, clock: Clock
    ) -> None:
        self._known = known
        self._applications = applications
        self._law = law
        self._clock = clock

    async def issued(self, fact: CertIssued, meta: Meta) -> None:
        """Note that a certificate was issued."""
        await self._known.apply(fact.serial, lambda state: certificates.issued(state, fact), cause=meta)

    async def revoked(self, fact: CertRevoked, meta: Meta) -> None:
        """Note that a certificate was revoked, and send back what rests on it."""
        state = await self._known.apply(fact.serial, lambda state: certificates.revoked(state, fact), cause=meta)
        if isinstance(state, certificates.Revoked):
            for application_id in state.applications:
                await self.send_back(application_id, fact.serial, meta)

    async def send_back(self, application_id: str, serial: str, cause: Meta | None = None) -> State | None:
        """Send an application back that rests on a revoked certificate and is not decided."""
        return await self._applications.apply(
            application_id,
            lambda state: domain.certificate_revoked(state, serial, self._law, self._clock()),
            cause=cause,
        )

    async def rely_on(self, serial: str, application_id: str, citizen_id: str, iin: str) -> Certificate | None:
        """Note that an application is about to rest on a certificate.

        Raises:
            Refused: this citizen may not sign with it now.
        """
        return await self._known.apply(
            serial,
            lambda state: certificates.relied_on(
                certificates.usable(state, citizen_id, iin, self._clock()), application_id
            ),
        )

    async def live(self, serial: str) -> bool:
        """Tell whether a certificate stands unrevoked."""
        return isinstance(await self._known.get(serial), Live)
