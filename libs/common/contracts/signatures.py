"""Events have an author: the signature that travels with each record, and who may sign what.

The header ``ce_signature`` holds a detached JWS (RFC 7515, RFC 7797) by Ed25519 (RFC 8037) over `signed_octets`: topic,
key, all CloudEvents attributes and the value. A key set (RFC 7517) names for each key the service that holds it;
`libs.common.contracts.topics` names for each topic the service that may publish to it.
"""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, Self

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from jwt.algorithms import OKPAlgorithm
from jwt.api_jws import PyJWS
from typing_extensions import override

from libs.common.contracts.events import MalformedMessage

HEADER: Final = "ce_signature"
ALGORITHM: Final = "EdDSA"
_JWS: Final = PyJWS(algorithms=[ALGORITHM])
_COVERED: Final = ("content-type", "traceparent")
_MAX_SIGNATURE: Final = 1000

Headers = Sequence[tuple[str, bytes | None]]


class ForgedMessage(MalformedMessage):
    """A record that the service whose topic it stands on did not sign, or a fact that is none of that service's."""


def signed_octets(topic: str, key: bytes | None, headers: Headers, value: bytes) -> bytes:
    """Return what a signature covers, so that each part has one place and none can run into the next.

    Lines end with a line feed: topic, key, each covered header as ``name=value`` in the order of the names, and the
    SHA-256 of the value. Headers that brokers and tools add are not covered.
    """
    covered = sorted((name, text or b"") for name, text in headers if _covered(name))
    lines = [topic.encode(), key or b"", *(name.encode() + b"=" + text for name, text in covered)]
    if any(b"\n" in line for line in lines):
        raise ForgedMessage("a line feed stands in the key or a header")
    return b"\n".join([*lines, hashlib.sha256(value).hexdigest().encode()])


class Signer(Protocol):
    """Signs the records that are published."""

    def sign(self, topic: str, key: bytes, headers: Headers, value: bytes) -> tuple[str, bytes]:
        """Return the header that makes these a signed record of the topic."""
        ...


@dataclass(frozen=True, slots=True)
class EventSigner(Signer):
    """Signs the records that one service publishes."""

    key: Ed25519PrivateKey
    kid: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kid", thumbprint(self.key.public_key()))

    @override
    def sign(self, topic: str, key: bytes, headers: Headers, value: bytes) -> tuple[str, bytes]:
        header = {"kid": self.kid, "b64": False, "crit": ["b64"], "typ": None}
        octets = signed_octets(topic, key, headers, value)
        return HEADER, _JWS.encode(octets, self.key, ALGORITHM, header, is_payload_detached=True).encode()


@dataclass(frozen=True, slots=True)
class EventKeys:
    """The published keys of all services: by the key's thumbprint, the service that signs with it, and the key.

    A service may have several: during a rotation consumers know the new key before it is used, and the old one for as
    long as its records stand on the topics.
    """

    keys: Mapping[str, tuple[str, Ed25519PublicKey]]

    @classmethod
    def parse(cls, key_set: str | bytes) -> Self:
        """Read a key set, in which each key has the member ``service``.

        Raises:
            ValueError: it is none, or a key belongs to two services.
        """
        found: dict[str, tuple[str, Ed25519PublicKey]] = {}
        for entry in orjson.loads(key_set)["keys"]:
            if "d" in entry:
                raise ValueError("a private key stands in the key set")
            key, service = jwt.PyJWK(entry, ALGORITHM).key, str(entry["service"])
            if found.setdefault(thumbprint(key), (service, key))[0] != service:
                raise ValueError(f"{service} has the key of another service")
        return cls(found)

    def verify(self, producer: str, topic: str, key: bytes | None, headers: Headers, value: bytes) -> None:
        """Accept a record only as its producer signed it.

        Args:
            producer: the service that may publish to this topic.
            topic: where the record was first published, also for a record that was parked.

        Raises:
            ForgedMessage: no signature or two, by an unknown key or that of another service, or over something else.
        """
        signatures = [text or b"" for name, text in headers if name == HEADER]
        if len(signatures) != 1 or len(signatures[0]) > _MAX_SIGNATURE:
            raise ForgedMessage("the message carries no signature, or more than one")
        try:
            kid = str(_JWS.get_unverified_header(signatures[0]).get("kid"))
            service, public = self.keys.get(kid, (None, None))
            if service != producer or public is None:
                raise ForgedMessage(f"the message is not signed with a key of {producer}")
            octets = signed_octets(topic, key, headers, value)
            _JWS.decode(signatures[0], public, [ALGORITHM], detached_payload=octets)
        except jwt.PyJWTError as error:
            raise ForgedMessage("the signature is not over this message") from error


def thumbprint(key: Ed25519PublicKey) -> str:
    """Return the name of a key: its JWK thumbprint (RFC 7638, RFC 8037 appendix A.3)."""
    members = {"crv": "Ed25519", "kty": "OKP", "x": urlsafe_b64encode(key.public_bytes_raw()).rstrip(b"=").decode()}
    return urlsafe_b64encode(hashlib.sha256(orjson.dumps(members)).digest()).rstrip(b"=").decode()


def key_set(keys: Mapping[str, Ed25519PublicKey]) -> str:
    """Write the key set of these services, a key each."""
    entries = [
        {**OKPAlgorithm.to_jwk(key, as_dict=True), "kid": thumbprint(key), "alg": ALGORITHM, "service": service}
        for service, key in keys.items()
    ]
    return orjson.dumps({"keys": entries}).decode()


def _covered(name: str) -> bool:
    return (name.startswith("ce_") and name != HEADER) or name in _COVERED
