"""Requests of citizens to have a certificate revoked: the PIN is proven here, the phone by a code, the rest follows.

Nothing is called: the request is published, otp sends a code and publishes that it came back, and the authority, which
heard both, revokes.
"""

from datetime import timedelta
from typing import Final

from libs.common.contracts.http.identity import HolderReason, RevocationTicket
from libs.common.core.values import Clock
from libs.common.delivery.aggregates import Aggregates
from libs.common.web.tokens import TokenIssuer
from services.identity.accounts.service import Accounts
from services.identity.revocations import domain
from services.identity.revocations.states import RequestedRevocation

CONFIRM_WITHIN: Final = timedelta(minutes=15)


class RevocationService:
    """Takes requests to revoke."""

    def __init__(
        self, wishes: Aggregates[RequestedRevocation], accounts: Accounts, tokens: TokenIssuer, clock: Clock
    ) -> None:
        self._wishes = wishes
        self._accounts = accounts
        self._tokens = tokens
        self._clock = clock

    async def request(self, request_id: str, citizen_id: str, serial: str, reason: HolderReason) -> RevocationTicket:
        """Take a request, once for its id. Refused as `domain.request`, and as `Accounts.citizen`."""
        citizen = await self._accounts.citizen(citizen_id)
        expires_at = self._clock() + CONFIRM_WITHIN
        wish = RequestedRevocation(citizen_id=citizen_id, serial=serial, reason=reason, expires_at=expires_at)
        await self._wishes.apply(request_id, lambda state: domain.request(state, wish, citizen))
        token = self._tokens.journey(request_id, CONFIRM_WITHIN)
        return RevocationTicket(request_id=request_id, token=token, expires_at=expires_at)
