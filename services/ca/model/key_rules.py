"""Which public keys may be certified."""

import math
from enum import StrEnum
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa

CURVES: Final = (ec.SECP256R1, ec.SECP384R1)
RSA_BITS: Final = range(2048, 4096 + 1)
RSA_EXPONENT: Final = 65537

_SMALL_PRIMES: Final = math.prod(n for n in range(2, 752) if all(n % d for d in range(2, math.isqrt(n) + 1)))
_FERMAT_ROUNDS: Final = 100
_SIEVE: Final = 64 * 9 * 5 * 7 * 11
_SQUARES: Final = frozenset(n * n % _SIEVE for n in range(_SIEVE))
_ROCA_PRIMES: Final = tuple(n for n in range(11, 168) if all(n % d for d in range(2, math.isqrt(n) + 1)))


class Weakness(StrEnum):
    """Why a key may not be certified."""

    CURVE = "key_curve"
    SIZE = "key_size"
    EXPONENT = "key_exponent"
    FACTORABLE = "key_factorable"
    ROCA = "key_roca"


SENTENCES: Final = {
    Weakness.CURVE: "an EC key must lie on P-256 or P-384",
    Weakness.SIZE: f"an RSA key must have {RSA_BITS.start} to {RSA_BITS.stop - 1} bits",
    Weakness.EXPONENT: f"an RSA key must have the public exponent {RSA_EXPONENT}",
}


def key_size_weakness(key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> Weakness | None:
    """Return which of curve, size and exponent is not allowed; None if all are."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return None if isinstance(key.curve, CURVES) else Weakness.CURVE
    if key.key_size not in RSA_BITS:
        return Weakness.SIZE
    return None if key.public_numbers().e == RSA_EXPONENT else Weakness.EXPONENT


def key_weakness(key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> Weakness | None:
    """Return why a key may not be certified; None if it may. A point off its curve never becomes a key object."""
    weakness = key_size_weakness(key)
    if weakness is not None or isinstance(key, ec.EllipticCurvePublicKey):
        return weakness
    modulus = key.public_numbers().n
    if math.gcd(modulus, _SMALL_PRIMES) != 1 or _has_close_factors(modulus):
        return Weakness.FACTORABLE
    return Weakness.ROCA if _is_roca(modulus) else None


def _has_close_factors(modulus: int) -> bool:
    """Look for factors near the square root, by Fermat's method (CA/Browser Forum BR 6.1.1.3: 100 rounds).

    Few numbers are squares modulo ``_SIEVE``; the costly root is taken of those alone.
    """
    a = math.isqrt(modulus - 1) + 1
    rest = a * a - modulus
    for _ in range(_FERMAT_ROUNDS):
        if rest % _SIEVE in _SQUARES and math.isqrt(rest) ** 2 == rest:
            return True
        rest += 2 * a + 1
        a += 1
    return False


def _is_roca(modulus: int) -> bool:
    """Recognise the keys of the faulty generator: modulo each small prime they are powers of 65537.

    Nemec, Sys et al., "The Return of Coppersmith's Attack", CCS 2017, section 3. A sound key passes as one
    of them with a probability below 2^-27.
    """
    return all(modulus % prime in powers for prime, powers in _POWERS.items())


def _powers(prime: int) -> frozenset[int]:
    found, value = set(), 1
    while value not in found:
        found.add(value)
        value = value * RSA_EXPONENT % prime
    return frozenset(found)


_POWERS: Final = {prime: _powers(prime) for prime in _ROCA_PRIMES}
