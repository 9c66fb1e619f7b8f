"""Accounts: register, sign in, find a citizen."""

from libs.common.contracts.http.identity import CitizenSession
from libs.common.core.errors import Refused
from libs.common.core.sealing import Keyring, Sealed
from libs.common.core.values import Clock, NewId
from libs.common.delivery.aggregates import Aggregates
from libs.common.storage.reservations import Reservations, Taken
from libs.common.web.tokens import TokenIssuer
from services.identity.accounts import domain
from services.identity.accounts.domain import SignInRules
from services.identity.accounts.hashing import Pins
from services.identity.accounts.states import Citizen, Reach, SignInTries
from services.identity.refusals import Refusal
from services.identity.register.people import Resident


class Accounts:
    """Citizens, by an id that a person gets once and keeps.

    Args:
        citizens: by citizen id.
        tries: tries to sign in, by the pseudonym of a person.
    """

    def __init__(
        self,
        citizens: Aggregates[Citizen],
        tries: Aggregates[SignInTries],
        reservations: Reservations,
        pins: Pins,
        tokens: TokenIssuer,
        *,
        rules: SignInRules,
        keyring: Keyring,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._citizens = citizens
        self._tries = tries
        self._reservations = reservations
        self._pins = pins
        self._tokens = tokens
        self._rules = rules
        self._keyring = keyring
        self._clock = clock
        self._new_id = new_id

    async def register(self, resident: Sealed[Resident], reach: Reach, pin: str) -> str:
        """Make the citizen, or give a known one this PIN. Returns the citizen's id."""
        citizen_id = await self._id_of(reach.person_ref)
        pin_hash = await self._pins.hash(pin)
        await self._citizens.apply(
            citizen_id, lambda state: domain.register(state, resident, reach, pin_hash, self._clock())
        )
        await self._tries.apply(reach.person_ref, domain.forget_tries)
        return citizen_id

    async def sign_in(self, iin: str, pin: str) -> CitizenSession:
        """Open a session.

        An IIN without a Digital ID is answered like a wrong PIN, in the same time and with the same count of tries.

        Raises:
            Refused: ``pin.wrong``, with ``tries_left``; ``pin.frozen``, with ``retry_at``.
        """
        person_ref = self._keyring.blind("person", iin)
        counted = await self._tries.apply(person_ref, lambda state: domain.count_try(state, self._rules, self._clock()))
        citizen_id = await self._reservations.owner("citizen", person_ref)
        citizen = await self._citizens.get(citizen_id or "")
        if not await self._pins.match(None if citizen is None else citizen.pin.value, pin) or citizen_id is None:
            raise domain.wrong(counted or SignInTries(), self._rules)
        await self._tries.apply(person_ref, domain.forget_tries)
        token = self._tokens.citizen(citizen_id, person_ref, self._rules.session)
        return CitizenSession(token=token, citizen_id=citizen_id, expires_at=self._clock() + self._rules.session)

    async def citizen(self, citizen_id: str) -> Citizen:
        """Return the citizen of a session.

        Raises:
            Refused: ``citizen.unknown``.
        """
        citizen = await self._citizens.get(citizen_id)
        if citizen is None:
            raise Refused(Refusal.CITIZEN_UNKNOWN)
        return citizen

    async def _id_of(self, person_ref: str) -> str:
        fresh = self._new_id()
        try:
            await self._reservations.take("citizen", person_ref, fresh)
        except Taken as taken:
            return taken.owner
        return fresh
