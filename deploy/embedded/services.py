"""The five services running on one machine: in one process, or each in a process of its own that may be killed.

Either way they speak through the broker only, and each has a database of its own.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import httpx
import uvicorn

from deploy.embedded.installation import SERVICES, Installation
from deploy.embedded.process import LOOPBACK, Program, Server, StackError
from libs.common.web.http import server
from libs.common.web.service import App
from services.biometrics import app as biometrics
from services.biometrics.settings import BiometricsSettings
from services.ca import app as ca
from services.ca.settings import Settings as CaSettings
from services.identity import app as identity
from services.identity.settings import Settings as IdentitySettings
from services.kandas import app as kandas
from services.kandas.settings import Settings as KandasSettings
from services.otp import app as otp
from services.otp.settings import Settings as OtpSettings

START_SECONDS: Final = 60.0
_ROOT: Final = Path(__file__).parents[2]
_BUILD: Final[Mapping[str, Callable[[], App]]] = {
    "identity": lambda: identity.build(IdentitySettings()),
    "otp": lambda: otp.build(OtpSettings()),
    "biometrics": lambda: biometrics.build(BiometricsSettings()),
    "ca": lambda: ca.build(CaSettings()),
    "kandas": lambda: kandas.build(KandasSettings()),
}


class RunningServices:
    """Services in this process, any of which can be stopped and started again."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._serving: dict[str, tuple[_Guest, asyncio.Task[None]]] = {}

    async def start(self, *services: str, overrides: Mapping[str, str] | None = None) -> None:
        """Start services and wait until they serve.

        Args:
            services: by name.
            overrides: environment variables that differ from the installation's.

        Raises:
            StackError: ``service-ended``: one of them could not start; its reason is in the log.
            TimeoutError: it took too long.
        """
        for service in services:
            app = _build(self._installation, service, overrides or {})
            guest = _Guest(server(app.http, app.host, app.port).config)
            self._serving[service] = guest, asyncio.create_task(guest.serve(), name=service)
        async with asyncio.timeout(START_SECONDS):
            while not all(self._serving[service][0].started for service in services):
                _require_running([self._serving[service][1] for service in services])
                await asyncio.sleep(0.05)  # uvicorn has only a flag for it

    async def stop(self, *services: str) -> None:
        """Stop services, as a deployment would; each finishes what it has begun."""
        ending = [self._serving.pop(service) for service in services if service in self._serving]
        for guest, _ in ending:
            guest.should_exit = True
        await asyncio.gather(*(serving for _, serving in ending), return_exceptions=True)


@asynccontextmanager
async def in_one_process(installation: Installation) -> AsyncIterator[RunningServices]:
    """Run all five services in this process, until the context ends.

    Raises:
        StackError, TimeoutError: see `Together.start`.
    """
    running = RunningServices(installation)
    try:
        await running.start(*SERVICES)
        yield running
    finally:
        await running.stop(*SERVICES)


def process_of(installation: Installation, service: str, logs: Path) -> Server:
    """Make one service as a process of its own, to be started, killed and started again."""
    port = installation.ports[service]
    command = (sys.executable, "-m", f"services.{service}")
    return _ServiceProcess(
        Program(
            f"The service {service}",
            command,
            (logs / f"{service}.log").resolve(),
            partial(_ready, port),
            start_seconds=START_SECONDS,
            stop_seconds=20.0,
        ),
        port,
        installation.environment(service),
    )


class _ServiceProcess(Server):
    """A service as a child process that reads its settings from the environment."""

    def __init__(self, program: Program, port: int, environment: dict[str, str]) -> None:
        super().__init__(program, port)
        self._environment = environment

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, **self._environment, "PYTHONPATH": str(_ROOT)}


class _Guest(uvicorn.Server):
    """A server among several in one process: signals are for whoever runs them all."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _build(installation: Installation, service: str, overrides: Mapping[str, str]) -> App:
    """Make an application as its own process would: from environment variables, which are put back as they were."""
    before = dict(os.environ)
    os.environ.update({**installation.environment(service), **overrides})
    try:
        return _BUILD[service]()
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


def _require_running(serving: list[asyncio.Task[None]]) -> None:
    if any(task.done() for task in serving):
        raise StackError("service-ended", "A service ended while starting. The reason is in the log of the services.")


async def _ready(port: int) -> bool:
    async with httpx.AsyncClient(timeout=3.0) as client:
        try:
            answer = await client.get(f"http://{LOOPBACK}:{port}/health/ready")
        except httpx.HTTPError:
            return False
    return answer.is_success
