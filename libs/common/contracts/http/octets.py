"""Octets in JSON: base64 as programs write it."""

import base64
from typing import Annotated

from pydantic import BeforeValidator

from libs.common.core.armour import BEGIN, unarmoured


def read_octets(given: object) -> bytes:
    """Read base64 as programs write it: in lines, or as PEM.

    Raises:
        ValueError: it is no base64.
    """
    if not isinstance(given, str):
        raise ValueError("base64 is text")  # noqa: TRY004 - pydantic makes a finding of this kind of error only
    return unarmoured(given).octets if BEGIN in given else base64.b64decode("".join(given.split()), validate=True)


Octets = Annotated[bytes, BeforeValidator(read_octets, json_schema_input_type=str)]
