"""A record counts only as the service whose topic it stands on signed it."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, replace

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from libs.common.contracts.signatures import HEADER, EventKeys, EventSigner, ForgedMessage, key_set, thumbprint

KEYS = {name: Ed25519PrivateKey.generate() for name in ("otp", "identity")}
STRANGER = Ed25519PrivateKey.generate()
TOPIC, KEY, VALUE = "otp.verified", b"journey-1", b'{"phone_ref":"x"}'
HEADERS = (("ce_id", b"1"), ("ce_type", b"otp.verified.v1"), ("ce_time", b"2026-03-02T12:00:00+00:00"))


TRUSTED = EventKeys.parse(key_set({name: key.public_key() for name, key in KEYS.items()}))


@dataclass(frozen=True)
class Record:
    producer: str = "otp"
    topic: str = TOPIC
    key: bytes | None = KEY
    headers: tuple[tuple[str, bytes | None], ...] = ()
    value: bytes = VALUE

    def verify(self) -> None:
        TRUSTED.verify(self.producer, self.topic, self.key, self.headers, self.value)


def signed(by: Ed25519PrivateKey = KEYS["otp"]) -> Record:
    return Record(headers=(*HEADERS, EventSigner(by).sign(TOPIC, KEY, HEADERS, VALUE)))


def claiming(kid: str, by: Ed25519PrivateKey) -> Record:
    """A record signed with one key that names another."""
    signer = EventSigner(by)
    object.__setattr__(signer, "kid", kid)
    return Record(headers=(*HEADERS, signer.sign(TOPIC, KEY, HEADERS, VALUE)))


def renamed(record: Record, name: str, text: bytes) -> Record:
    return replace(record, headers=tuple((n, text if n == name else t) for n, t in record.headers))


def test_what_a_service_signed_is_its_own_wherever_other_headers_stand() -> None:
    record = signed()
    record.verify()
    replace(record, headers=(("retry_count", b"2"), *reversed(record.headers))).verify()


def unsigned(record: Record) -> Record:
    return replace(record, headers=record.headers[:-1])


def algorithm_none(record: Record) -> Record:
    head = urlsafe_b64encode(b'{"alg":"none","kid":"x","b64":false,"crit":["b64"]}').rstrip(b"=")
    return renamed(record, HEADER, head + b"..")


FORGERIES: dict[str, Callable[[Record], Record]] = {
    "unsigned": unsigned,
    "signed twice": lambda record: replace(record, headers=(*record.headers, record.headers[-1])),
    "another value": lambda record: replace(record, value=b'{"phone_ref":"y"}'),
    "another journey": lambda record: replace(record, key=b"journey-2"),
    "another topic": lambda record: replace(record, topic="otp.confirmed"),
    "another producer's topic": lambda record: replace(record, producer="biometrics"),
    "another id": lambda record: renamed(record, "ce_id", b"2"),
    "another time": lambda record: renamed(record, "ce_time", b"2027-03-02T12:00:00+00:00"),
    "an attribute more": lambda record: replace(record, headers=(*record.headers, ("ce_subject", b"x"))),
    "an attribute less": lambda record: replace(record, headers=record.headers[1:]),
    "a line feed": lambda record: renamed(record, "ce_id", b"1\nce_type=x"),
    "not a signature": lambda record: renamed(record, HEADER, b"."),
    "algorithm none": algorithm_none,
    "endless": lambda record: renamed(record, HEADER, b"x" * 100_000),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_record_is_refused(forgery: str) -> None:
    with pytest.raises(ForgedMessage):
        FORGERIES[forgery](signed()).verify()


def test_the_key_of_another_service_or_of_nobody_does_not_count() -> None:
    otp = thumbprint(KEYS["otp"].public_key())
    for record in (
        signed(KEYS["identity"]),
        signed(STRANGER),
        claiming(otp, KEYS["identity"]),
        claiming(otp, STRANGER),
    ):
        with pytest.raises(ForgedMessage):
            record.verify()


@given(st.binary(max_size=300))
def test_no_bytes_in_the_place_of_a_signature_do_more_than_be_refused(junk: bytes) -> None:
    with pytest.raises(ForgedMessage):
        renamed(signed(), HEADER, junk).verify()


def test_a_key_belongs_to_one_service() -> None:
    public = KEYS["otp"].public_key()
    with pytest.raises(ValueError, match="has the key of another service"):
        EventKeys.parse(key_set({"otp": public, "identity": public}))


def test_a_private_key_in_the_key_set_is_noticed() -> None:
    entry = {**jwt.algorithms.OKPAlgorithm.to_jwk(KEYS["otp"], as_dict=True), "service": "otp"}
    with pytest.raises(ValueError, match="a private key"):
        EventKeys.parse(orjson.dumps({"keys": [entry]}))


def test_the_name_of_a_key_is_its_thumbprint() -> None:
    # The example of RFC 8037, appendix A.3.
    octets = urlsafe_b64decode(b"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
    assert thumbprint(Ed25519PublicKey.from_public_bytes(octets)) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
