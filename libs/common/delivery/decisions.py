"""What a decision is: the one thing of the delivery engine that domain code speaks of."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from libs.common.contracts.events import Event

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Decision(Generic[S]):
    """What follows from a fact: the state after it, the events to tell, and when to be woken (None: no timer).

    ``wake_at`` is stated anew by every decision. A time that is not in the future means: there is work to do now.
    """

    state: S
    events: tuple[Event, ...] = ()
    wake_at: datetime | None = None


Decide = Callable[[S | None], Decision[S] | None]
