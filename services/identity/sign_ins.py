"""Tries to sign in, counted per person whether or not they have a Digital ID: an answer must not tell which."""

from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field

from libs.common.core.errors import Refused
from libs.common.delivery.decisions import Decision
from services.identity.states import Frozen


class SignInRules(BaseModel):
    """How many wrong PINs there may be, and how long none is looked at after that."""

    model_config = ConfigDict(frozen=True)

    tries: int = Field(5, ge=1)
    freeze: timedelta = timedelta(minutes=15)
    session: timedelta = timedelta(minutes=30)


class SignIns(Frozen):
    """Wrong PINs in a row, and until when no further one is looked at."""

    failed: int = 0
    frozen_until: datetime | None = None

    def tries_left(self, rules: SignInRules) -> int:
        """Give how many wrong PINs there may still be."""
        return max(rules.tries - self.failed, 0)


def count_try(state: SignIns | None, rules: SignInRules, now: datetime) -> Decision[SignIns]:
    """Count a try before it is made, as if it failed: so no crash gives one away.

    Raises:
        Refused: ``pin.frozen``, 429, with ``retry_at``.
    """
    state = state or SignIns()
    if state.frozen_until is not None and now < state.frozen_until:
        raise frozen(state.frozen_until)
    failed = 1 if state.frozen_until is not None else state.failed + 1
    return Decision(SignIns(failed=failed, frozen_until=now + rules.freeze if failed >= rules.tries else None))


def clear(state: SignIns | None) -> Decision[SignIns] | None:
    """Forget the tries, for the PIN was right."""
    return None if state is None else Decision(SignIns())


def wrong(counted: SignIns, rules: SignInRules) -> Refused:
    """Make the answer to a wrong PIN, and to an IIN that nobody has a Digital ID for."""
    if counted.frozen_until is not None:
        return frozen(counted.frozen_until)
    detail = "IIN and PIN do not belong together. Type the PIN that you chose when you got your Digital ID."
    return Refused("pin.wrong", detail, 401, tries_left=counted.tries_left(rules))


def frozen(until: datetime) -> Refused:
    """Make the answer while no PIN is looked at."""
    detail = "There were too many wrong PINs, so none is looked at for a while. Please wait, then type it with care."
    return Refused("pin.frozen", detail, 429, retry_at=until)
