"""The signing program, used by a client library that pages written for NCALayer use, and from the command line."""

import asyncio
import base64
import json
import os
import re
import ssl
import subprocess
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.typing import Origin

from libs.citizen.agent.agent import Agent
from libs.citizen.agent.certificate import CERTIFICATE, context
from libs.citizen.agent.keystores import KeyStoreFile
from libs.citizen.agent.requests import ShowKey, SignDocuments
from libs.citizen.agent.server import HOST, listening
from libs.citizen.agent.stamper import HttpStamper
from libs.citizen.keys.keystore import KeyEntry, write_entry
from libs.common.core.values import utc_now
from libs.common.pki.cms import verify_detached
from libs.common.pki.trust import TrustAnchors
from tests.unit.citizen.agent.harness import stamps
from tests.unit.citizen.factories import IIN, PASSWORD, Authority

PAGE = "https://portal.example"
DOCUMENT = b"an application"
CLIENT = ("ncalayer-js-client@1.5.6", "ws@8.23.0")
ROOT = Path(__file__).parents[4]


class Agreeing:
    """A person who agrees with the first key that fits."""

    async def choose(self, page: str, ask: SignDocuments | ShowKey, stores: Sequence[KeyStoreFile]) -> KeyStoreFile:
        del page, ask
        return stores[0]

    async def unlock(self, store: KeyStoreFile) -> KeyEntry:
        return store.open(PASSWORD)


@pytest.fixture(scope="module")
def client() -> Path:
    """The folder of the client library, fetched by name and version when first needed."""
    folder = ROOT / "var" / "page"
    if not (folder / "node_modules" / "ncalayer-js-client").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--save-exact", "--loglevel=error")
        subprocess.run(["npm", "install", "--prefix", folder, *quiet, *CLIENT], check=True, timeout=110)
    return folder / "node_modules"


async def test_a_published_client_of_ncalayer_gets_what_it_asks_for(
    client: Path, authority: Authority, tmp_path: Path
) -> None:
    store = KeyStoreFile.read(write_entry(tmp_path, authority.entry(), PASSWORD, rounds=1000), PASSWORD)
    stamper = HttpStamper("https://tsa.example", stamps(authority, tmp_path))
    agent = Agent([store], Agreeing(), utc_now, stamper)
    async with listening(agent, context(tmp_path, utc_now()), {PAGE}, port=0) as server:
        port = server.sockets[0].getsockname()[1]
        shown = await _page(client, f"wss://{HOST}:{port}", tmp_path / CERTIFICATE)
    assert (shown["version"], shown["tokens"], shown["key"]["keyId"]) == ("1.4", [], store.info()["keyId"])
    trust = TrustAnchors([authority.root], [authority.issuing])
    beside = shown["certified"]
    assert beside["certificate"] == store.pem
    armoured = ["".join(each.splitlines()[1:-1]) for each in (shown["cms"], *beside["signatures"])]
    for signature in (shown["cades"], *armoured):
        assert verify_detached(base64.b64decode(signature), DOCUMENT, trust, utc_now()).iin == IIN
    for xml in (shown["xml"], *shown["xmls"], *shown["basicsXml"]):
        assert "<ds:SignatureValue>" in xml
    assert shown["refused"].startswith("key.none_fits")


async def _page(client: Path, url: str, certificate: Path) -> dict[str, Any]:
    script = Path(__file__).with_name("page.js")
    environment = {**os.environ, "NODE_PATH": str(client), "NODE_EXTRA_CA_CERTS": str(certificate)}
    node = await asyncio.create_subprocess_exec(
        "node", script, url, PAGE, env=environment, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    given = json.dumps({"data": base64.b64encode(DOCUMENT).decode(), "xml": "<a><b/></a>"}).encode()
    out, err = await asyncio.wait_for(node.communicate(given), timeout=60)
    assert node.returncode == 0, err.decode()
    shown: dict[str, Any] = json.loads(out)
    return shown


@asynccontextmanager
async def terminal(*command: str) -> AsyncIterator[Process]:
    """Run `citizen` with a keyboard and a screen that are pipes."""
    environment = {
        **os.environ,
        "CITIZEN_P12_PASSWORD": PASSWORD,
        "LANGUAGE": "en",
        "COLUMNS": "200",
        "PYTHONUNBUFFERED": "1",
    }
    module = (sys.executable, "-m", "libs.citizen", *command)
    process = await asyncio.create_subprocess_exec(
        *module, cwd=ROOT, env=environment, stdin=PIPE, stdout=PIPE, stderr=STDOUT
    )
    try:
        yield process
    finally:
        process.terminate()
        await process.wait()


async def test_the_terminal_shows_what_a_page_wants_signed_and_signs_what_was_agreed_to(
    authority: Authority, tmp_path: Path, unused_tcp_port: int
) -> None:
    store = write_entry(tmp_path, authority.entry(), PASSWORD, rounds=1000)
    options = ("--p12", str(store), "--allow", PAGE, "--port", str(unused_tcp_port), "--folder", str(tmp_path))
    async with terminal("agent", *options) as process:
        assert process.stdin
        assert process.stdout
        await _shown(process.stdout, "The browser must trust")
        tls = ssl.create_default_context(cafile=tmp_path / CERTIFICATE)
        async with connect(f"wss://{HOST}:{unused_tcp_port}", ssl=tls, origin=Origin(PAGE), proxy=None) as page:
            await page.recv()
            for typed, code in ((b"1\n", "200"), (b"\n", "500")):
                args = ["PKCS12", "SIGNATURE", base64.b64encode(DOCUMENT + b"\x1b[2J").decode(), False]
                asked = {"module": "kz.gov.pki.knca.commonUtils", "method": "createCAdESFromBase64", "args": args}
                await page.send(json.dumps(asked))
                shown = await _shown(process.stdout, "ТЕСТОВА АЙГУЛЬ, to sign")
                assert f"{PAGE} asks you to sign 1 document as CMS" in shown
                assert "| an application\N{REPLACEMENT CHARACTER}[2J" in shown
                process.stdin.write(typed)
                assert json.loads(await page.recv())["code"] == code


async def test_a_document_cannot_write_where_the_agent_does_and_a_closed_keyboard_means_no(
    authority: Authority, tmp_path: Path, unused_tcp_port: int
) -> None:
    store = write_entry(tmp_path, authority.entry(), PASSWORD, rounds=1000)
    options = (
        "--p12",
        str(store),
        "--allow",
        f"{PAGE}:443/",
        "--port",
        str(unused_tcp_port),
        "--folder",
        str(tmp_path),
    )
    forged = f"hello{' ' * 200}Number of the key to use: 漢{'=' * 300}"
    args = ["PKCS12", "SIGNATURE", base64.b64encode(forged.encode()).decode(), False]
    asked = {"module": "kz.gov.pki.knca.commonUtils", "method": "createCAdESFromBase64", "args": args}
    async with terminal("agent", *options) as process:
        assert process.stdin
        assert process.stdout
        await _shown(process.stdout, "The browser must trust")
        tls = ssl.create_default_context(cafile=tmp_path / CERTIFICATE)
        async with connect(f"wss://{HOST}:{unused_tcp_port}", ssl=tls, origin=Origin(PAGE), proxy=None) as page:
            await page.recv()
            await page.send(json.dumps(asked))
            shown = await _shown(process.stdout, "ТЕСТОВА АЙГУЛЬ, to sign")
            process.stdin.close()
            assert json.loads(await page.recv()) == {"code": "500", "message": "action.canceled"}
    document = shown.partition("1. text,")[2].partition("This is not all of it")[0].splitlines()[1:-1]
    assert len(document) >= 2
    assert all(line.startswith("     | ") for line in document)


async def _shown(screen: asyncio.StreamReader, awaited: str) -> str:
    seen = ""
    while not re.search(re.escape(awaited), seen):
        line = await asyncio.wait_for(screen.readline(), timeout=60)
        assert line, seen
        seen += line.decode()
    return seen
