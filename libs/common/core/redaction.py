"""Masks what looks personal in text: the second net under logs and names, never the first.

The first net is that nobody puts personal data there. This one knows keys that hold such data, and the looks of an
IIN (twelve digits), a phone number of Kazakhstan and an e-mail address. UUIDs and hexadecimal identifiers of 16
digits and more pass unharmed, although twelve of their digits may be decimal in a row.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Final

from libs.common.core.values import ascii_digits

MASK: Final = "[redacted]"

_PERSONAL_KEYS: Final = frozenset(
    {"iin", "person", "applicant", "contact", "name", "surname", "given_name", "first_name", "last_name", "full_name"}
    | {"patronymic", "birth_date", "address", "document_number", "phone", "phone_number", "email", "pin", "code", "otp"}
    | {"password", "passphrase", "secret", "sealing", "token", "authorization", "cookie", "set_cookie", "private_key"}
)
_PERSONAL_ENDINGS: Final = ("_iin", "_phone", "_email", "_pin", "_password", "_secret", "_token", "_surname")

_GAP: Final = r"[ \t()\u00a0\u2000-\u2015\u202a-\u202f\u2066-\u2069\u2212\ufeff-]"
"""What stands between the digits of a phone: spaces, brackets, dashes and invisible marks, as `phones` reads them."""
# The first two alternatives are what must stay as it is; they are tried first, so they win over the digits in them.
_SUSPECT: Final = re.compile(
    r"(?P<keep>(?<![0-9A-Za-z])(?:[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}|[0-9a-fA-F]{16,})(?![0-9A-Za-z]))"
    r"|(?<!\d)(?<!\d\.)\d{12}(?!\d)"
    rf"|(?<![\d.])(?:\+7|[78]){_GAP}{{0,3}}\d{{3}}{_GAP}{{0,3}}\d{{3}}{_GAP}?\d\d{_GAP}?\d\d(?!\d)"
    r"|\+7\.\d{3}\.\d{3}\.\d\d\.\d\d(?!\d)"
)
_EMAIL: Final = re.compile(r"[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
_SHORTEST: Final = 11  # a phone number without its plus sign
_MAX_DEPTH: Final = 6


def scrub(text: str) -> str:
    """Return the text with IINs, phone numbers and e-mail addresses masked."""
    if "@" in text:
        text = _EMAIL.sub(MASK, text)
    return _SUSPECT.sub(_mask, ascii_digits(text)) if len(text) >= _SHORTEST else text


def _mask(match: re.Match[str]) -> str:
    return match["keep"] or MASK


@lru_cache(maxsize=1024)
def personal_key(key: str) -> bool:
    """Return whether the values under this key are personal or secret."""
    plain = key.lower().replace("-", "_")
    return plain in _PERSONAL_KEYS or plain.endswith(_PERSONAL_ENDINGS)


def clean(value: Any, depth: int = 0) -> Any:
    """Return a value fit for a log: numbers as they are, texts scrubbed, containers gone through, the rest as text."""
    if isinstance(value, str):
        return scrub(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        return _clean_container(value, depth + 1)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    return value.isoformat() if isinstance(value, datetime | date) else scrub(str(value))


def _clean_container(value: Any, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        return "…"
    if isinstance(value, Mapping):
        return {scrub(str(key)): clean_item(str(key), item, depth) for key, item in value.items()}
    return [clean(item, depth) for item in value]


def clean_item(key: str, value: Any, depth: int = 0) -> Any:
    """Return what a log may show of this value under this key."""
    return MASK if value is not None and personal_key(key) else clean(value, depth)
