"""Endpoints that stand before the application, for what is asked thousands of times a second.

They get the bare ASGI exchange: no routing, no request identifier, no line in the log. What they answer they count
themselves, and whatever comes in, they answer.
"""

from collections.abc import Sequence
from typing import Protocol

from starlette.types import ASGIApp, Receive, Scope, Send


class Endpoint(Protocol):
    """One such endpoint."""

    def takes(self, path: str) -> bool:
        """Tell whether requests for this path are its own."""
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
