"""What a decision is: the one thing of the delivery engine that domain code speaks of."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from libs.common.contracts.events import Event

S = TypeVar("S")
A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Decision(Generic[S]):
    """What follows from a fact: the state after it, and the events to publish.

    ``wake_at`` counts only for kinds that do not derive it from their state.
    """

    state: S
    events: tuple[Event, ...] = ()
    wake_at: datetime | None = None


Decide = Callable[[S | None], Decision[S] | None]
"""Decides about a state, None where there is no aggregate yet. No decision: nothing follows."""
Answer = tuple[Decision[S] | None, A]
"""A decision, and what to answer whoever asked for it."""
