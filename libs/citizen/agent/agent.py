"""Answers what pages ask, once the person agreed."""

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
from libs.citizen.agent.asks import Ask, ListTokens, SetLocale, ShowKey, Sign
from libs.citizen.agent.errors import AskRefused, Cancelled
from libs.citizen.agent.previews import is_plain_text
from libs.citizen.agent.stores import Store, that_fit
from libs.citizen.errors import CitizenError
from libs.citizen.keystore import Holding
from libs.citizen.signing import sign_cms, sign_digest, sign_raw
from libs.citizen.xml_signing import parse_xml, sign_xml
from libs.common.core.values import Clock

VERSION: Final = "1.4"
"""The version of NCALayer whose messages these are."""
GREETING: Final = json.dumps({"result": {"version": VERSION}})
HEARTBEAT: Final = "--heartbeat--"
_DIGEST_OCTETS: Final = 32
_DER_STARTS: Final = (b"\x30", b"\x31")
_UUID: Final = re.compile(r"[0-9A-Za-z-]{1,64}")


class Person(Protocol):
    """Whoever sits at the machine."""

    async def choose(self, page: str, ask: Sign | ShowKey, stores: Sequence[Store]) -> Store:
        """Show what a page asks, and let the person choose a key for it.

        Raises:
            Cancelled: the person said no.
        """
        ...

    async def unlock(self, store: Store) -> Holding:
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

    stores: Sequence[Store]
    person: Person
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

    async def _do(self, page: str, ask: Ask, dialect: ModuleType) -> object:
        match ask:
            case ListTokens():
                return []  # our keys are files, which NCALayer does not count among tokens
            case SetLocale():
                return None
            case ShowKey():
                return (await self._chosen(page, ask)).info()
            case Sign():
                return await self._sign(page, ask, _WRITTEN[dialect])

    async def _chosen(self, page: str, ask: Sign | ShowKey) -> Store:
        fitting = that_fit(self.stores, ask.wanted, self.clock())
        if not fitting:
            detail = "None of your keys is what the page asks for: another kind of key, another holder, or run out."
            raise AskRefused("key.none_fits", detail)
        return await self.person.choose(page, ask, fitting)

    async def _sign(self, page: str, ask: Sign, written: Callable[[bytes], str]) -> object:
        self._check(ask)
        store = await self._chosen(page, ask)
        holding = await self.person.unlock(store)
        try:
            signatures = [await self._signed(each, ask, holding, written) for each in ask.documents]
        except (OSError, TimestampRequestError) as error:
            detail = "The time-stamp authority gave no time-stamp, so nothing was signed. Try again later."
            raise AskRefused("stamp.unavailable", detail) from error
        if ask.certified:
            return {"signatures": signatures, "certificate": store.pem}
        return signatures if ask.several else signatures[0]

    def _check(self, ask: Sign) -> None:
        """Refuse what nobody could understand before signing it."""
        if ask.stamped and self.stamper is None:
            raise AskRefused("stamp.unavailable", "The page wants a time-stamp, and no authority for them is set.")
        if ask.digested:
            self._check_digests(ask)
        elif ask.form == "xml":
            for document in ask.documents:
                parse_xml(document.decode("utf-8"))
        elif ask.form == "raw" and not all(map(_is_readable, ask.documents)):
            raise AskRefused("ask.opaque", "The page wants bytes signed that are no readable text.")

    def _check_digests(self, ask: Sign) -> None:
        if ask.form != "cms":
            raise AskRefused("ask.unsupported", "A hash can be signed as CMS only.")
        if not self.allow_digests:
            detail = "The page sent a hash instead of the document, so nobody could see what is signed."
            raise AskRefused("ask.opaque", detail)
        if any(len(each) != _DIGEST_OCTETS for each in ask.documents):
            raise AskRefused("ask.malformed", "The hash is not a SHA-256: it should have 32 bytes.")

    async def _signed(self, document: bytes, ask: Sign, holding: Holding, written: Callable[[bytes], str]) -> str:
        if ask.form == "xml":
            return sign_xml(document.decode("utf-8"), holding)
        if ask.form == "raw":
            return _base64(sign_raw(document, holding.key))
        stamper = self.stamper if ask.stamped else None
        if ask.digested:
            return written(await sign_digest(document, holding, self.clock(), stamper=stamper))
        return written(await sign_cms(document, holding, self.clock(), attached=ask.attached, stamper=stamper))


def _is_readable(data: bytes) -> bool:
    """Tell text from structures: signed attributes signed raw would become a signature of another document."""
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
