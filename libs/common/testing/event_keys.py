"""Keys by which the services of a test sign their events, made anew for each run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from typing_extensions import override

from libs.common.contracts.signatures import EventKeys, EventSigner, Headers, Signer, key_set
from libs.common.contracts.topics import PRODUCERS
from libs.common.core.kafka_access import KafkaAccess
from libs.common.delivery.consumption import Authenticate
from libs.common.delivery.kafka import KafkaPublisher, KafkaSettings, authentic

KEYS: Final = {service: Ed25519PrivateKey.generate() for service in sorted(set(PRODUCERS.values()))}
JWKS: Final = key_set({service: key.public_key() for service, key in KEYS.items()})


def pem(service: str) -> str:
    """Return a service's private key, as its settings take it."""
    return KEYS[service].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


ONE_SIGNER: Final = EventSigner(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
"""Signs for the one service of a test that has topics of its own, in whichever process."""


def only(service: str, *topics: str) -> Authenticate:
    """Accept what that service signs on these topics."""
    keys = EventKeys.parse(key_set({service: ONE_SIGNER.key.public_key()}))
    return partial(authentic, keys, dict.fromkeys(topics, service))


@dataclass(frozen=True)
class EveryProducer(Signer):
    """Signs each event as the service whose topic it is published on: all other services in one."""

    keys: Mapping[str, Ed25519PrivateKey] = field(default_factory=lambda: KEYS)

    @override
    def sign(self, topic: str, key: bytes, headers: Headers, value: bytes) -> tuple[str, bytes]:
        return EventSigner(self.keys[PRODUCERS[topic]]).sign(topic, key, headers, value)


def keys_of(folder: Path) -> dict[str, Ed25519PrivateKey]:
    """Read the keys that `deploy.keys` made in this folder."""
    found = {service: load_pem_private_key((folder / service / "event.pem").read_bytes(), None) for service in KEYS}
    return {service: key for service, key in found.items() if isinstance(key, Ed25519PrivateKey)}


def everybody(bootstrap: str, *, idempotence: bool = False) -> KafkaPublisher:
    """Return a publisher that stands in for all services."""
    return KafkaPublisher(KafkaSettings(KafkaAccess(bootstrap), "everybody", idempotence), EveryProducer())
