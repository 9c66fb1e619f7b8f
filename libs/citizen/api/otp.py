"""One-time codes. Every call may raise what `Caller.send` and `understood` raise."""

from dataclasses import dataclass
from datetime import datetime

from libs.citizen.api.answers import understood
from libs.citizen.api.identity import JourneyTicket
from libs.citizen.caller import Caller
from libs.common.contracts.http.shapes import Answer, Secret


class Sms(Answer):
    """A message in the inbox that the development profile has in place of a gateway."""

    at: datetime
    text: Secret


@dataclass(frozen=True)
class Otp:
    """One-time codes."""

    caller: Caller

    async def verify(self, ticket: JourneyTicket, code: str) -> None:
        """Prove possession of the phone. A right code may be given again."""
        path = f"/v1/journeys/{ticket.journey_id}/code"
        await self.caller.send("POST", path, token=ticket.token, json={"code": code})

    async def resend(self, ticket: JourneyTicket) -> None:
        """Ask for another SMS."""
        await self.caller.send("POST", f"/v1/journeys/{ticket.journey_id}/code/resend", token=ticket.token)

    async def development_inbox(self, journey_id: str) -> list[Sms]:
        """Read the SMS of a journey. There is such an inbox in the development profile only (404 otherwise)."""
        answer = await self.caller.send("GET", "/dev/inbox", params={"journey_id": journey_id})
        return understood(list[Sms], answer)
