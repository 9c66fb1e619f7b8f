"""What a person is shown before signing: the document itself where it is text, or what it is and its hash."""

import hashlib
from dataclasses import dataclass
from typing import Final

from libs.citizen.agent.requests import SignDocuments
from libs.citizen.texts import words

_LINES: Final = 20
_COLUMNS: Final = 200
_KINDS: Final = {b"%PDF-": "pdf", b"PK\x03\x04": "zip", b"\xff\xd8\xff": "jpeg", b"\x89PNG": "png"}
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True)
class Preview:
    """One document as a person sees it.

    Attributes:
        title: what it is, how long, and its SHA-256.
        lines: its beginning, if it is text; nothing in it can move the cursor or turn the direction of writing.
        whole: whether that is all of it.
    """

    title: str
    lines: tuple[str, ...] = ()
    whole: bool = True


def previews(request: SignDocuments) -> list[Preview]:
    """Describe what would be signed."""
    return [_digest(each) if request.digested else _document(each) for each in request.documents]


def is_plain_text(data: bytes) -> bool:
    """Return whether a person can read all of it."""
    text = _text(data)
    return text is not None and _printable(text) == text.replace("\r\n", "\n")


def _digest(digest: bytes) -> Preview:
    return Preview(words("preview.unseen", sha256=digest.hex()), whole=False)


def _document(data: bytes) -> Preview:
    text, sha256 = _text(data), hashlib.sha256(data).hexdigest()
    if text is None:
        kind = next((kind for magic, kind in _KINDS.items() if data.startswith(magic)), "other")
        return Preview(words(f"preview.{kind}", octets=len(data), sha256=sha256), whole=False)
    lines = _printable(text).splitlines()
    shown = tuple(line[:_COLUMNS] for line in lines[:_LINES])
    title = words("preview.text", octets=len(data), sha256=sha256)
    return Preview(title, shown, whole=shown == tuple(lines))


def _text(data: bytes) -> str | None:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _printable(text: str) -> str:
    """Replace what a terminal would obey, and marks that turn the direction of writing."""
    return "".join(
        mark if mark.isprintable() or mark in "\n\t" else _REPLACEMENT for mark in text.replace("\r\n", "\n")
    )
