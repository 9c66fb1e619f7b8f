"""What is decided about accounts: who is registered, and how often a PIN may be tried. Pure.

Tries are counted per person whether or not they have a Digital ID: no answer may show which.
"""

from datetime import datetime, timedelta

from pydantic import Field

from libs.common.core.errors import Refused
from libs.common.core.model import Model, evolve
from libs.common.core.sealing import Sealed
from libs.common.delivery.decisions import Decision
from services.identity.accounts.pins import PinHash
from services.identity.accounts.states import Citizen, Reach, SignInTries
from services.identity.refusals import Refusal
from services.identity.register.people import Resident


class SignInRules(Model):
    """The limits of signing in.

    Attributes:
        tries: wrong PINs in a row before a freeze.
        freeze: how long no PIN is compared after that.
        session: how long a session lasts.
    """

    tries: int = Field(5, ge=1)
    freeze: timedelta = timedelta(minutes=15)
    session: timedelta = timedelta(minutes=30)


def register(
    state: Citizen | None, resident: Sealed[Resident], reach: Reach, pin: PinHash, now: datetime
) -> Decision[Citizen]:
    """Make a citizen, or renew what we know of one: whoever proved phone and face again chooses the PIN anew."""
    if state is None:
        return Decision(Citizen(resident=resident, reach=reach, pin=Sealed(pin), registered_at=now))
    return Decision(evolve(state, Citizen, resident=resident, reach=reach, pin=Sealed(pin)))


def count_try(state: SignInTries | None, rules: SignInRules, now: datetime) -> Decision[SignInTries]:
    """Count a try before it is made, as if it failed: so no crash gives one away.

    Raises:
        Refused: ``pin.frozen``, with ``retry_at``.
    """
    state = state or SignInTries()
    if state.frozen_until is not None and now < state.frozen_until:
        raise frozen(state.frozen_until)
    failed = 1 if state.frozen_until is not None else state.failed + 1
    return Decision(SignInTries(failed=failed, frozen_until=now + rules.freeze if failed >= rules.tries else None))


def forget_tries(state: SignInTries | None) -> Decision[SignInTries] | None:
    """Forget the tries, for the PIN was right."""
    return None if state is None else Decision(SignInTries())


def wrong(counted: SignInTries, rules: SignInRules) -> Refused:
    """Return the refusal of a wrong PIN, and of an IIN that nobody has a Digital ID for."""
    if counted.frozen_until is not None:
        return frozen(counted.frozen_until)
    return Refused(Refusal.PIN_WRONG, tries_left=max(rules.tries - counted.failed, 0))


def frozen(until: datetime) -> Refused:
    """Return the refusal while no PIN is compared."""
    return Refused(Refusal.PIN_FROZEN, retry_at=until)
