"""Facts that services tell each other, as CloudEvents 1.0 in Kafka's binary mode.

The headers carry the CloudEvents attributes, the value is the event as JSON. What a service knows of a message it
received is a `Received`: the event and its `Meta`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from libs.common.core.errors import Permanent
from libs.common.core.sealing import Keyring, SealError, Sealing

SPEC_VERSION: Final = "1.0"
EARLIEST: Final = datetime(2020, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC)
"""Arithmetic with a time near the end of the calendar fails, so a message that claims one is malformed."""
MAX_EVENT_BYTES: Final = 256 * 1024
Headers = tuple[tuple[str, bytes], ...]


class Event(BaseModel):
    """One kind of fact. Subclasses name the topic; fields are only ever added, with a usable default."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    topic: ClassVar[str]
    version: ClassVar[int] = 1

    @classmethod
    def type(cls) -> str:
        """Return the CloudEvents type: topic and major version, as in ``otp.verified.v1``."""
        return f"{cls.topic}.v{cls.version}"


E = TypeVar("E", bound=Event)
E_co = TypeVar("E_co", bound=Event, covariant=True)


@dataclass(frozen=True, slots=True)
class Meta:
    """The CloudEvents attributes of one message.

    ``subject`` is the journey or application the fact is about, and the Kafka key. ``correlation_id`` stays the same
    along a whole saga; ``causation_id`` is the message that led to this one.
    """

    id: str
    type: str
    source: str
    time: datetime
    subject: str
    correlation_id: str
    causation_id: str | None = None
    traceparent: str | None = None

    def place(self) -> str:
        """Name the place sealed fields of this message are bound to."""
        return f"{self.type}|{self.subject}|{self.id}"

    def headers(self) -> Headers:
        """Return the Kafka headers of the CloudEvents binary mode."""
        pairs = {
            "ce_specversion": SPEC_VERSION,
            "ce_id": self.id,
            "ce_type": self.type,
            "ce_source": self.source,
            "ce_time": self.time.isoformat(),
            "ce_subject": self.subject,
            "ce_correlationid": self.correlation_id,
            "ce_causationid": self.causation_id,
            "traceparent": self.traceparent,
            "content-type": "application/json",
        }
        return tuple((name, text.encode()) for name, text in pairs.items() if text is not None)


@dataclass(frozen=True, slots=True)
class Received(Generic[E_co]):
    """An event that arrived, with what the message says about itself."""

    event: E_co
    meta: Meta


class MalformedMessage(Permanent):
    """A message nobody can act on: wrong headers, wrong version, not the promised JSON."""


def encode(event: Event, meta: Meta, keyring: Keyring) -> bytes:
    """Turn an event into the value of a Kafka record, sealing what is personal.

    Raises:
        ValueError: it is too large; everybody would have to refuse it.
    """
    value = event.__pydantic_serializer__.to_json(event, context=Sealing(keyring, meta.place()))
    if len(value) > MAX_EVENT_BYTES:
        raise ValueError(f"an event of type {meta.type} would have {len(value)} bytes; {MAX_EVENT_BYTES} are allowed")
    return value


def decode(kind: type[E], meta: Meta, value: bytes, keyring: Keyring) -> E:
    """Read the value of a Kafka record.

    Raises:
        MalformedMessage: too large, not JSON, not of this kind, or a sealed field was tampered with.
        KeyNotHere: a sealed field needs a newer key than this service was given.
    """
    if len(value) > MAX_EVENT_BYTES:
        raise MalformedMessage(f"the message has {len(value)} bytes; {MAX_EVENT_BYTES} are allowed")
    try:
        return kind.model_validate_json(value, context=Sealing(keyring, meta.place()))
    except ValidationError as error:
        # pydantic's own text quotes the input; what is personal must not reach a log or a dead letter's header.
        fields = ", ".join(".".join(map(str, e["loc"])) or e["type"] for e in error.errors(include_input=False))
        raise MalformedMessage(f"not a valid {meta.type}: {fields}"[:300]) from None
    except SealError as error:
        raise MalformedMessage(str(error)) from error


def read_meta(headers: Sequence[tuple[str, bytes | None]], key: bytes | None) -> Meta:
    """Read the CloudEvents attributes from Kafka headers.

    Raises:
        MalformedMessage: a mandatory attribute is missing, empty, twice, too long or not text, the version of
            CloudEvents is another, or the key is not the subject.
    """
    try:
        text = {name: value.decode() for name, value in headers if value and name in _READ}
        if (version := text["ce_specversion"]) != SPEC_VERSION:
            raise MalformedMessage(f"CloudEvents {version[:20]!r} is not read here, only {SPEC_VERSION}")
        meta = Meta(
            id=text["ce_id"],
            type=text["ce_type"],
            source=text["ce_source"],
            time=datetime.fromisoformat(text["ce_time"]),
            subject=text["ce_subject"],
            correlation_id=text.get("ce_correlationid", text["ce_id"]),
            causation_id=text.get("ce_causationid"),
            traceparent=text.get("traceparent"),
        )
    except KeyError as error:
        raise MalformedMessage(f"the header {error} is missing") from None
    except ValueError:
        raise MalformedMessage("a CloudEvents header is not readable") from None
    return _checked(meta, headers, key)


_READ: Final = frozenset(
    {
        "ce_specversion",
        "ce_id",
        "ce_type",
        "ce_source",
        "ce_time",
        "ce_subject",
        "ce_correlationid",
        "ce_causationid",
        "traceparent",
    }
)
_MAX_ATTRIBUTE: Final = 200


def _checked(meta: Meta, headers: Sequence[tuple[str, bytes | None]], key: bytes | None) -> Meta:
    names = [name for name, _ in headers if name in _READ]
    if len(names) != len(set(names)):
        raise MalformedMessage("a CloudEvents header stands twice")
    if key != meta.subject.encode():
        raise MalformedMessage("the record's key is not its subject")
    if meta.time.tzinfo is None:
        raise MalformedMessage("ce_time has no time zone")
    if not EARLIEST <= meta.time <= LATEST:
        raise MalformedMessage("ce_time is outside what this system can live through")
    attributes = (meta.id, meta.type, meta.source, meta.subject, meta.correlation_id, meta.causation_id)
    if max(len(text) for text in (*attributes, meta.traceparent) if text is not None) > _MAX_ATTRIBUTE:
        raise MalformedMessage(f"a CloudEvents attribute is longer than {_MAX_ATTRIBUTE} characters")
    return meta


def schema_of(kind: type[Event]) -> Mapping[str, Any]:
    """Return the JSON Schema of an event, as published to downstream systems.

    Fields with a default are not required: records older than such a field still stand on the topic.
    """
    return kind.model_json_schema(mode="validation")
