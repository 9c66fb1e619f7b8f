"""Server processes on loopback ports: start, wait until they answer, stop, kill, start again."""

import asyncio
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

LOOPBACK: Final = "127.0.0.1"
GUARD: Final = Path(__file__).with_name("guard.py")
POLL_SECONDS: Final = 0.02
LOG_TAIL_LINES: Final = 15

# Below the range from which Linux takes ports for outgoing connections (32768 and up): there a client that
# keeps calling a stopped server can be given the server's own port, connect to itself and hold the port.
FIRST_PORT, PORTS = 20_000, 12_000
_given: set[int] = set()


class StackError(RuntimeError):
    """Something of the embedded stack cannot start; `type` is the stable key beside the text for people."""

    def __init__(self, type_: str, message: str) -> None:
        super().__init__(message)
        self.type = type_


def free_port() -> int:
    """Give a loopback TCP port that nothing listens on, never the same one twice in a process."""
    for _ in range(PORTS):
        port = FIRST_PORT + secrets.randbelow(PORTS)
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
        _given.add(port)
        return port
    raise StackError("no-free-port", f"No free port between {FIRST_PORT} and {FIRST_PORT + PORTS}.")


async def accepts(port: int) -> bool:
    """Tell whether something accepts TCP connections on this loopback port."""
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


@dataclass(frozen=True)
class Program:
    """What to run and how to know that it works.

    `answers` tells whether the server does its work (not merely listens); `prepare` runs before each start;
    `command` begins with a path. Output of all starts is appended to `log`. Times are seconds.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    answers: Callable[[], Awaitable[bool]]
    prepare: Callable[[], None] = lambda: None
    start_seconds: float = 15.0
    stop_seconds: float = 5.0


class Server:
    """One child process on one loopback port, as an async context manager.

    It is bound to no event loop: it may be started in one loop and killed in another. Start it from a
    thread that lives as long as the server should, for the kernel kills it when that thread ends (on Linux).
    A session of its own keeps Ctrl-C in a terminal from reaching it before its users have stopped.
    """

    def __init__(self, program: Program, port: int) -> None:
        self._program = program
        self._child: subprocess.Popen[bytes] | None = None
        self.port = port

    @property
    def address(self) -> str:
        """`host:port`, the same over all restarts."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def environment(self) -> dict[str, str] | None:
        """Environment variables of the child; None: those of this process."""
        return None

    @property
    def log(self) -> Path:
        """The file with everything the server printed."""
        return self._program.log

    @property
    def pid(self) -> int | None:
        """Process id while the server runs, otherwise `None`."""
        running = self._child is not None and self._child.poll() is None
        return self._child.pid if self._child is not None and running else None

    async def start(self) -> None:
        """Start and wait until the server answers; does nothing while it runs.

        Raises:
            StackError: `port-taken`, or `server-ended` or `server-silent` with the end of its log; nothing is
                left running.
        """
        if self.pid is not None:
            return
        if await accepts(self.port):  # it would answer in our server's place
            raise StackError(
                "port-taken", f"{self._program.name} cannot use {self.address}: another process listens there."
            )
        self._spawn()
        try:
            async with asyncio.timeout(self._program.start_seconds):
                while not await self._program.answers():
                    self._require_alive()
                    await asyncio.sleep(POLL_SECONDS)
            self._require_alive()
        except TimeoutError:
            await self.kill()
            raise self._failed("server-silent", f"gave no answer in {self._program.start_seconds:g} s") from None
        except BaseException:
            await self.kill()
            raise

    async def stop(self) -> None:
        """Ask the server to end; kill it when it has not ended in time. Does nothing when it is not running."""
        if self._child is None:
            return
        self._child.terminate()
        if not await self._ended_within(self._program.stop_seconds):
            await self.kill()

    async def kill(self) -> None:
        """End the server without a chance to finish anything, as a power cut would."""
        if self._child is None:
            return
        self._child.kill()
        await self._ended_within(self._program.stop_seconds)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _spawn(self) -> None:
        self._program.log.parent.mkdir(parents=True, exist_ok=True)
        self._program.prepare()
        guarded = (sys.executable, "-I", "-S", str(GUARD), str(os.getpid()), *self._program.command)
        with self._program.log.open("ab") as log:
            self._child = subprocess.Popen(  # noqa: S603 - the command is ours, no shell
                guarded,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._program.log.parent,
                env=self.environment,
                start_new_session=True,
            )

    async def _ended_within(self, seconds: float) -> bool:
        deadline = asyncio.get_running_loop().time() + seconds
        while self.pid is not None and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - a process's end sets no event here
            await asyncio.sleep(POLL_SECONDS)
        return self.pid is None

    def _require_alive(self) -> None:
        if self._child is not None and (status := self._child.poll()) is not None:
            raise self._failed("server-ended", f"ended with status {status} while starting")

    def _failed(self, type_: str, what: str) -> StackError:
        lines = self._program.log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        tail = "\n".join(f"    {line}" for line in lines) or "    (it printed nothing)"
        return StackError(type_, f"{self._program.name} on {self.address} {what}. From {self._program.log}:\n{tail}")
