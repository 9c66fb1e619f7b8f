"""What a page may ask for, whichever of NCALayer's two dialects it speaks."""

from dataclasses import dataclass
from typing import Literal

from cryptography import x509

SignatureForm = Literal["cms", "xml", "raw"]
KeyType = Literal["SIGNATURE", "AUTHENTICATION"]


@dataclass(frozen=True, slots=True)
class WantedKey:
    """Which key a page wants.

    Attributes:
        usages: extended key usages that the certificate must have, all of them.
        iin: the holder's individual number, or None.
        bin: the organisation's number, or None.
        serial: the certificate's serial number in lower-case hexadecimal, or None.
        issuers: authorities of whom one must be in the certificate's chain; none for any.
    """

    usages: frozenset[str] = frozenset()
    iin: str | None = None
    bin: str | None = None
    serial: str | None = None
    issuers: tuple[x509.Certificate, ...] = ()


@dataclass(frozen=True, slots=True)
class SignDocuments:
    """Documents to be signed in one go.

    Attributes:
        documents: what is signed; XML as UTF-8; SHA-256 digests where ``digested``.
        several: whether the page sent a list, and so awaits one.
        attached: whether a CMS holds the document too.
        stamped: whether a time-stamp is wanted.
        certified: whether the page wants the signer's certificate beside the signatures.
    """

    form: SignatureForm
    documents: tuple[bytes, ...]
    wanted: WantedKey
    several: bool = False
    attached: bool = False
    digested: bool = False
    stamped: bool = False
    certified: bool = False


@dataclass(frozen=True, slots=True)
class ShowKey:
    """Which certificate would sign."""

    wanted: WantedKey = WantedKey()


@dataclass(frozen=True, slots=True)
class ListTokens:
    """Which hardware tokens are plugged in."""


@dataclass(frozen=True, slots=True)
class SetLocale:
    """In which language the page would have us ask. The person at this machine chose one already."""


Request = SignDocuments | ShowKey | ListTokens | SetLocale
