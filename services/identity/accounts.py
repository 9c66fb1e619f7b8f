"""Citizens' accounts: one per person, signing in with a PIN, and the personal cabinet."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from libs.common.contracts.events import Meta
from libs.common.core.errors import Refused
from libs.common.core.sealing import Keyring, Sealed
from libs.common.core.values import Clock, NewId
from libs.common.delivery.aggregates import Aggregates
from libs.common.storage.reservations import Taken
from libs.common.web.tokens import TokenIssuer
from services.identity import citizens, sign_ins
from services.identity.citizens import Citizen, CitizenFact, Reach
from services.identity.pins import Pins
from services.identity.sign_ins import SignInRules, SignIns
from services.identity.states import Resident


class UniqueFacts(Protocol):
    """Reservations, as `libs.common.storage.reservations.Reservations` keeps them."""

    async def take(self, kind: str, value: str, owner: str) -> None:
        """Reserve a value for an owner, or raise `Taken` with the owner it has."""
        ...

    async def owner(self, kind: str, value: str) -> str | None:
        """Give the owner of a value."""
        ...


@dataclass(frozen=True, slots=True)
class Session:
    """A citizen who signed in."""

    token: str
    citizen_id: str
    expires_at: datetime


class Accounts:
    """Citizens, by an id that a person gets once and keeps.

    Args:
        people: citizens by citizen id.
        tries: tries to sign in, by the pseudonym of a person.
    """

    def __init__(
        self,
        people: Aggregates[Citizen],
        tries: Aggregates[SignIns],
        unique: UniqueFacts,
        pins: Pins,
        tokens: TokenIssuer,
        *,
        rules: SignInRules,
        keyring: Keyring,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._people = people
        self._tries = tries
        self._unique = unique
        self._pins = pins
        self._tokens = tokens
        self._rules = rules
        self._keyring = keyring
        self._clock = clock
        self._new_id = new_id

    async def register(self, resident: Sealed[Resident], reach: Reach, pin: str) -> str:
        """Make the citizen, or give one known before this PIN; give the citizen's id."""
        citizen_id = await self._id_of(reach.person_ref)
        pin_hash = await self._pins.hash(pin)
        await self._people.apply(
            citizen_id, lambda state: citizens.register(state, resident, reach, pin_hash, self._clock())
        )
        await self._tries.apply(reach.person_ref, sign_ins.clear)
        return citizen_id

    async def sign_in(self, iin: str, pin: str) -> Session:
        """Open a session.

        An IIN without a Digital ID is answered like a wrong PIN, in the same time and with the same count of tries.

        Raises:
            Refused: ``pin.wrong``, 401, with ``tries_left``; ``pin.frozen``, 429, with ``retry_at``.
        """
        person_ref = self._keyring.blind("person", iin)
        counted = await self._tries.apply(
            person_ref, lambda state: sign_ins.count_try(state, self._rules, self._clock())
        )
        citizen_id = await self._unique.owner("citizen", person_ref)
        citizen = await self._people.get(citizen_id or "")
        if not await self._pins.match(None if citizen is None else citizen.pin.value, pin) or citizen_id is None:
            raise sign_ins.wrong(counted or SignIns(), self._rules)
        await self._tries.apply(person_ref, sign_ins.clear)
        token = self._tokens.citizen(citizen_id, person_ref, self._rules.session)
        return Session(token, citizen_id, self._clock() + self._rules.session)

    async def cabinet(self, citizen_id: str) -> Citizen:
        """Give what lies in the cabinet.

        Raises:
            Refused: ``citizen.unknown``, 404.
        """
        citizen = await self._people.get(citizen_id)
        if citizen is None:
            raise Refused("citizen.unknown", "There is no such Digital ID here. Please sign in again.", 404)
        return citizen

    async def take_in(self, fact: CitizenFact, meta: Meta) -> None:
        """Put what another service tells into the cabinet of the citizen it is about."""
        await self._people.apply(
            fact.citizen_id, lambda state: citizens.take_in(state, fact, meta.subject, meta.time), cause=meta
        )

    async def _id_of(self, person_ref: str) -> str:
        fresh = self._new_id()
        try:
            await self._unique.take("citizen", person_ref, fresh)
        except Taken as taken:
            return taken.owner
        return fresh
