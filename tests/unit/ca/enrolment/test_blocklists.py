"""Keys that others have too are found in the list."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from services.ca.enrolment.blocklists import Blocklist, read_blocklist
from tests.unit.ca.enrolment.blocklists import PublicKey, badkeys_of, spki

KEYS: list[PublicKey] = [
    *(rsa.generate_private_key(65537, 2048).public_key() for _ in range(2)),
    *(ec.generate_private_key(curve).public_key() for curve in (ec.SECP256R1(), ec.SECP384R1()) for _ in range(20)),
]


def test_exactly_the_listed_keys_are_found(tmp_path: Path) -> None:
    listed = KEYS[::2]

    found = read_blocklist(badkeys_of(tmp_path, listed))

    assert len(found) == len(listed)
    assert [found.holds(spki(each)) for each in KEYS] == [each in listed for each in KEYS]


def test_without_a_list_no_key_is_on_it() -> None:
    assert not read_blocklist(None).holds(spki(KEYS[0]))


def test_a_modulus_that_is_listed_is_refused_with_every_exponent(tmp_path: Path) -> None:
    """Whoever knows the factors has all of its keys: OpenSSL's ``genrsa -3`` made the same moduli."""
    numbers = KEYS[0].public_numbers()
    assert isinstance(numbers, rsa.RSAPublicNumbers)
    other = rsa.RSAPublicNumbers(3, numbers.n).public_key()

    assert read_blocklist(badkeys_of(tmp_path, [KEYS[0]])).holds(spki(other))


def test_a_point_is_refused_with_its_mirror_image(tmp_path: Path) -> None:
    """Their private keys are each other's negative."""
    point = KEYS[-1].public_numbers()
    assert isinstance(point, ec.EllipticCurvePublicNumbers)
    prime = 2**384 - 2**128 - 2**96 + 2**32 - 1
    mirrored = ec.EllipticCurvePublicNumbers(point.x, prime - point.y, ec.SECP384R1()).public_key()

    assert read_blocklist(badkeys_of(tmp_path, [KEYS[-1]])).holds(spki(mirrored))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: b"",
        lambda entries: entries[:-1],
        lambda entries: entries[::-1],
        lambda entries: entries[16:] + entries,
    ],
)
def test_a_list_that_was_cut_off_or_is_out_of_order_is_refused_at_start(
    tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    path = badkeys_of(tmp_path, KEYS)
    path.write_bytes(spoil(path.read_bytes()))

    with pytest.raises(ValueError, match="badkeys"):
        read_blocklist(path)


@given(others=st.sets(st.binary(min_size=16, max_size=16), max_size=60))
def test_a_key_is_found_wherever_it_stands_in_the_list(others: set[bytes]) -> None:
    number = KEYS[2].public_numbers()
    assert isinstance(number, ec.EllipticCurvePublicNumbers)
    own = hashlib.sha256(number.x.to_bytes((number.x.bit_length() + 7) // 8, "big")).digest()[:15] + b"\x07"

    assert Blocklist(b"".join(sorted({*others, own}))).holds(spki(KEYS[2]))
    assert not Blocklist(b"".join(sorted(others))).holds(spki(KEYS[2]))
