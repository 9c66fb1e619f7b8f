"""What the citizen's own program signs, the authority's verification takes."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from libs.citizen.keystore import Holding
from libs.citizen.xml_signing import sign_xml
from services.ca.xml_signatures import read_xml
from tests.unit.ca.authority import NOW, CertificationAuthority

KEYS: dict[str, Callable[[], ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey]] = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "RSA-2048": lambda: rsa.generate_private_key(65537, 2048),
}


@pytest.mark.parametrize("kind", KEYS)
def test_an_xml_signed_by_the_local_agent_counts(authority: CertificationAuthority, kind: str) -> None:
    key = KEYS[kind]()
    begin = NOW - timedelta(days=1)
    certificate = authority.issue(authority.order(key.public_key(), not_before=begin))
    holding = Holding(key, certificate)
    once = sign_xml('<?xml version="1.0" encoding="UTF-8"?><doc><sum>5</sum></doc>', holding)

    (signature,), covered = read_xml(once.encode(), authority.trust, NOW)

    assert (signature.reason, signature.certificate) == (None, certificate)
    assert covered == b"<doc><sum>5</sum></doc>"
