"""Revoke a certificate: by a key of its pair, which needs nothing else, or by PIN and a code from an SMS."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from libs.citizen.api.services import Services
from libs.citizen.journey.progress import DEFAULT_LIMITS, once_known, wait_until
from libs.citizen.keys.keystore import KeyEntry
from libs.citizen.signing.cms import sign_cms
from libs.common.contracts.http.ca import RevocationOrder
from libs.common.contracts.http.identity import CitizenSession, HolderReason, JourneyTicket


class CodeReader(Protocol):
    """Asks for the code of the SMS."""

    async def code(self, journey_id: str) -> str:
        """Return the code for this request."""
        ...


@dataclass(frozen=True)
class SignedRevocation:
    """A request that anybody may hand in, at any time: what was signed, and the signature (CMS in DER)."""

    request: bytes
    signature: bytes


async def signed_request(serial: str, reason: HolderReason, entry: KeyEntry, now: datetime) -> SignedRevocation:
    """Sign a request with the certificate's own key or the other one of its pair. KeystoreError as `sign_cms`."""
    request = RevocationOrder(action="revoke-certificate", serial=serial, reason=reason).model_dump_json().encode()
    return SignedRevocation(request, await sign_cms(request, entry, now))


async def revoke_by_code(
    services: Services, session: CitizenSession, serial: str, reason: HolderReason, reader: CodeReader
) -> None:
    """Ask from the cabinet, confirm with the code, and wait until the authority, which hears of both, has acted.

    Raises:
        ProblemError: the request or the code is refused.
        WaitedTooLong: it is not done yet; it will be.
    """
    asked = await services.identity.request_revocation(session, serial, reason)
    ticket = JourneyTicket(journey_id=asked.request_id, token=asked.token, expires_at=asked.expires_at)
    code = await reader.code(asked.request_id)
    # The news of the SMS may still be on its way to the service that checks the code.
    await once_known(lambda: services.otp.verify(ticket, code), "otp.not_sent_yet", waiting=DEFAULT_LIMITS)
    await wait_until(
        lambda: services.identity.cabinet(session),
        lambda cabinet: any(each.serial == serial and each.revoked for each in cabinet.certificates),
        seconds=lambda _: DEFAULT_LIMITS.machines,
    )
