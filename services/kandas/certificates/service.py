"""The certificates by serial number, kept up by the certification authority's events."""

from libs.common.contracts.ca import CertIssued, CertRevoked
from libs.common.contracts.events import Meta
from libs.common.core.values import Clock
from libs.common.delivery.aggregates import Aggregates
from services.kandas.certificates import domain
from services.kandas.certificates.states import KnownCertificate, LiveCertificate, RevokedSeen


class KnownCertificates:
    """What this service knows of the citizens' certificates."""

    def __init__(self, certificates: Aggregates[KnownCertificate], clock: Clock) -> None:
        self._certificates = certificates
        self._clock = clock

    async def issued(self, fact: CertIssued, meta: Meta) -> None:
        """Record that a certificate was issued."""
        await self._certificates.apply(fact.serial, lambda state: domain.issued(state, fact), cause=meta)

    async def revoked(self, fact: CertRevoked, meta: Meta) -> tuple[str, ...]:
        """Record that a certificate was revoked, and return the applications that rest on it."""
        state = await self._certificates.apply(fact.serial, lambda state: domain.revoked(state, fact), cause=meta)
        return state.applications if isinstance(state, RevokedSeen) else ()

    async def rely_on(self, serial: str, application_id: str, citizen_id: str, iin: str) -> KnownCertificate | None:
        """Record that an application is about to rest on a certificate.

        Raises:
            Refused: this citizen may not sign with it now.
        """
        return await self._certificates.apply(
            serial,
            lambda state: domain.relied_on(domain.usable(state, citizen_id, iin, self._clock()), application_id),
        )

    async def live(self, serial: str) -> bool:
        """Return whether a certificate is known and not revoked."""
        return isinstance(await self._certificates.get(serial), LiveCertificate)
