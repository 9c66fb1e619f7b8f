"""What happens to a message whose handling failed: tried again in place, parked for later, or given up.

Parked messages keep their bytes and headers; what is added begins with ``x-``. A dead letter can be looked at and
redriven with `python -m libs.common.delivery.dead_letters`.

Where a message is parked follows from the topic it stands on, never from what it says about itself, and what was
added is believed only on the topics where we add it: else one header could stop a consumer, or send a message where
nobody reads it.
"""

import random
import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from libs.common.contracts.topics import dead_letter_topic, is_dead_letter_topic, is_retry_topic, origin_of, retry_topic
from libs.common.core.errors import Permanent, Refused, Retryable

HeaderList = Sequence[tuple[str, bytes | None]]

ATTEMPT: Final = "x-attempt"
NOT_BEFORE: Final = "x-not-before"
ORIGIN: Final = "x-origin"
FAILURE: Final = "x-failure"
LEFT_BEHIND: Final = "x-left-behind"
_ADDED: Final = frozenset({ATTEMPT, NOT_BEFORE, ORIGIN, FAILURE, LEFT_BEHIND})
_TEXT_LIMIT: Final = 300

MAX_PARKED_BYTES: Final = 2 * 1024 * 1024
"""More than a broker takes at its default. Compressed, a record can hold more: then only its place is kept."""


class Record(Protocol):
    """What we use of a Kafka record."""

    @property
    def topic(self) -> str: ...  # noqa: D102 - the names are Kafka's
    @property
    def partition(self) -> int: ...  # noqa: D102
    @property
    def offset(self) -> int: ...  # noqa: D102
    @property
    def key(self) -> bytes | None: ...  # noqa: D102
    @property
    def value(self) -> bytes | None: ...  # noqa: D102
    @property
    def headers(self) -> HeaderList: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class RawMessage:
    """A record to be written: bytes as they came, headers added to."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and after which pauses a failed message is tried again.

    Args:
        in_place: tries at once, one after the other, before a message is parked.
        pause_s: the pause before the second of them; it doubles, spread by half.
        parked_s: the pause before each later round; after the last of them the message is a dead letter.
    """

    in_place: int = 3
    pause_s: float = 0.05
    parked_s: tuple[float, ...] = (2.0, 10.0, 30.0, 60.0)

    def pause_in_place(self, tries: int) -> float | None:
        """Return the pause after so many tries in place, in seconds; None: park it."""
        if tries >= self.in_place:
            return None
        return float(self.pause_s * 2 ** (tries - 1) * random.uniform(0.5, 1.5))  # noqa: S311 - a spread, not a secret

    def pause_parked(self, attempt: int) -> float | None:
        """Return the pause before round ``attempt`` + 1, in seconds; None: give up."""
        return self.parked_s[attempt] if attempt < len(self.parked_s) else None


class Circuit:
    """Stops a consumer that would give up everything: a broken deployment is not a queue of bad messages.

    Args:
        limit: so many messages given up within the window open the circuit.
        window_s: length of the window; the circuit closes as the failures in it grow old.
    """

    def __init__(self, limit: int = 20, window_s: float = 60.0) -> None:
        self._limit = limit
        self._window = timedelta(seconds=window_s)
        self._failures: deque[datetime] = deque(maxlen=limit)

    def is_open(self, now: datetime) -> bool:
        """Return whether one more message given up would be one too many."""
        return len(self._failures) == self._limit and now - self._failures[0] < self._window

    def gave_up(self, now: datetime) -> None:
        """Count a message that was given up."""
        self._failures.append(now)


def is_hopeless(error: Exception) -> bool:
    """Return whether trying again cannot help: the message is malformed, or a rule forbids it."""
    return isinstance(error, (Permanent, Refused))


def attempt_of(record: Record) -> int:
    """Return how many rounds a message has behind it: 0 for one that comes from its own topic."""
    text = _added(record, ATTEMPT)
    return int(text) if text and re.fullmatch(r"[0-9]{1,3}", text) else 0


def not_before(record: Record) -> datetime | None:
    """Return the time before which a parked message must not be tried; None if there is none, or none that is one."""
    try:
        due = datetime.fromisoformat(_added(record, NOT_BEFORE) or "")
    except ValueError:
        return None
    return None if due.tzinfo is None else due


def origin(record: Record) -> str:
    """Return the place a message was first read from, as ``topic/partition/offset``."""
    return _added(record, ORIGIN) or f"{record.topic}/{record.partition}/{record.offset}"


def parked(record: Record, group: str, error: Exception, due: datetime) -> RawMessage:
    """Return the message as it goes to the retry topic."""
    added = {ATTEMPT: str(attempt_of(record) + 1), NOT_BEFORE: due.isoformat()}
    return _moved(record, retry_topic(origin_of(record.topic), group), error, added)


def dead_letter(record: Record, group: str, error: Exception) -> RawMessage:
    """Return the message as it goes to the dead-letter topic."""
    return _moved(record, dead_letter_topic(origin_of(record.topic), group), error, {ATTEMPT: str(attempt_of(record))})


def unreadable(topic: str, partition: int, offset: int, group: str) -> RawMessage:
    """Return the dead letter of a record that could not even be read: nothing but its place is known."""
    added = {ATTEMPT: "0", ORIGIN: f"{topic}/{partition}/{offset}", FAILURE: "MalformedMessage: not readable"}
    return RawMessage(dead_letter_topic(origin_of(topic), group), None, b"", _encoded({**added, LEFT_BEHIND: "0"}))


def redriven(record: Record) -> RawMessage:
    """Return a dead letter as it goes back to the topic it came from, without what parking added."""
    headers = tuple((name, value) for name, value in record.headers if name not in _ADDED)
    return RawMessage(origin_of(record.topic), record.key, record.value, headers)


def left_behind(record: Record) -> int | None:
    """Return the size in bytes of a dead letter too large to be moved; it is where `origin` says, or nowhere."""
    text = _added(record, LEFT_BEHIND)
    return int(text) if text and re.fullmatch(r"[0-9]{1,12}", text) else None


def _moved(record: Record, topic: str, error: Exception, added: dict[str, str]) -> RawMessage:
    added = {**added, ORIGIN: origin(record), FAILURE: failure_text(error)}
    kept = tuple((name, value) for name, value in record.headers if name not in _ADDED)
    size = len(record.key or b"") + len(record.value or b"") + sum(len(n) * 4 + len(v or b"") for n, v in kept)
    if size <= MAX_PARKED_BYTES:
        return RawMessage(topic, record.key, record.value, kept + _encoded(added))
    return RawMessage(topic, None, b"", _encoded({**added, LEFT_BEHIND: str(size)}))


def _encoded(headers: dict[str, str]) -> tuple[tuple[str, bytes], ...]:
    return tuple((name, text.encode(errors="replace")) for name, text in headers.items())


def failure_text(error: Exception) -> str:
    """Say what failed. Only our own errors' words: those of others may quote personal data."""
    ours = isinstance(error, (Permanent, Retryable, Refused))
    return f"{type(error).__name__}: {error}"[:_TEXT_LIMIT] if ours else type(error).__name__


def _added(record: Record, name: str) -> str | None:
    if is_retry_topic(record.topic) or is_dead_letter_topic(record.topic):
        for header, value in record.headers:
            if header == name and value is not None:
                return value.decode(errors="replace")
    return None
