"""What tests of signatures and of certificates both need."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import strategies as st

from libs.common.pki.cms import verify_detached
from libs.common.pki.cms_refusals import SignatureRefused
from libs.common.pki.trust import TrustAnchors
from services.ca.authority.issuers import PrivateKey
from tests.unit.ca.hierarchies import NOW
from tests.unit.ca.signing import DATA, Signer

KEYS: dict[str, PrivateKey] = {
    "P-256": ec.generate_private_key(ec.SECP256R1()),
    "P-384": ec.generate_private_key(ec.SECP384R1()),
    "RSA-2048": rsa.generate_private_key(65537, 2048),
}
SOON = NOW + timedelta(hours=1)
MakeSigner = Callable[..., Signer]


def refusal(signature: bytes, trust: TrustAnchors, data: bytes = DATA, at: datetime = SOON) -> str:
    with pytest.raises(SignatureRefused) as caught:
        verify_detached(signature, data, trust, at)
    return caught.value.fault


mutations = st.lists(
    st.tuples(
        st.sampled_from(["flip", "set", "cut", "insert", "repeat"]), st.integers(0, 1 << 16), st.integers(1, 255)
    ),
    min_size=1,
    max_size=4,
)


def mutated(content: bytes, changes: list[tuple[str, int, int]]) -> bytes:
    octets = bytearray(content)
    for kind, place, value in changes:
        at = place % max(1, len(octets))
        match kind:
            case "flip":
                octets[at : at + 1] = bytes(octet ^ value for octet in octets[at : at + 1])
            case "set":
                octets[at : at + 1] = bytes([value])
            case "cut":
                del octets[at : at + value]
            case "insert":
                octets[at:at] = bytes([value])
            case "repeat":
                octets[at:at] = octets[at : at + value]
    return bytes(octets)
