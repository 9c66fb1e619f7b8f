"""The trace a piece of work belongs to (W3C Trace Context), handed from request to message to message."""

import random
from contextvars import ContextVar

traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)


def new_traceparent() -> str:
    """Begin a trace: version 00, random ids, sampled."""
    trace, span = random.getrandbits(128), random.getrandbits(64)
    return f"00-{trace:032x}-{span:016x}-01"


def current_traceparent() -> str:
    """Return the trace of the present task, or begin one."""
    return traceparent.get() or new_traceparent()
