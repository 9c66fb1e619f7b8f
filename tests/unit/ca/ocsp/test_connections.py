"""Questions on real connections: what is answered between two reads, what takes the usual way, and both mixed."""

import asyncio
import base64
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from http.client import HTTPResponse
from io import BytesIO
from typing import cast
from urllib.parse import quote

import pytest
import pytest_asyncio
from cryptography.x509 import ocsp
from cryptography.x509.ocsp import OCSPCertStatus

from libs.common.core.errors import Unavailable
from libs.common.web.http import server
from services.ca.ocsp.questions import MAX_OCTETS
from services.ca.ocsp.service import OcspAnswer
from tests.unit.ca.hierarchies import CertificationAuthority
from tests.unit.ca.ocsp_harness import URL, OcspHost
from tests.unit.ca.office import World
from tests.waiting import PATIENCE_S

MALFORMED_DER = bytes.fromhex("30030a0101")
NONCE = bytes(range(32))


class Line:
    """A connection on which octets are sent as they are."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()
            await asyncio.sleep(0.01 if len(pieces) > 1 else 0)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Read one response, as Python's own client understands it."""
        async with asyncio.timeout(PATIENCE_S):
            head = await self._reader.readuntil(b"\r\n\r\n")
            known = _response(head)
            body = await self._reader.readexactly(int(known.getheader("content-length", "0")))
        return known.status, {name.lower(): value for name, value in known.getheaders()}, body

    async def ended(self) -> bool:
        async with asyncio.timeout(PATIENCE_S):
            return await self._reader.read() == b""

    def close(self) -> None:
        self._writer.close()


def _response(head: bytes) -> HTTPResponse:
    class Octets:
        def makefile(self, _mode: str) -> BytesIO:
            return BytesIO(head)

    response = HTTPResponse(cast("socket.socket", Octets()))
    response.begin()
    return response


class Watched:
    """The service, with a note of how often it was asked in each way."""

    def __init__(self, counter: OcspHost, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at_once = self.waited = 0
        at_once, answer = counter.ocsp.at_once, counter.ocsp.answer

        def answering_at_once(request: bytes) -> OcspAnswer | None:
            given = at_once(request)
            self.at_once += given is not None
            return given

        async def answering(request: bytes) -> OcspAnswer:
            self.waited += 1
            return await answer(request)

        monkeypatch.setattr(counter.ocsp, "at_once", answering_at_once)
        monkeypatch.setattr(counter.ocsp, "answer", answering)


@pytest_asyncio.fixture
async def counter(authority: CertificationAuthority) -> OcspHost:
    return await OcspHost(World(), authority).open()


@pytest_asyncio.fixture
async def watched(counter: OcspHost, monkeypatch: pytest.MonkeyPatch) -> Watched:
    return Watched(counter, monkeypatch)


@pytest_asyncio.fixture
async def port(counter: OcspHost) -> AsyncIterator[int]:
    running = server(counter.app(), "127.0.0.1", 0)
    task = asyncio.create_task(running.serve())
    while not running.started:  # noqa: ASYNC110 - the server sets no event
        await asyncio.sleep(0.01)
    yield running.servers[0].sockets[0].getsockname()[1]
    running.should_exit = True
    await task


@pytest_asyncio.fixture
async def line(port: int) -> AsyncIterator[Line]:
    line = Line(*await asyncio.open_connection("127.0.0.1", port))
    yield line
    line.close()


def post(question: bytes, *more: str) -> bytes:
    lines = (f"POST {URL} HTTP/1.1", "Host: ca", f"Content-Length: {len(question)}", *more, "", "")
    return "\r\n".join(lines).encode() + question


def get(path: str, *more: str, version: str = "1.1") -> bytes:
    return "\r\n".join((f"GET {path} HTTP/{version}", "Host: ca", *more, "", "")).encode()


def encoded(question: bytes) -> str:
    return f"{URL}/{quote(base64.b64encode(question), safe='')}"


def status(body: bytes) -> OCSPCertStatus:
    return ocsp.load_der_ocsp_response(body).certificate_status


async def test_what_memory_knows_is_answered_at_once_and_the_headers_are_those_of_the_usual_way(
    counter: OcspHost, watched: Watched, line: Line
) -> None:
    certificate = await counter.citizen()
    bare, fresh = counter.question(certificate), counter.question(certificate, NONCE)
    seen = []
    for request in 2 * [post(bare), get(encoded(bare)), post(fresh), get(encoded(fresh))]:
        await line.send(request)
        seen.append(await line.answer())

    assert (watched.waited, watched.at_once) == (1, 7)
    assert {status(body) for _, _, body in seen} == {OCSPCertStatus.GOOD}
    for (first, headers, _), (again, same, _) in zip(seen[:4], seen[4:], strict=True):
        assert first == again == 200
        varying = {"date": "", "content-length": ""}  # an ECDSA signature has 70 to 72 octets
        assert headers | varying == same | varying
    kept = seen[5][1]
    assert kept["cache-control"] == "max-age=60, public, no-transform, must-revalidate"
    await line.send(get(encoded(bare), f"If-None-Match: {kept['etag']}"))
    code, headers, body = await line.answer()
    assert (code, body, headers["etag"]) == (304, b"", kept["etag"])
    assert "content-type" not in headers


async def test_a_revocation_shows_at_once_to_whoever_asks_at_once(
    counter: OcspHost, watched: Watched, line: Line
) -> None:
    certificate = await counter.citizen()
    question = counter.question(certificate)
    for _ in range(2):
        await line.send(post(question))
        assert status((await line.answer())[2]) is OCSPCertStatus.GOOD
    assert watched.at_once == 1

    await counter.revoke(certificate, "superseded")
    counter.world.now += timedelta(seconds=1)
    for _ in range(2):
        await line.send(post(question))
        assert status((await line.answer())[2]) is OCSPCertStatus.REVOKED


async def test_requests_sent_together_are_answered_in_their_order_whichever_way_they_go(
    counter: OcspHost, line: Line
) -> None:
    certificate = await counter.citizen()
    bare, unknown = counter.question(certificate), counter.question_about(7)
    await line.send(post(bare) + get("/health/live") + post(unknown) + get("/nowhere") + 2 * post(bare))

    answers = [await line.answer() for _ in range(6)]

    assert [code for code, _, _ in answers] == [200, 200, 200, 404, 200, 200]
    assert [status(answers[n][2]) for n in (0, 2, 4, 5)] == [
        OCSPCertStatus.GOOD,
        OCSPCertStatus.UNKNOWN,
        OCSPCertStatus.GOOD,
        OCSPCertStatus.GOOD,
    ]


@pytest.mark.parametrize("size", [1, 7, 60])
async def test_a_request_that_comes_in_pieces_is_answered_when_it_is_whole(
    counter: OcspHost, line: Line, size: int
) -> None:
    question = counter.question(await counter.citizen())
    for request in (post(question), post(question)):
        pieces = [request[start : start + size] for start in range(0, len(request), size)]
        await line.send(*(pieces if size > 1 else pieces[-40:] and [request[:-40], *pieces[-40:]]))
        assert status((await line.answer())[2]) is OCSPCertStatus.GOOD


async def test_too_much_is_malformed_and_the_connection_goes_on(counter: OcspHost, line: Line) -> None:
    question = counter.question(await counter.citizen())
    for octets in (MAX_OCTETS, MAX_OCTETS + 1, 3_000_000):
        await line.send(post(bytes(octets)))
        assert (await line.answer())[::2] == (200, MALFORMED_DER)
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(question), question)
    await line.send(f"POST {URL} HTTP/1.1\r\nHost: ca\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + chunked)
    assert status((await line.answer())[2]) is OCSPCertStatus.GOOD


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE"])
async def test_another_method_is_refused_and_told_which_there_are(line: Line, method: str) -> None:
    await line.send(f"{method} {URL} HTTP/1.1\r\nHost: ca\r\n\r\n".encode())

    code, headers, body = await line.answer()

    assert (code, headers["allow"], body) == (405, "GET, POST", b"")


@pytest.mark.parametrize(
    "request_", [get(URL, "Connection: close"), get(URL, version="1.0")], ids=["told to close", "HTTP/1.0"]
)
async def test_whoever_wants_the_connection_closed_gets_an_answer_and_its_end(line: Line, request_: bytes) -> None:
    await line.send(request_)

    assert (await line.answer())[::2] == (200, MALFORMED_DER)
    assert await line.ended()


async def test_http_that_is_none_is_refused_and_the_connection_ended(line: Line) -> None:
    await line.send(f"POST {URL} HTTP/1.1\r\nContent-Length: -1\r\n\r\n".encode())

    assert (await line.answer())[0] == 400
    assert await line.ended()


async def test_two_lengths_are_no_way_to_smuggle_a_second_request(counter: OcspHost, line: Line) -> None:
    question = counter.question(await counter.citizen())
    await line.send(post(question, f"Content-Length: {len(question) + 1}") + get("/health/live"))

    assert (await line.answer())[0] == 400
    assert await line.ended()


async def test_a_replica_whose_store_is_silent_says_try_later_on_connections_too(
    counter: OcspHost, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = counter.question(await counter.citizen())
    await line.send(post(question))
    assert status((await line.answer())[2]) is OCSPCertStatus.GOOD

    async def down(*_: object, **__: object) -> None:
        raise Unavailable("the store does not answer")

    monkeypatch.setattr(counter.statuses, "changed_since", down)
    counter.world.now += timedelta(seconds=1)
    await line.send(post(question))
    assert ocsp.load_der_ocsp_response((await line.answer())[2]).response_status.name == "TRY_LATER"


async def test_a_fault_of_ours_is_no_fault_of_the_request(
    counter: OcspHost, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The usual way answers then, whose faults are told as such."""

    def broken(_: bytes) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(counter.ocsp, "at_once", broken)
    await line.send(post(counter.question(await counter.citizen())))

    assert status((await line.answer())[2]) is OCSPCertStatus.GOOD


async def test_idle_connections_do_not_hold_up_the_end_of_the_server(counter: OcspHost) -> None:
    running = server(counter.app(), "127.0.0.1", 0)
    task = asyncio.create_task(running.serve())
    while not running.started:  # noqa: ASYNC110 - the server sets no event
        await asyncio.sleep(0.01)
    line = Line(*await asyncio.open_connection("127.0.0.1", running.servers[0].sockets[0].getsockname()[1]))
    await line.send(get(URL))
    assert (await line.answer())[0] == 200

    running.should_exit = True
    async with asyncio.timeout(PATIENCE_S):
        await task
    assert await line.ended()
    line.close()
