"""A gateway of an outside system, as a server that answers as the test says."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from typing_extensions import override


@dataclass
class StubGateway:
    """A server that answers as server, and keeps what it was asked."""

    url: str
    status: int = 200
    body: bytes = b"{}"
    asked: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list)

    def says(self, status: int, body: object = None) -> None:
        self.status, self.body = status, json.dumps(body).encode()


@pytest.fixture
def gateway() -> Iterator[StubGateway]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            stub.asked.append((self.path, json.loads(body), dict(self.headers)))
            self.send_response(stub.status)
            self.send_header("Content-Length", str(len(stub.body)))
            self.end_headers()
            self.wfile.write(stub.body)

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stub = StubGateway(f"http://127.0.0.1:{server.server_port}/gateway/")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield stub
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def client(gateway: StubGateway) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=gateway.url, timeout=5)
