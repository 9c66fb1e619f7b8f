"""OCSP over HTTP (RFC 6960, appendix A; RFC 5019, 5 and 6): what is wrong with a question stands in the response.

It stands before the application (`libs.common.direct`): the public asks this more often than all the rest together.
"""

import base64
import re
from binascii import Error as NotBase64
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from http import HTTPStatus
from time import perf_counter
from typing import Final

from starlette.types import Receive, Scope, Send

from libs.common.metrics import Metrics
from services.ca.ocsp import MAX_OCTETS
from services.ca.ocsp_service import Answer, OcspService

ROUTE: Final = "/pki/{issuer}/ocsp"
MEDIA_TYPE: Final = b"application/ocsp-response"

_PATH: Final = re.compile(r"/pki/[a-z0-9-]+/ocsp(?:/(.*))?", re.DOTALL)
_NOTHING: Final = b""
"""Stands for a request that can't be had: too large, or no base64. It is malformed like any other."""
_NO_SNIFFING: Final = (b"x-content-type-options", b"nosniff")
_UNCACHED: Final = (b"cache-control", b"no-store")

Headers = list[tuple[bytes, bytes]]


class OcspEndpoint:
    """The responders, at the addresses that certificates name. Fulfils `libs.common.direct.Endpoint`.

    Which responder answers is told by the question, not by the address.
    """

    def __init__(self, service: OcspService, metrics: Metrics) -> None:
        self._service = service
        self._requests = {
            (method, status): metrics.http_requests.labels(method, ROUTE, f"{status // 100}xx")
            for method in ("GET", "POST", "other")
            for status in (HTTPStatus.OK, HTTPStatus.NOT_MODIFIED, HTTPStatus.METHOD_NOT_ALLOWED)
        }
        self._seconds = {method: metrics.http_seconds.labels(method, ROUTE) for method in ("GET", "POST", "other")}

    def takes(self, path: str) -> bool:
        """Tell whether this is the address of a responder, or of a question to it."""
        return _PATH.fullmatch(path) is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        began = perf_counter()
        method = scope["method"] if scope["method"] in {"GET", "POST"} else "other"
        status, headers, body = await self._exchange(method, scope, receive)
        await send({"type": "http.response.start", "status": status.value, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        self._requests[method, status].inc()
        self._seconds[method].observe(perf_counter() - began)

    async def _exchange(self, method: str, scope: Scope, receive: Receive) -> tuple[HTTPStatus, Headers, bytes]:
        if method == "POST":
            answer = await self._service.answer(await _body(receive))
            return HTTPStatus.OK, _headers(answer, _UNCACHED), answer.der
        if method != "GET":
            return HTTPStatus.METHOD_NOT_ALLOWED, [(b"allow", b"GET, POST"), (b"content-length", b"0")], b""
        answer = await self._service.answer(_question(scope["path"]))
        if not answer.kept:
            return HTTPStatus.OK, _headers(answer, _UNCACHED), answer.der
        caching = _caching(answer, self._service.now())
        if _known(scope, answer.etag):
            return HTTPStatus.NOT_MODIFIED, [*caching], b""
        return HTTPStatus.OK, _headers(answer, *caching), answer.der


async def _body(receive: Receive) -> bytes:
    """Read a question, or nothing if it is too long to be one: the rest is taken in and forgotten."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body", False):
        message = await receive()
        if len(body) <= MAX_OCTETS:
            body += message.get("body", b"")
    return body if len(body) <= MAX_OCTETS else _NOTHING


def _question(path: str) -> bytes:
    encoded = _PATH.fullmatch(path)
    try:
        return base64.b64decode((encoded and encoded[1]) or "", validate=True)
    except (NotBase64, ValueError):
        return _NOTHING


def _headers(answer: Answer, *caching: tuple[bytes, bytes]) -> Headers:
    length = str(len(answer.der)).encode()
    return [(b"content-type", MEDIA_TYPE), (b"content-length", length), _NO_SNIFFING, *caching]


def _caching(answer: Answer, now: datetime) -> Headers:
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


def _known(scope: Scope, etag: str) -> bool:
    """Tell whether whoever asks has this very answer."""
    for name, value in scope["headers"]:
        if name == b"if-none-match":
            return f'"{etag}"'.encode() in value
    return False
