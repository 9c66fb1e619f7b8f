"""What a decision is: the one thing of the delivery engine that domain code speaks of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from libs.common.contracts.events import Event

S = TypeVar("S")
A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Decision(Generic[S]):
    """What follows from a fact: the state after it, and the events to publish."""

    state: S
    events: tuple[Event, ...] = ()


Decide = Callable[[S | None], Decision[S] | None]
"""Decides about a state, None where there is no aggregate yet. No decision: nothing follows."""
Answer = tuple[Decision[S] | None, A]
"""A decision, and what to answer whoever asked for it."""
