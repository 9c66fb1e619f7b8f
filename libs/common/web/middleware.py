"""What surrounds every HTTP request: its identifier, the body limit, security headers, metrics and the log line.

Plain ASGI, since it stands in the way of every request.
"""

import re
from http import HTTPStatus
from time import perf_counter
from typing import Any, Final
from uuid import UUID

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.common.core.metrics import Metrics
from libs.common.core.tracing import new_traceparent, traceparent
from libs.common.core.values import new_id
from libs.common.web.problems import Problems

BODY_LIMIT_KEY: Final = "onboarding.body_limit"
JSON_LIMIT: Final = 64 * 1024

_TRACEPARENT: Final = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_QUIET: Final = ("/health/live", "/health/ready", "/metrics")
_SECURITY_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "strict-transport-security": "max-age=31536000; includeSubDomains",
    "cache-control": "no-store",  # a route whose answer may be cached sets its own
}

log = structlog.get_logger()


class RequestMiddleware:
    """The outermost layer of an application."""

    def __init__(self, app: ASGIApp, metrics: Metrics, problems: Problems) -> None:
        self._app = app
        self._metrics = metrics
        self._problems = problems

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; anything else passes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        exchange = _Exchange(scope, receive, send, _request_id(headers))
        trace = traceparent.set(_trace(headers))
        try:
            with structlog.contextvars.bound_contextvars(service=self._metrics.service, request=exchange.id):
                await self._serve(exchange)
        finally:
            traceparent.reset(trace)

    async def _serve(self, exchange: "_Exchange") -> None:
        began = perf_counter()
        try:
            await self._app(exchange.scope, exchange.receive, exchange.send)
        except Exception:
            log.exception("http.failed", incident=exchange.id, route=exchange.route)
            if exchange.status:  # half an answer is out: only a broken connection tells the client
                raise
            answer = self._problems.unexpected(Headers(scope=exchange.scope), exchange.id)
            await answer(exchange.scope, exchange.receive, exchange.send)
        finally:
            self._account(exchange, perf_counter() - began)

    def _account(self, exchange: "_Exchange", seconds: float) -> None:
        method = exchange.scope["method"] if exchange.scope["method"] in _METHODS else "other"
        status = f"{exchange.status // 100}xx" if exchange.status else "aborted"
        self._metrics.http_requests.labels(method, exchange.route, status).inc()
        self._metrics.http_seconds.labels(method, exchange.route).observe(seconds)
        if exchange.route not in _QUIET:
            log.info(
                "http.request",
                method=method,
                route=exchange.route,
                subject=exchange.subject,
                status=exchange.status or None,
                ms=round(seconds * 1000, 2),
            )


class _Exchange:
    """One request and its answer, with the body counted on the way in and headers added on the way out."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        self.scope = scope
        self.id = request_id
        self.status = 0
        self._receive = receive
        self._send = send
        self._received = 0
        scope[BODY_LIMIT_KEY] = JSON_LIMIT

    @property
    def route(self) -> str:
        """The route's template: paths themselves may hold anything."""
        return getattr(self.scope.get("route"), "path", "unmatched")

    @property
    def subject(self) -> str | None:
        """The journey or application in the path, if it is a well-formed identifier."""
        params: dict[str, Any] = self.scope.get("path_params", {})
        text = params.get("journey_id") or params.get("application_id")
        return _as_uuid(text) if isinstance(text, str) else None

    async def receive(self) -> Message:
        """Hand on a piece of the body.

        Raises:
            HTTPException: 413, as soon as the body is known to be larger than the route allows. (FastAPI's own limit
                would answer it as plain text.)
        """
        message = await self._receive()
        self._received += len(message.get("body", b""))
        if max(self._received, self._announced()) > self.scope[BODY_LIMIT_KEY]:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return message

    def _announced(self) -> int:
        text = Headers(scope=self.scope).get("content-length", "")
        return int(text) if text.isdecimal() else 0

    async def send(self, message: Message) -> None:
        """Hand on a piece of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["x-request-id"] = self.id
            for name, value in _SECURITY_HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)


def _request_id(headers: Headers) -> str:
    """Keep the gateway's identifier if it is a UUID: anything else could be personal data on its way into a log."""
    return _as_uuid(headers.get("x-request-id", "")) or new_id()


def _as_uuid(text: str) -> str | None:
    try:
        return str(UUID(text))
    except ValueError:
        return None


def _trace(headers: Headers) -> str:
    given = headers.get("traceparent", "")
    return given if _TRACEPARENT.fullmatch(given) else new_traceparent()
