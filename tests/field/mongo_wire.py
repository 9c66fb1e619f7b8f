"""A server that speaks enough of MongoDB's wire protocol to answer a command as a primary amid an election does.

OP_MSG and OP_QUERY as in https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/.
"""

import asyncio
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from bson import decode, encode

_OP_REPLY: Final = 1
_OP_QUERY: Final = 2004
_OP_MSG: Final = 2013
_HELLO: Final = {
    "ok": 1,
    "isWritablePrimary": True,
    "ismaster": True,
    "helloOk": True,
    "maxBsonObjectSize": 16 * 1024 * 1024,
    "maxMessageSizeBytes": 48_000_000,
    "maxWriteBatchSize": 100_000,
    "minWireVersion": 0,
    "maxWireVersion": 21,
}

Answer = Mapping[str, Any]


@asynccontextmanager
async def answering_writes_with(answer: Answer) -> AsyncIterator[str]:
    """Serve a store that answers each write command like this, and everything else with "ok"; give its address."""
    serving: list[asyncio.Task[None]] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.create_task(serve(reader, writer)))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                length, request, _, operation = struct.unpack("<iiii", await reader.readexactly(16))
                body = await reader.readexactly(length - 16)
                reply = _reply(_command(operation, body), answer)
                writer.write(_framed(operation, request, reply))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        host, port = server.sockets[0].getsockname()
        yield f"mongodb://{host}:{port}"
    finally:
        server.close()
        for each in serving:
            each.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


def _command(operation: int, body: bytes) -> str:
    """Name the command of a request."""
    if operation == _OP_QUERY:
        return "hello"
    (size,) = struct.unpack("<i", body[5:9])
    return str(next(iter(decode(body[5 : 5 + size]))))


def _reply(command: str, answer: Answer) -> Answer:
    if command.lower() in {"hello", "ismaster"}:
        return _HELLO
    if command in {"insert", "update", "delete"}:
        return answer
    if command == "find":
        return {"ok": 1, "cursor": {"id": 0, "ns": "elections.any", "firstBatch": []}}
    return {"ok": 1}


def _framed(operation: int, request: int, reply: Answer) -> bytes:
    document = encode(reply)
    if operation == _OP_QUERY:
        body, code = struct.pack("<iqii", 8, 0, 0, 1) + document, _OP_REPLY
    else:
        body, code = struct.pack("<iB", 0, 0) + document, _OP_MSG
    return struct.pack("<iiii", 16 + len(body), 0, request, code) + body
