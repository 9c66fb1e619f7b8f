"""Runs the local signing program, with a person at it and a time-stamp authority within reach."""

import base64
import json
import ssl
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin

from libs.citizen.agent.agent import Agent
from libs.citizen.agent.errors import Cancelled
from libs.citizen.agent.keystores import KeyStoreFile
from libs.citizen.agent.requests import ShowKey, SignDocuments
from libs.citizen.agent.server import HOST
from libs.citizen.keys.keystore import KeyEntry
from tests.unit.citizen.factories import PASSWORD, Authority, pem

PAGE = "https://portal.example"
COMMON, BASICS = "kz.gov.pki.knca.commonUtils", "kz.gov.pki.knca.basics"
DOCUMENT = "Өтініш: келісемін. Заявление: согласна.".encode()
XML = '<?xml version="1.0" encoding="UTF-8"?><application xmlns="urn:a"><name>ТЕСТОВА</name><n a="1"/></application>'


@dataclass
class ScriptedConsent:
    """A person who agrees to everything, or to nothing, and remembers what was asked."""

    agrees: bool = True
    asked: list[tuple[str, SignDocuments | ShowKey]] = field(default_factory=list)
    picked: int = 0

    async def choose(self, page: str, ask: SignDocuments | ShowKey, stores: Sequence[KeyStoreFile]) -> KeyStoreFile:
        self.asked.append((page, ask))
        if not self.agrees:
            raise Cancelled
        return stores[self.picked]

    async def unlock(self, store: KeyStoreFile) -> KeyEntry:
        return store.open(PASSWORD)


@dataclass
class AgentHarness:
    """A listening agent, and the person at it."""

    agent: Agent
    person: ScriptedConsent
    port: int
    tls: ssl.SSLContext
    addresses: set[str]

    @asynccontextmanager
    async def page(self, origin: str | None = PAGE) -> AsyncIterator[ClientConnection]:
        uri = f"wss://{HOST}:{self.port}"
        stated = None if origin is None else Origin(origin)
        async with connect(uri, ssl=self.tls, origin=stated, proxy=None) as socket:
            assert json.loads(await socket.recv()) == {"result": {"version": "1.4"}}
            yield socket

    async def ask(self, message: object) -> dict[str, Any]:
        async with self.page() as socket:
            await socket.send(message if isinstance(message, str) else json.dumps(message))
            answer: dict[str, Any] = json.loads(await socket.recv())
            return answer

    async def common(self, method: str, *args: object) -> dict[str, Any]:
        return await self.ask({"module": COMMON, "method": method, "args": list(args)})

    async def basics(self, form: str, data: object, signer: object = None, **params: object) -> dict[str, Any]:
        args = {"allowedStorages": ["PKCS12"], "format": form, "data": data, "locale": "kk"}
        given = {**args, "signingParams": params, "signerParams": signer or {"extKeyUsageOids": []}}
        return await self.ask({"module": BASICS, "method": "sign", "args": given})


def stamps(authority: Authority, folder: Path) -> httpx.MockTransport:
    """OpenSSL as time-stamp authority behind HTTP."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test time")]))
        .issuer_name(authority.issuing.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        .sign(authority.key, hashes.SHA256())
    )
    pkcs8 = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "tsa.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, *pkcs8))
    (folder / "tsa.crt").write_text(pem(certificate))
    (folder / "tsa.cnf").write_text(
        f"[tsa]\ndefault_tsa = t\n[t]\nserial = {folder}/serial\ncrypto_device = builtin\nsigner_digest = sha256\n"
        "default_policy = 1.2.3.4\ndigests = sha256\n"
    )

    def answer(request: httpx.Request) -> httpx.Response:
        (folder / "query").write_bytes(request.content)
        signer = ("-inkey", f"{folder}/tsa.key", "-signer", f"{folder}/tsa.crt")
        query = ("-config", f"{folder}/tsa.cnf", "-queryfile", f"{folder}/query")
        done = subprocess.run(["openssl", "ts", "-reply", *query, *signer], capture_output=True, check=True, timeout=30)
        return httpx.Response(200, content=done.stdout)

    return httpx.MockTransport(answer)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
