"""The cabinet: show it, and keep what other services report."""

from libs.common.contracts.events import Meta
from libs.common.contracts.http.identity import CabinetView
from libs.common.delivery.aggregates import Aggregates
from services.identity.accounts.service import Accounts
from services.identity.accounts.states import Citizen
from services.identity.cabinet import domain
from services.identity.cabinet.domain import CitizenFact


class CabinetService:
    """What lies in the cabinets of citizens."""

    def __init__(self, citizens: Aggregates[Citizen], accounts: Accounts) -> None:
        self._citizens = citizens
        self._accounts = accounts

    async def view(self, citizen_id: str) -> CabinetView:
        """Return a citizen's cabinet. Refused as `Accounts.citizen`."""
        return domain.view(citizen_id, await self._accounts.citizen(citizen_id))

    async def take_in(self, fact: CitizenFact, meta: Meta) -> None:
        """Put what another service reports into the cabinet of the citizen it is about."""
        await self._citizens.apply(
            fact.citizen_id, lambda state: domain.take_in(state, fact, meta.subject, meta.time), cause=meta
        )
