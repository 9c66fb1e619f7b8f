"""Journeys, Digital IDs, sessions and the cabinet. Every call may raise what `Caller.send` and `understood` raise."""

from dataclasses import dataclass

from libs.citizen.api.answers import understood
from libs.citizen.api.caller import Caller
from libs.common.contracts.http.identity import (
    CabinetRevocationForm,
    CabinetView,
    CitizenSession,
    HolderReason,
    JourneyForm,
    JourneyTicket,
    JourneyView,
    PinForm,
    RenewalForm,
    RevocationTicket,
    SignInForm,
)
from libs.common.contracts.http.shapes import Form


@dataclass(frozen=True)
class Identity:
    """Journeys, Digital IDs, sessions and the cabinet. The service judges what is typed: forms go unchecked."""

    caller: Caller

    async def start(self, iin: str, phone: str, email: str | None = None) -> JourneyTicket:
        """Begin a journey."""
        form = JourneyForm.model_construct(iin=iin, phone=phone, email=email)
        return understood(JourneyTicket, await self.caller.send("POST", "/v1/journeys", json=_body(form)))

    async def renew(
        self, session: CitizenSession, phone: str, email: str | None, idempotency_key: str
    ) -> JourneyTicket:
        """Begin a journey that renews the citizen's certificates, without a new face check."""
        body = _body(RenewalForm.model_construct(phone=phone, email=email))
        answer = await self.caller.send(
            "POST", "/v1/renewals", token=session.token, json=body, idempotency_key=idempotency_key
        )
        return understood(JourneyTicket, answer)

    async def journey(self, ticket: JourneyTicket) -> JourneyView:
        """Return where a journey stands."""
        answer = await self.caller.send("GET", f"/v1/journeys/{ticket.journey_id}", token=ticket.token)
        return understood(JourneyView, answer)

    async def create_digital_id(self, ticket: JourneyTicket, pin: str) -> None:
        """Choose the PIN; the Digital ID exists from then on."""
        path = f"/v1/journeys/{ticket.journey_id}/digital-id"
        await self.caller.send("POST", path, token=ticket.token, json=_body(PinForm.model_construct(pin=pin)))

    async def cancel(self, ticket: JourneyTicket) -> None:
        """Return a journey up."""
        await self.caller.send("POST", f"/v1/journeys/{ticket.journey_id}/cancel", token=ticket.token)

    async def sign_in(self, iin: str, pin: str) -> CitizenSession:
        """Open a session in the cabinet."""
        form = SignInForm.model_construct(iin=iin, pin=pin)
        return understood(CitizenSession, await self.caller.send("POST", "/v1/sessions", json=_body(form)))

    async def cabinet(self, session: CitizenSession) -> CabinetView:
        """Return certificates and applications."""
        return understood(CabinetView, await self.caller.send("GET", "/v1/cabinet", token=session.token))

    async def request_revocation(self, session: CitizenSession, serial: str, reason: HolderReason) -> RevocationTicket:
        """Ask that a certificate be revoked; a code by SMS has to confirm it."""
        path = f"/v1/cabinet/certificates/{serial}/revocation"
        form = CabinetRevocationForm(reason=reason)
        return understood(RevocationTicket, await self.caller.send("POST", path, token=session.token, json=_body(form)))


def _body(form: Form) -> dict[str, object]:
    return form.model_dump(mode="json", exclude_none=True)
