"""What the tests of the citizen's side share."""

import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import pytest

from libs.citizen.agent.agent import Agent
from libs.citizen.agent.certificate import CERTIFICATE, context
from libs.citizen.agent.keystores import KeyStoreFile
from libs.citizen.agent.server import listening
from libs.citizen.agent.stamper import HttpStamper
from libs.citizen.keys.keystore import write_entry
from libs.citizen.keys.private_keys import KeyAlgorithm
from libs.citizen.texts import choose
from libs.common.core.values import utc_now
from libs.common.texts.languages import Language
from tests.unit.citizen.agent.harness import PAGE, AgentHarness, ScriptedConsent, stamps
from tests.unit.citizen.factories import PASSWORD, Authority, make_authority
from tests.unit.citizen.stubs import StubServices


class Judge(Protocol):
    """Runs an outside program."""

    def __call__(self, *command: str, accept: bool = True) -> str:
        """Return what `command` printed. A missing program fails the test: it is never skipped."""
        ...


@pytest.fixture(autouse=True)
def in_english() -> None:
    """Address people in English, whatever a test before chose."""
    choose(Language.ENGLISH)


@pytest.fixture(scope="session")
def authority() -> Authority:
    return make_authority()


@pytest.fixture
def stub(authority: Authority) -> StubServices:
    return StubServices(authority)


@pytest.fixture(scope="session")
def judge() -> Judge:
    def run(*command: str, accept: bool = True) -> str:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode == 0) is accept, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    return run


@pytest.fixture(scope="session")
def tls_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("agent")


@pytest.fixture(scope="session")
def stores(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> list[KeyStoreFile]:
    folder = tmp_path_factory.mktemp("stores")
    entries = [authority.entry(), authority.entry("AUTH"), authority.entry(kind=KeyAlgorithm.RSA_2048)]
    return [KeyStoreFile.read(write_entry(folder, each, PASSWORD, rounds=1000), PASSWORD) for each in entries]


@pytest.fixture
async def harness(stores: list[KeyStoreFile], tls_folder: Path, authority: Authority) -> AsyncIterator[AgentHarness]:
    person = ScriptedConsent()
    agent = Agent(stores, person, utc_now, HttpStamper("https://tsa.example", stamps(authority, tls_folder)))
    async with listening(agent, context(tls_folder, utc_now()), {PAGE}, port=0) as server:
        tls = ssl.create_default_context(cafile=tls_folder / CERTIFICATE)
        bound = [socket.getsockname() for socket in server.sockets]
        yield AgentHarness(agent, person, bound[0][1], tls, {address for address, *_ in bound})
