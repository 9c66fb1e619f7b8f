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
        raise PasswordRefused(
            "password.not_ascii",
            "The password holds characters that are not on an English keyboard. Java programs refuse to open a key "
            "store with such a password, so your signature would be locked in. Switch the keyboard to English and "
            "use Latin letters, digits and signs only.",
        )
    if password != password.strip():
        raise PasswordRefused(
            "password.edge_space",
            "The password begins or ends with a space. It gets lost when the password is copied, and the key store "
            "would stay shut. Leave the space out.",
        )
    _check_strength(password)
    return password


def _check_strength(password: str) -> None:
    if len(password) < SHORTEST:
        raise PasswordRefused(
            "password.too_short",
            f"The password is shorter than {SHORTEST} characters. Whoever gets hold of the file could guess it. "
            "Take a longer one: four unrelated words are good.",
        )
    if len(password) > LONGEST:
        raise PasswordRefused(
            "password.too_long",
            f"The password is longer than {LONGEST} characters. Some programs cut it off there and then fail to open "
            "the file. Take a shorter one.",
        )
    if password.isdigit() or len(set(password)) < FEWEST_DIFFERENT:
        raise PasswordRefused(
            "password.too_simple",
            "The password is made of digits only, or of very few different characters. Whoever gets hold of the "
            f"file could guess it. Use at least {FEWEST_DIFFERENT} different characters, letters among them.",
        )


def new_password(groups: int = 4, size: int = 5) -> str:
    """Make a password like ``k7wem-3fqtz-...``: 99 bits of randomness with the default sizes, easy to type."""
    return "-".join("".join(secrets.choice(_UNMISTAKABLE) for _ in range(size)) for _ in range(groups))
