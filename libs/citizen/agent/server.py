"""The agent's socket: TLS on this machine alone, and only for pages on the allowed list."""

import http
import ssl
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Final

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from libs.citizen.agent.agent import GREETING, Agent
from libs.citizen.texts import words

HOST: Final = "127.0.0.1"
PORT: Final = 13579
_LARGEST: Final = 64 * 2**20  # a document of 48 MB in base64


@asynccontextmanager
async def listening(
    agent: Agent, tls: ssl.SSLContext, pages: Collection[str], port: int = PORT
) -> AsyncIterator[Server]:
    """Answer pages while the context lasts.

    Args:
        pages: origins that may ask, as browsers write them: ``https://portal.example``.
        port: 0 for any free one.

    Raises:
        OSError: another program has the port.
    """

    def admit(connection: ServerConnection, request: Request) -> Response | None:
        """Refuse strangers before they can say anything.

        Browsers state the page's origin and cannot be talked out of it. The host shows that the page asked for this
        machine by its number: a name that points here would be somebody's trick (DNS rebinding).
        """
        origins, hosts = request.headers.get_all("Origin"), request.headers.get_all("Host")
        if (
            len(origins) == len(hosts) == 1
            and origins[0] in pages
            and hosts[0].rpartition(":")[0] in {HOST, "localhost"}
        ):
            return None
        refused = words("agent.page_refused", page=", ".join(origins))
        return connection.respond(http.HTTPStatus.FORBIDDEN, f"{refused}\n")

    async def converse(connection: ServerConnection) -> None:
        page = str(connection.request.headers["Origin"]) if connection.request else ""
        try:
            await connection.send(GREETING)
            async for message in connection:
                await connection.send(await agent.answer(page, message if isinstance(message, str) else ""))
        except ConnectionClosed:
            return  # the page went away; what it asked for is not sent to anybody

    async with serve(converse, HOST, port, ssl=tls, process_request=admit, max_size=_LARGEST, max_queue=1) as server:
        yield server
