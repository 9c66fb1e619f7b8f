"""Answers what pages ask for, once the person agreed."""

import asyncio
import base64
import json
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final, Protocol

from pyhanko.sign.timestamps import TimeStamper, TimestampRequestError

from libs.citizen.agent import accessory, basics, common_utils
from libs.citizen.agent.errors import Cancelled, RequestRefused
from libs.citizen.agent.keystores import KeyStoreFile, fitting
from libs.citizen.agent.previews import is_plain_text
from libs.citizen.agent.requests import ListTokens, Request, SetLocale, ShowKey, SignDocuments
from libs.citizen.errors import CitizenError
from libs.citizen.keys.keystore import KeyEntry
from libs.citizen.signing.cms import sign_cms, sign_digest, sign_raw
from libs.citizen.signing.xml import parse_xml, sign_xml
from libs.common.core.values import Clock

VERSION: Final = "1.4"
"""The version of NCALayer whose messages these are."""
GREETING: Final = json.dumps({"result": {"version": VERSION}})
HEARTBEAT: Final = "--heartbeat--"
_DIGEST_OCTETS: Final = 32
_DER_STARTS: Final = (b"\x30", b"\x31")
_UUID: Final = re.compile(r"[0-9A-Za-z-]{1,64}")


class ConsentPrompt(Protocol):
    """Asks the person at this machine for consent, and for passwords."""

    async def choose(self, page: str, request: SignDocuments | ShowKey, stores: Sequence[KeyStoreFile]) -> KeyStoreFile:
        """Show what a page asks, and let the person choose a key for it.

        Raises:
            Cancelled: the person said no.
        """
        ...

    async def unlock(self, store: KeyStoreFile) -> KeyEntry:
        """Ask for the key store's password and open it.

        Raises:
            Cancelled: the person gave none.
            KeystoreError: it was a wrong one.
        """
        ...


@dataclass
class Agent:
    """One person's agent.

    Args:
        stores: what may be signed with.
        stamper: where time-stamps come from, or None.
        allow_digests: whether documents are signed of which a page tells nothing but the hash.
    """

    stores: Sequence[KeyStoreFile]
    person: ConsentPrompt
    clock: Clock
    stamper: TimeStamper | None = None
    allow_digests: bool = False
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def answer(self, page: str, message: str) -> str:
        """Answer one message. Two pages that ask at once are asked about one after the other."""
        if message == HEARTBEAT:
            return HEARTBEAT
        request = _object(message)
        dialect = _DIALECTS.get(str(request.get("module")))
        if dialect is None:
            return json.dumps({"success": False, "errorCode": "MODULE_NOT_FOUND"})
        async with self._turn:
            answer = await self._answer(page, dialect, request)
        uuid = request.get("uuid")
        if isinstance(uuid, str) and _UUID.fullmatch(uuid):
            answer["uuid"] = uuid
        return json.dumps(answer, ensure_ascii=False)

    async def _answer(self, page: str, dialect: ModuleType, request: Mapping[str, Any]) -> dict[str, object]:
        try:
            result = await self._do(page, dialect.read(request), dialect)
        except Cancelled:
            return dict(dialect.cancelled())
        except CitizenError as error:
            return dict(dialect.failed(error))
        return dict(dialect.succeeded(result))

    async def _do(self, page: str, request: Request, dialect: ModuleType) -> object:
        match request:
            case ListTokens():
                return []  # our keys are files, which NCALayer does not count among tokens
            case SetLocale():
                return None
            case ShowKey():
                return (await self._chosen(page, request)).info()
            case SignDocuments():
                return await self._sign(page, request, _WRITTEN[dialect])

    async def _chosen(self, page: str, request: SignDocuments | ShowKey) -> KeyStoreFile:
        offered = fitting(self.stores, request.wanted, self.clock())
        if not offered:
            raise RequestRefused("key.none_fits.of_yours")
        return await self.person.choose(page, request, offered)

    async def _sign(self, page: str, request: SignDocuments, written: Callable[[bytes], str]) -> object:
        self._check(request)
        store = await self._chosen(page, request)
        entry = await self.person.unlock(store)
        try:
            signatures = [await self._signed(each, request, entry, written) for each in request.documents]
        except (OSError, TimestampRequestError) as error:
            raise RequestRefused("stamp.unavailable.no_answer") from error
        if request.certified:
            return {"signatures": signatures, "certificate": store.pem}
        return signatures if request.several else signatures[0]

    def _check(self, request: SignDocuments) -> None:
        """Refuse what nobody could understand before signing it."""
        if request.stamped and self.stamper is None:
            raise RequestRefused("stamp.unavailable.no_authority")
        if request.digested:
            self._check_digests(request)
        elif request.form == "xml":
            for document in request.documents:
                parse_xml(document.decode("utf-8"))
        elif request.form == "raw" and not all(map(_is_readable, request.documents)):
            raise RequestRefused("ask.opaque.bytes")

    def _check_digests(self, request: SignDocuments) -> None:
        if request.form != "cms":
            raise RequestRefused("ask.unsupported.hash_as_cms_only")
        if not self.allow_digests:
            raise RequestRefused("ask.opaque.hash")
        if any(len(each) != _DIGEST_OCTETS for each in request.documents):
            raise RequestRefused("ask.malformed.hash")

    async def _signed(
        self, document: bytes, request: SignDocuments, entry: KeyEntry, written: Callable[[bytes], str]
    ) -> str:
        if request.form == "xml":
            return sign_xml(document.decode("utf-8"), entry)
        if request.form == "raw":
            return _base64(sign_raw(document, entry.key))
        stamper = self.stamper if request.stamped else None
        if request.digested:
            return written(await sign_digest(document, entry, self.clock(), stamper=stamper))
        return written(await sign_cms(document, entry, self.clock(), attached=request.attached, stamper=stamper))


def _is_readable(data: bytes) -> bool:
    """Return whether data is text, no structure: attributes signed raw would become another document's signature."""
    return is_plain_text(data) and not data.startswith(_DER_STARTS)


def _object(message: str) -> dict[str, Any]:
    try:
        found = json.loads(message)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _pem(data: bytes) -> str:
    lines = "\n".join(textwrap.wrap(_base64(data), 64))
    return f"-----BEGIN CMS-----\n{lines}\n-----END CMS-----\n"


_DIALECTS: Final[Mapping[str, ModuleType]] = {each.MODULE: each for each in (accessory, basics, common_utils)}
_WRITTEN: Final[Mapping[ModuleType, Callable[[bytes], str]]] = {common_utils: _base64, basics: _pem}
"""The older dialect writes a CMS as bare base64, the newer one as PEM."""
