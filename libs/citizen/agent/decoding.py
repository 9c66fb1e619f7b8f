"""Read the values that pages send."""

import base64
import binascii
from typing import Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from libs.citizen.agent.errors import RequestRefused

FILES: Final = "PKCS12"
"""The storage that our key stores are. Tokens are named otherwise (``AKKaztokenStore``, …)."""

SIGN_USAGES: Final = {
    "SIGNATURE": frozenset({ExtendedKeyUsageOID.EMAIL_PROTECTION.dotted_string}),
    "AUTHENTICATION": frozenset({ExtendedKeyUsageOID.CLIENT_AUTH.dotted_string}),
}
"""What the older dialect calls kinds of keys. Any other word leaves the choice to the person."""


MOST_DOCUMENTS: Final = 100
"""In one go: more than anybody looks through."""


def storage_is_file(*storages: str) -> None:
    """Refuse what names tokens alone.

    Raises:
        AskRefused: ``ask.unsupported``.
    """
    if FILES not in storages:
        raise RequestRefused("ask.unsupported.storage")


def base64_bytes(text: str) -> bytes:
    """Decode base64, with or without line breaks.

    Raises:
        AskRefused: ``ask.malformed``.
    """
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise RequestRefused("ask.malformed.base64") from error


def text_bytes(text: str) -> bytes:
    """Write text as UTF-8.

    Raises:
        AskRefused: ``ask.malformed``.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:  # JSON may hold half of a surrogate pair
        raise RequestRefused("ask.malformed.character") from error


def issuer_certificate(text: str) -> x509.Certificate:
    """Read a certificate in PEM, or its base64 alone.

    Raises:
        AskRefused: ``ask.malformed``.
    """
    body = "".join(line for line in text.splitlines() if not line.startswith("-----"))
    try:
        return x509.load_der_x509_certificate(base64_bytes(body))
    except (ValueError, x509.InvalidVersion) as error:
        raise RequestRefused("ask.malformed.certificate") from error
