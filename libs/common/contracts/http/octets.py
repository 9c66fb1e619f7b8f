"""Octets in JSON: base64 as programs write it."""

import base64
from typing import Annotated, Final

from pydantic import BeforeValidator

ARMOUR: Final = "-----"
"""How the lines around PEM begin and end."""


def read_octets(given: object) -> bytes:
    """Read base64 as programs write it, in lines and between the lines of PEM.

    Raises:
        ValueError: it is no base64.
    """
    if not isinstance(given, str):
        raise ValueError("base64 is text")  # noqa: TRY004 - pydantic makes a finding of this kind of error only
    lines = given.split() if ARMOUR not in given else _between(given)
    return base64.b64decode("".join(lines), validate=True)


def _between(given: str) -> list[str]:
    lines = given.strip().splitlines()
    if not (lines[0].startswith(ARMOUR) and lines[-1].startswith(ARMOUR)):
        raise ValueError("this is neither base64 nor PEM")
    return [part for line in lines[1:-1] for part in line.split()]


Octets = Annotated[bytes, BeforeValidator(read_octets, json_schema_input_type=str)]
