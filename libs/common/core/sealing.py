"""Personal data, sealed wherever it leaves memory.

A field of type ``Sealed[T]`` holds a value of ``T`` in the clear in memory and becomes
ciphertext (AES-256-GCM, NIST SP 800-38D) the moment the object around it is turned into JSON. The ciphertext is
bound to the place and field it was written for: moved to another event, document or field it does not open.

Which service can read a field is decided by the keys it holds: ``T.audience`` names the key. A
service without it still reads the rest of the message.
"""

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Generic, TypeVar, get_args

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel, ConfigDict, FieldSerializationInfo, GetCoreSchemaHandler, ValidationInfo
from pydantic_core import core_schema

from libs.common.core.errors import Permanent, Retryable

_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32


class Personal(BaseModel):
    """Data about a person that may travel only sealed. ``audience`` names the key that opens it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    audience: ClassVar[str]


class SealError(Permanent):
    """A sealed field cannot be opened: the key is not held, or the box was changed or moved."""


class KeyNotHere(Retryable):
    """A box was sealed with a newer key of an audience that is held: keys are being rotated, and this one will come."""


T = TypeVar("T", bound=Personal)


@dataclass(frozen=True, slots=True)
class Box:
    """Ciphertext as it stands in JSON: which key, and nonce with ciphertext and tag in base64."""

    kid: str
    box: str


class Keyring:
    """The sealing keys a service holds.

    Args:
        keys: per audience the keys by version, newest last, 32 bytes each. The newest seals; all of them open.
        blind_key: 32 bytes for `blind`, shared by the services that must recognise the same person.
    """

    def __init__(self, keys: Mapping[str, Mapping[str, bytes]], blind_key: bytes) -> None:
        if any(len(key) != _KEY_BYTES for versions in keys.values() for key in versions.values()):
            raise ValueError(f"a sealing key has {_KEY_BYTES} bytes")
        self._current = {audience: f"{audience}.{list(versions)[-1]}" for audience, versions in keys.items()}
        self._ciphers = {
            f"{audience}.{version}": AESGCM(key)
            for audience, versions in keys.items()
            for version, key in versions.items()
        }
        self._blind_key = blind_key

    @classmethod
    def parse(cls, text: str) -> "Keyring":
        """Read a keyring from a setting: ``{"keys": {audience: {version: base64}}, "blind": base64}``."""
        data = json.loads(text)
        keys = {
            audience: {version: base64.b64decode(key) for version, key in versions.items()}
            for audience, versions in data["keys"].items()
        }
        return cls(keys, base64.b64decode(data["blind"]))

    def holds(self, audience: str) -> bool:
        """Return whether this service can seal for and read this audience."""
        return audience in self._current

    def seal(self, audience: str, plain: bytes, place: str) -> Box:
        """Encrypt for an audience, bound to the place where the box will stand."""
        if audience not in self._current:
            raise SealError(f"no key for the audience {audience!r} is held here")
        kid = self._current[audience]
        nonce = os.urandom(_NONCE_BYTES)
        cipher = self._ciphers[kid].encrypt(nonce, plain, f"{kid}|{place}".encode())
        return Box(kid, base64.b64encode(nonce + cipher).decode())

    def open(self, box: Box, place: str) -> bytes:
        """Decrypt a box that was sealed for this place.

        Raises:
            SealError: the key is not held, or the box was altered or brought from elsewhere.
            KeyNotHere: other keys of its audience are held.
        """
        if box.kid not in self._ciphers:
            if self.holds(box.kid.rpartition(".")[0]):
                raise KeyNotHere(f"the key {box.kid!r} is not here yet")
            raise SealError(f"the key {box.kid!r} is not held here")
        try:
            raw = base64.b64decode(box.box, validate=True)
            return self._ciphers[box.kid].decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], f"{box.kid}|{place}".encode())
        except (InvalidTag, ValueError) as error:
            raise SealError("the sealed field was altered, or belongs to another message") from error

    def blind(self, purpose: str, value: str) -> str:
        """Return a stable name for a personal value that does not reveal it: keyed hash, 128 bits, hexadecimal."""
        return hmac.new(self._blind_key, f"{purpose}|{value}".encode(), hashlib.sha256).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Sealing:
    """What turning an object into JSON and back needs: the keys, and the place the JSON belongs to."""

    keyring: Keyring
    place: str


class Sealed(Generic[T]):
    """A value that is in the clear only in the memory of those who hold its key."""

    __slots__ = ("_box", "_value")

    def __init__(self, value: T | None = None, *, box: Box | None = None) -> None:
        self._value = value
        self._box = box

    @property
    def value(self) -> T:
        """The value itself.

        Raises:
            SealError: this service does not hold the key for it.
        """
        if self._value is None:
            raise SealError(f"the key {self._box.kid if self._box else '?'!r} is not held here")
        return self._value

    @property
    def readable(self) -> bool:
        """Whether this service holds the key."""
        return self._value is not None

    def __repr__(self) -> str:
        return "Sealed(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sealed) and (self._value, self._box) == (other._value, other._box)

    def __hash__(self) -> int:
        return hash((self._value, self._box))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Tell pydantic how a sealed field is read, written and described."""
        (kind,) = get_args(source)
        return core_schema.with_info_plain_validator_function(
            lambda raw, info: _read(kind, raw, info),
            serialization=core_schema.plain_serializer_function_ser_schema(
                _write, is_field_serializer=True, info_arg=True
            ),
            metadata={"kind": kind},
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: core_schema.CoreSchema, _handler: Any) -> dict[str, Any]:
        """Describe the box, which is all that a topic or a store ever holds, and what its key's holders find in it."""
        kind = schema["metadata"]["kind"]
        text = {"type": "string"}
        return {
            "type": "object",
            "description": "Sealed personal data (AES-256-GCM)",
            "properties": {"kid": text, "box": text},
            "required": ["kid", "box"],
            "x-audience": kind.audience,
            "x-content": kind.model_json_schema(),
        }


def _read(kind: type[T], raw: Any, info: ValidationInfo) -> Sealed[T]:
    if isinstance(raw, Sealed):
        return raw
    if isinstance(raw, kind):
        return Sealed(raw)
    try:
        box = Box(str(raw["kid"]), str(raw["box"]))
    except (TypeError, KeyError) as error:
        raise ValueError("a sealed field has the members kid and box") from error
    sealing = info.context
    if not isinstance(sealing, Sealing) or not sealing.keyring.holds(kind.audience):
        return Sealed(box=box)
    if box.kid.rpartition(".")[0] != kind.audience:
        raise SealError(f"this field is sealed for {kind.audience!r}, not with the key {box.kid!r}")
    return Sealed(kind.model_validate_json(sealing.keyring.open(box, _place(sealing, info.field_name))))


def _place(sealing: Sealing, field: str | None) -> str:
    """Return what a box is bound to: where the JSON belongs, and the field in it."""
    return f"{sealing.place}|{field}"


def _write(_model: Any, sealed: Sealed[Any], info: FieldSerializationInfo) -> Any:
    if not info.mode_is_json():
        return sealed
    if not sealed.readable:
        # Passing on what one cannot read would carry it away from the place it is bound to.
        raise SealError("a sealed field that cannot be opened here cannot be written either")
    if not isinstance(info.context, Sealing):
        raise SealError("personal data is written only with a keyring at hand")
    value = sealed.value
    box = info.context.keyring.seal(
        value.audience, value.model_dump_json().encode(), _place(info.context, info.field_name)
    )
    return {"kid": box.kid, "box": box.box}
