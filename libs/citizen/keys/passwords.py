"""Passwords of key stores: which are taken, why others are not, and good ones made by the machine."""

import secrets
from typing import Final

from libs.citizen.errors import PasswordRefused

SHORTEST: Final = 10
LONGEST: Final = 128
FEWEST_DIFFERENT: Final = 6
_UNMISTAKABLE: Final = "abcdefghjkmnpqrstuvwxyz23456789"  # no i, l, o, 0, 1: they are misread on paper


def check_password(password: str) -> str:
    """Return the password back if it can guard a key store.

    A stolen key store is attacked offline, with as many tries as money buys, so length and variety matter.
    Java (keytool, NCALayer) refuses a PKCS#12 password with other characters than ASCII (measured with 17).

    Raises:
        PasswordRefused: with one of the keys ``password.not_ascii``, ``.edge_space``, ``.too_short``,
            ``.too_long``, ``.too_simple``.
    """
    if not all(" " <= character <= "~" for character in password):
        raise PasswordRefused("password.not_ascii")
    if password != password.strip():
        raise PasswordRefused("password.edge_space")
    _check_strength(password)
    return password


def _check_strength(password: str) -> None:
    if len(password) < SHORTEST:
        raise PasswordRefused("password.too_short", shortest=SHORTEST)
    if len(password) > LONGEST:
        raise PasswordRefused("password.too_long", longest=LONGEST)
    if password.isdigit() or len(set(password)) < FEWEST_DIFFERENT:
        raise PasswordRefused("password.too_simple", different=FEWEST_DIFFERENT)


def new_password(groups: int = 4, size: int = 5) -> str:
    """Make a password like ``k7wem-3fqtz-...``: 99 bits of randomness with the default sizes, easy to type."""
    return "-".join("".join(secrets.choice(_UNMISTAKABLE) for _ in range(size)) for _ in range(groups))
