"""Certificates. Every call may raise what `Caller.send` and `understood` raise."""

from base64 import b64encode
from dataclasses import dataclass

from cryptography import x509

from libs.citizen.api.answers import understood
from libs.citizen.api.caller import Caller
from libs.common.contracts.http.ca import CertificatesView
from libs.common.contracts.http.identity import JourneyTicket


@dataclass(frozen=True)
class Ca:
    """Certificates."""

    caller: Caller

    async def enrol(
        self,
        ticket: JourneyTicket,
        sign_csr: str,
        auth_csr: str,
        idempotency_key: str,
        *,
        signature: bytes | None = None,
    ) -> None:
        """Hand in both requests (PEM); for a renewal with the present key's signature over them (CMS, DER)."""
        path, body = self._path(ticket), {"sign_csr": sign_csr, "auth_csr": auth_csr}
        if signature is not None:
            body["signature"] = b64encode(signature).decode("ascii")
        await self.caller.send("POST", path, token=ticket.token, json=body, idempotency_key=idempotency_key)

    async def certificates(self, ticket: JourneyTicket) -> CertificatesView:
        """See the certificates of a journey."""
        return understood(CertificatesView, await self.caller.send("GET", self._path(ticket), token=ticket.token))

    async def root(self) -> x509.Certificate:
        """Fetch the root certificate. Trust it only after comparing its fingerprint with a published one."""
        return x509.load_pem_x509_certificate((await self.caller.send("GET", "/v1/ca/root.pem")).content)

    async def chain(self) -> tuple[x509.Certificate, ...]:
        """Fetch the authority's certificates."""
        return tuple(x509.load_pem_x509_certificates((await self.caller.send("GET", "/v1/ca/chain.pem")).content))

    async def crl(self, issuer: str, shard: int) -> bytes:
        """Fetch a revocation list of an issuing authority, by its label, as PEM."""
        return (await self.caller.send("GET", f"/v1/crl/{issuer}/{shard}.pem")).content

    async def revoke(self, token: str, serial: str, reason: str) -> None:
        """Revoke a certificate as a clerk. `reason` is a CRL reason (RFC 5280, 5.3.1)."""
        await self.caller.send("POST", f"/v1/certificates/{serial}/revoke", token=token, json={"reason": reason})

    async def revoke_signed(self, request: bytes, signature: bytes) -> None:
        """Hand in a signed request to revoke (`libs.citizen.journey.revocation`). It needs no token."""
        body = {"request": b64encode(request).decode(), "cms": b64encode(signature).decode()}
        await self.caller.send("POST", "/v1/revocations", json=body)

    @staticmethod
    def _path(ticket: JourneyTicket) -> str:
        return f"/v1/journeys/{ticket.journey_id}/certificates"
