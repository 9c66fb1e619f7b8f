"""One-time codes. Every call may raise what `Caller.send` and `understood` raise."""

from dataclasses import dataclass

from libs.citizen.api.answers import understood
from libs.citizen.api.caller import Caller
from libs.common.contracts.http.identity import JourneyTicket
from libs.common.contracts.http.otp import CodeForm, InboxMessage


@dataclass(frozen=True)
class Otp:
    """One-time codes."""

    caller: Caller

    async def verify(self, ticket: JourneyTicket, code: str) -> None:
        """Prove possession of the phone. A right code may be given again."""
        path = f"/v1/journeys/{ticket.journey_id}/code"
        await self.caller.send("POST", path, token=ticket.token, json=CodeForm.model_construct(code=code).model_dump())

    async def resend(self, ticket: JourneyTicket) -> None:
        """Ask for another SMS."""
        await self.caller.send("POST", f"/v1/journeys/{ticket.journey_id}/code/resend", token=ticket.token)

    async def development_inbox(self, journey_id: str) -> list[InboxMessage]:
        """Read the SMS of a journey. There is such an inbox in the development profile only (404 otherwise)."""
        answer = await self.caller.send("GET", "/dev/inbox", params={"journey_id": journey_id})
        return understood(list[InboxMessage], answer)
