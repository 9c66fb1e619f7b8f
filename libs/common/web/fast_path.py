"""Endpoints that stand before the application, for what is asked thousands of times a second.

They get the bare exchange: no routing, no request identifier, no line in the log. What they answer they count
themselves, and whatever comes in, they answer.

A question whose answer is at hand is answered between two reads of its connection (`protocol`): making a task and a
scope for it would cost several times what the answer does. Every other one takes the usual way through the server, as
do all whose HTTP is out of the ordinary.
"""

from collections.abc import Sequence
from typing import ClassVar, Protocol
from urllib.parse import unquote

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

Headers = list[tuple[bytes, bytes]]
Reply = tuple[int, Headers, bytes]
"""Status, headers with ``content-length`` among them where there may be a body, body."""

log = structlog.get_logger()


class Endpoint(Protocol):
    """One such endpoint.

    Attributes:
        limit: octets of a body; what is longer takes the usual way.
    """

    limit: int

    def takes(self, path: str) -> bool:
        """Return whether requests for this path are its own."""
        ...

    def at_once(self, method: str, path: str, headers: Headers, body: bytes) -> Reply | None:
        """Answer a whole request. None: not without waiting for something; `__call__` will."""
        ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        ...


class Direct:
    """Hands requests to the endpoint that takes them, and everything else to the application."""

    def __init__(self, app: ASGIApp, endpoints: Sequence[Endpoint]) -> None:
        self._app = app
        self._endpoints = tuple(endpoints)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; the life of the application passes through."""
        if scope["type"] == "http":
            for endpoint in self._endpoints:
                if endpoint.takes(scope["path"]):
                    return await endpoint(scope, receive, send)
        return await self._app(scope, receive, send)


def protocol(endpoints: Sequence[Endpoint]) -> type[HttpToolsProtocol]:
    """Make the protocol of a server that asks these endpoints first."""
    taking = tuple(endpoints)

    class Asking(_Asking):
        endpoints = taking

    return Asking


class _Asking(HttpToolsProtocol):
    """uvicorn's protocol for one connection, held back until a request for an endpoint is there whole.

    Its callbacks are called by the parser, in the order of the message. Connections are counted, kept alive and closed
    by uvicorn: an answer given here is over before anything else can happen on the connection.
    """

    endpoints: ClassVar[Sequence[Endpoint]] = ()
    _asked: Endpoint | None = None
    _path: str = ""
    _body: bytes = b""

    def on_headers_complete(self) -> None:
        """Hold the request back if it is an endpoint's."""
        self._asked, self._body = self._taking(), b""
        if self._asked is None:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take in a piece."""
        if self._asked is None:
            super().on_body(body)
            return
        self._body += body
        if len(self._body) > self._asked.limit:
            self._let_go()

    def on_message_complete(self) -> None:
        """Answer, or let the application do so."""
        reply = None if self._asked is None else self._reply(self._asked)
        if reply is not None:
            self._write(reply)
            return
        if self._asked is not None:
            self._let_go()
        super().on_message_complete()

    def _taking(self) -> Endpoint | None:
        if not self._ordinary():
            return None
        path = self.url.partition(b"?")[0].decode("ascii")
        self._path = unquote(path) if "%" in path else path
        return next((each for each in self.endpoints if each.takes(self._path)), None)

    def _ordinary(self) -> bool:
        """Return whether nothing else is under way on the connection, and the request is such as clients make."""
        alone = (self.cycle is None or self.cycle.response_complete) and not self.pipeline
        return (
            alone
            and not self.flow.write_paused
            and not self.transport.is_closing()
            and self.parser.get_http_version() == "1.1"
            and self.parser.should_keep_alive()
            and not self.parser.should_upgrade()
            and not self.expect_100_continue
            and self.url.startswith(b"/")
            and self.url.isascii()
        )

    def _reply(self, endpoint: Endpoint) -> Reply | None:
        try:
            return endpoint.at_once(self.parser.get_method().decode("ascii"), self._path, self.headers, self._body)
        except Exception:  # the parser would take it for a fault of the request
            log.exception("direct.failed")
            return None

    def _let_go(self) -> None:
        """Begin the request the usual way, with as much of its body as is there."""
        self._asked = None
        super().on_headers_complete()
        if self._body:
            super().on_body(self._body)

    def _write(self, reply: Reply) -> None:
        status, headers, body = reply
        lines = [STATUS_LINE[status]]
        for name, value in (*self.server_state.default_headers, *headers):
            lines += (name, b": ", value, b"\r\n")
        lines += (b"\r\n", body)
        self.transport.write(b"".join(lines))
        self.on_response_complete()
