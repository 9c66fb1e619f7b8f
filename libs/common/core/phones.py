"""Phone numbers of Kazakhstan, parsed once at the border. Only what reads them from outside imports this module."""

import unicodedata
from typing import Annotated, Final

import phonenumbers
from pydantic import AfterValidator, StringConstraints

REGION: Final = "KZ"
_SEPARATORS: Final = frozenset({"Zs", "Pd", "Ps", "Pe", "Cf", "Cc"})
"""Spaces, dashes, brackets, and invisible marks such as those that phones put around a copied number."""
_OTHER_SEPARATORS: Final = ".\N{MINUS SIGN}"
_PLUS: Final = "+\N{FULLWIDTH PLUS SIGN}"


def _phone(text: str) -> str:
    """Return a number in the form +7XXXXXXXXXX (E.164), whatever the script of its digits.

    The national plan decides, as the library knows it: Russian numbers share the country code.

    Raises:
        ValueError: it is none of Kazakhstan, or holds letters, an extension or a second number.
    """
    try:
        number = phonenumbers.parse("".join(map(_plain, text)), REGION)
    except phonenumbers.NumberParseException as error:
        raise ValueError("this is not a phone number") from error
    if not phonenumbers.is_valid_number_for_region(number, REGION):
        raise ValueError("this is not a phone number of Kazakhstan")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _plain(character: str) -> str:
    """Return a digit in ASCII, a plus sign, or nothing for what separates digits."""
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    if character in _PLUS:
        return "+"
    if character in _OTHER_SEPARATORS or unicodedata.category(character) in _SEPARATORS:
        return ""
    raise ValueError("a phone number has digits, spaces, dashes and brackets only")


PhoneNumber = Annotated[str, StringConstraints(max_length=40), AfterValidator(_phone)]
"""A phone number of Kazakhstan as people write it, normalised to +7XXXXXXXXXX."""
