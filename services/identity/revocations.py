"""Requests of citizens to have a certificate revoked: the PIN is proven here, the phone by a code, the rest follows.

Nothing is called: the request is told, otp sends a code and tells that it came back, and the authority, which heard
both, revokes.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from libs.common.contracts.identity import RevocationRequested
from libs.common.core.errors import Refused
from libs.common.core.values import Clock
from libs.common.delivery.aggregates import Aggregates
from libs.common.delivery.decisions import Decision
from libs.common.web.tokens import TokenIssuer
from services.identity.accounts import Accounts
from services.identity.citizens import Citizen
from services.identity.states import Frozen

CONFIRM_WITHIN: Final = timedelta(minutes=15)


class Requested(Frozen):
    """What was asked for, and until when a code may confirm it."""

    citizen_id: str
    serial: str
    reason: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Confirmation:
    """How the citizen confirms: by the code for this request, shown to otp with this token."""

    request_id: str
    token: str
    expires_at: datetime


def request(state: Requested | None, asked: Requested, citizen: Citizen) -> Decision[Requested] | None:
    """Tell that a citizen's certificate is to be revoked, once.

    Raises:
        Refused: ``certificate.unknown``, 404: it is not this citizen's; ``certificate.revoked``, 409: it is already;
            ``citizen.phone_unknown``, 409: no code can be sent.
    """
    if state is not None:
        return None
    if all(each.serial != asked.serial for each in citizen.certificates):
        raise Refused("certificate.unknown", "There is no such certificate among yours.", 404)
    if asked.serial in citizen.revoked:
        raise Refused("certificate.revoked", "This certificate is revoked already. There is nothing left to do.", 409)
    if citizen.reach is None:
        detail = "We do not know where to send a code. Please revoke with one of your two keys, or at a service centre."
        raise Refused("citizen.phone_unknown", detail, 409)
    told = RevocationRequested(
        citizen_id=asked.citizen_id,
        serial=asked.serial,
        reason=asked.reason,
        contact=citizen.reach.contact,
        person_ref=citizen.reach.person_ref,
        phone_ref=citizen.reach.phone_ref,
        expires_at=asked.expires_at,
    )
    return Decision(asked, (told,))


class Revocations:
    """Takes the requests."""

    def __init__(self, requests: Aggregates[Requested], accounts: Accounts, tokens: TokenIssuer, clock: Clock) -> None:
        self._requests = requests
        self._accounts = accounts
        self._tokens = tokens
        self._clock = clock

    async def request(self, request_id: str, citizen_id: str, serial: str, reason: str) -> Confirmation:
        """Take a request, once for its id. Refused as `request`, and as `Accounts.cabinet`."""
        citizen = await self._accounts.cabinet(citizen_id)
        expires_at = self._clock() + CONFIRM_WITHIN
        asked = Requested(citizen_id=citizen_id, serial=serial, reason=reason, expires_at=expires_at)
        await self._requests.apply(request_id, lambda state: request(state, asked, citizen))
        return Confirmation(request_id, self._tokens.journey(request_id, CONFIRM_WITHIN), expires_at)
