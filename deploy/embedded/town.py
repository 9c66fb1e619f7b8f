"""The five services running on one machine: in one process, or each in a process of its own that may be killed.

Either way they speak through the broker only, and each has a database of its own.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import httpx
import uvicorn

from deploy.embedded.installation import SERVICES, Installation
from deploy.embedded.process import LOOPBACK, Program, Server, StackError
from libs.common.http import server
from libs.common.platform import App
from services.biometrics import app as biometrics
from services.biometrics.settings import Settings as BiometricsSettings
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


def build_all(installation: Installation) -> list[App]:
    """Make all five applications as their own processes would: from environment variables."""
    told = {name: value for service in SERVICES for name, value in installation.environment(service).items()}
    os.environ.update(told)
    return [
        identity.build(IdentitySettings()),
        otp.build(OtpSettings()),
        biometrics.build(BiometricsSettings()),
        ca.build(CaSettings()),
        kandas.build(KandasSettings()),
    ]


@asynccontextmanager
async def in_one_process(installation: Installation) -> AsyncIterator[None]:
    """Run all five services in this process, until the context ends.

    Raises:
        StackError: ``service-ended``: one of them could not start; its reason is in the log.
    """
    servers = [_Guest(server(app.http, app.host, app.port).config) for app in build_all(installation)]
    serving = [asyncio.create_task(each.serve()) for each in servers]
    try:
        async with asyncio.timeout(START_SECONDS):
            while not all(each.started for each in servers):
                _require_running(serving)
                await asyncio.sleep(0.05)  # uvicorn tells by a flag
        yield
    finally:
        for each in servers:
            each.should_exit = True
        await asyncio.gather(*serving, return_exceptions=True)


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
