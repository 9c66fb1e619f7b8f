"""OCSP over HTTP (RFC 6960, appendix A; RFC 5019, 5 and 6): what is wrong with a question stands in the response.

It stands before the application (`libs.common.web.fast_path`): the public asks this more often than anything else.
"""

import base64
import re
from binascii import Error as NotBase64
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from time import perf_counter
from typing import Final

from starlette.types import Receive, Scope, Send

from libs.common.core.metrics import Metrics
from libs.common.web.fast_path import Headers, Reply
from services.ca.ocsp.questions import MAX_OCTETS
from services.ca.ocsp.service import OcspAnswer, OcspService

ROUTE: Final = "/pki/{issuer}/ocsp"
MEDIA_TYPE: Final = b"application/ocsp-response"

_OK: Final = 200
_NOT_MODIFIED: Final = 304
_METHOD_NOT_ALLOWED: Final = 405
_PATH: Final = re.compile(r"/pki/[a-z0-9-]+/ocsp(?:/(.*))?", re.DOTALL)
_NOTHING: Final = b""
"""Stands for a request that can't be had: too large, or no base64. It is malformed like any other."""
_NO_SNIFFING: Final = (b"x-content-type-options", b"nosniff")
_UNCACHED: Final = [(b"cache-control", b"no-store")]


class OcspEndpoint:
    """The responders, at the addresses that certificates name. Fulfils `libs.common.web.fast_path.Endpoint`.

    The question says which responder answers, not the address.
    """

    limit: int = MAX_OCTETS

    def __init__(self, service: OcspService, metrics: Metrics) -> None:
        self._service = service
        methods = ("GET", "POST", "other")
        self._requests = {
            (method, status): metrics.http_requests.labels(method, ROUTE, f"{status // 100}xx")
            for method in methods
            for status in (_OK, _NOT_MODIFIED, _METHOD_NOT_ALLOWED)
        }
        self._seconds = {method: metrics.http_seconds.labels(method, ROUTE) for method in methods}

    def takes(self, path: str) -> bool:
        """Return whether this is the address of a responder, or of a question to it."""
        return _PATH.fullmatch(path) is not None

    def at_once(self, method: str, path: str, headers: Headers, body: bytes) -> Reply | None:
        """Answer a whole request, if its answer is at hand."""
        began = perf_counter()
        question = _question(method, path, body)
        answer = None if question is None else self._service.at_once(question)
        if answer is None and question is not None:
            return None
        return self._counted(method, began, self._reply(method, answer, headers))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        began = perf_counter()
        method = scope["method"]
        question = _question(method, scope["path"], await _body(receive) if method == "POST" else b"")
        answer = None if question is None else await self._service.answer(question)
        status, headers, body = self._counted(method, began, self._reply(method, answer, scope["headers"]))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _reply(self, method: str, answer: OcspAnswer | None, headers: Headers) -> Reply:
        if answer is None:
            return _METHOD_NOT_ALLOWED, [(b"allow", b"GET, POST"), (b"content-length", b"0")], b""
        caching = _UNCACHED
        if method == "GET" and answer.kept:
            caching = _caching(answer, self._service.now())
            if _known(headers, answer.etag):
                return _NOT_MODIFIED, caching, b""
        length = (b"content-length", str(len(answer.der)).encode())
        return _OK, [(b"content-type", MEDIA_TYPE), length, _NO_SNIFFING, *caching], answer.der

    def _counted(self, method: str, began: float, reply: Reply) -> Reply:
        counted = method if method in self._seconds else "other"
        self._requests[counted, reply[0]].inc()
        self._seconds[counted].observe(perf_counter() - began)
        return reply


async def _body(receive: Receive) -> bytes:
    """Read a question, or nothing if it is too long to be one: the rest is taken in and forgotten."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body", False):
        message = await receive()
        if len(body) <= MAX_OCTETS:
            body += message.get("body", b"")
    return body if len(body) <= MAX_OCTETS else _NOTHING


def _question(method: str, path: str, body: bytes) -> bytes | None:
    """Return the question in DER, where it is one. None: nothing is asked this way."""
    if method == "POST":
        return body
    if method != "GET":
        return None
    encoded = _PATH.fullmatch(path)
    try:
        return base64.b64decode((encoded and encoded[1]) or "", validate=True)
    except (NotBase64, ValueError):
        return _NOTHING


def _caching(answer: OcspAnswer, now: datetime) -> Headers:
    """Say how long shared caches may keep it (RFC 5019, 6.2)."""
    seconds = int(answer.kept.total_seconds())
    return [
        (b"cache-control", f"max-age={seconds}, public, no-transform, must-revalidate".encode()),
        (b"expires", _date(int(now.timestamp()) + seconds)),
        (b"last-modified", _date(int(answer.at.timestamp()))),
        (b"etag", f'"{answer.etag}"'.encode()),
    ]


@lru_cache(maxsize=256)
def _date(second: int) -> bytes:
    """Write a moment as HTTP does (RFC 9110, 5.6.7)."""
    return format_datetime(datetime.fromtimestamp(second, UTC), usegmt=True).encode()


def _known(headers: Headers, etag: str) -> bool:
    """Return whether the client has this very answer."""
    for name, value in headers:
        if name == b"if-none-match":
            return f'"{etag}"'.encode() in value
    return False
