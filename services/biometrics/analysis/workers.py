"""A pool of processes for work that must be able to fail alone: decoding what strangers sent.

A process that crashes or takes too long costs its one job and is replaced at once. (The standard library's executor
gives up all jobs when one process dies, and cannot end a slow one.)

What a job takes is counted by the clock from the moment a process has it, so a decoder that sleeps, swaps or turns in
circles is ended alike. Time in which the process, or one that it waits for, was ready to run and others ran instead is
not counted: a busy machine is not the picture's fault.
"""

import asyncio
import multiprocessing
import os
import resource
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from queue import SimpleQueue
from threading import Timer
from time import monotonic
from typing import Any, Final, TypeVar

T = TypeVar("T")

_SPAWN: Final = multiprocessing.get_context("spawn")
_START_SECONDS: Final = 60.0
_PATIENCE_SECONDS: Final = 30.0
"""By the clock alone, however busy the machine is."""
_END_SECONDS: Final = 1.0
_CHECK_AGAIN_SECONDS: Final = 0.01


class AnalysisBroken(Exception):
    """A job gave no result. That says nothing about its input: it may be tried again."""


class WorkerDied(AnalysisBroken):
    """The process that did the job ended under it; another takes its place."""


class AnalysisTimeout(AnalysisBroken):
    """The job took longer than it may and was ended with its process. Tried again, it would do so again."""


class JobFailed(AnalysisBroken):
    """The job's function raised: something of ours is broken. Says what it raised."""


class Workers:
    """A fixed number of processes, each ready to run functions that are importable by name.

    `await start()` before the first job; `await stop()` at the end. Jobs beyond the number of processes wait in
    the order of their coming.
    """

    def __init__(
        self,
        size: int,
        prepare: Callable[..., None],
        *arguments: Any,
        timeout: float = 30.0,
        memory: int = 2 * 2**30,
    ) -> None:
        """Describe the pool.

        Args:
            size: How many processes; the number of cores is best.
            prepare: Runs once in every process before its first job.
            arguments: What `prepare` is called with.
            timeout: Seconds a job may take, without those in which the machine did other things.
            memory: Bytes of address space a process may claim.
        """
        self.timeout = timeout
        self._slots = [_Slot(prepare, arguments, memory) for _ in range(size)]
        self._idle: SimpleQueue[_Slot] = SimpleQueue()
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="worker")
        self._repairs = ThreadPoolExecutor(1, thread_name_prefix="worker-repair")
        self._jobs = 0

    @property
    def jobs(self) -> int:
        """How many jobs are under way or waiting: what back-pressure goes by."""
        return self._jobs

    async def start(self) -> None:
        """Start all processes and wait until each is prepared.

        Raises:
            JobFailed: `prepare` raised, for instance because a model file is not the one it should be.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.TaskGroup() as group:
                for slot in self._slots:
                    group.create_task(_awaited(loop.run_in_executor(self._threads, slot.start)))
        except* JobFailed as failures:
            await self.stop()
            raise failures.exceptions[0] from None
        for slot in self._slots:
            self._idle.put(slot)

    async def stop(self) -> None:
        """Let the jobs under way finish, drop those that wait, and end all processes."""
        for threads in (self._threads, self._repairs):
            await asyncio.to_thread(threads.shutdown, cancel_futures=True)
        for slot in self._slots:
            slot.kill()

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run `function(*arguments)` in a worker and return its result.

        Raises:
            WorkerDied: its process ended, or the machine had no time for it.
            AnalysisTimeout: it took longer than `timeout` seconds.
            JobFailed: it raised.
        """
        self._jobs += 1
        try:
            call = partial(self._call, function, arguments)
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        finally:
            self._jobs -= 1

    def _call(self, function: Callable[..., T], arguments: tuple[Any, ...]) -> T:
        slot = self._idle.get()
        try:
            result: T = slot.call(function, arguments, self.timeout)
            return result
        finally:
            if slot.alive:
                self._idle.put(slot)
            else:  # who comes next shall not wait for a start
                self._repairs.submit(self._repair, slot)

    def _repair(self, slot: "_Slot") -> None:
        try:
            slot.start()
        finally:  # what did not start is started before its next job, which fails with the reason if it cannot be
            self._idle.put(slot)


async def _awaited(future: asyncio.Future[None]) -> None:
    await future


class _Slot:
    """The place of one process. Used by one thread at a time; a process that is gone is replaced at need."""

    def __init__(self, prepare: Callable[..., None], arguments: tuple[Any, ...], memory: int) -> None:
        self._prepare = (prepare, arguments)
        self._memory = memory
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None

    def start(self) -> None:
        # Small matrices gain nothing from threads, and each core has its process: three times the processor's time.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        ours, theirs = _SPAWN.Pipe()
        process = _SPAWN.Process(target=_work, args=(theirs, *self._prepare, self._memory), daemon=True)
        process.start()
        theirs.close()
        self._process, self._connection = process, ours
        try:
            self._answer(_START_SECONDS)
        except AnalysisTimeout as error:
            raise WorkerDied("The worker did not start in time.") from error
        except JobFailed:
            self.kill()  # it lives, but is not prepared, and would take jobs all the same
            raise

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.is_alive()

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...], timeout: float) -> Any:
        if not self.alive:
            self.kill()
            self.start()
        process, connection = self._process, self._connection
        if process is None or connection is None:
            raise WorkerDied("The worker was stopped.")
        # Also a process that stands still before it has taken in the job, or in the midst of its answer, is ended.
        watchdog = Timer(_PATIENCE_SECONDS, process.kill)
        watchdog.start()
        try:
            connection.send((function, arguments))
            return self._answer(timeout)
        except BrokenPipeError as error:
            raise self._died() from error
        finally:
            watchdog.cancel()

    def _answer(self, timeout: float) -> Any:
        process, connection = self._process, self._connection
        if process is None or connection is None:
            raise WorkerDied("The worker was stopped.")
        if not _ready(process, connection, timeout):
            self.kill()
            raise AnalysisTimeout(f"The job took longer than {timeout:g} s and was ended.")
        try:
            succeeded, answer = connection.recv()
        except (EOFError, OSError) as error:
            raise self._died() from error
        if not succeeded:
            raise JobFailed(answer)
        return answer

    def _died(self) -> WorkerDied:
        process = self._process
        if process is not None:
            process.join(_END_SECONDS)
        code = None if process is None else process.exitcode
        self.kill()
        return WorkerDied(f"The worker ended (exit code {code}). The job may be tried again.")

    def kill(self) -> None:
        if self._process is not None and self._process.is_alive():
            self._process.kill()
            self._process.join(_END_SECONDS)  # one that the kernel holds back ends when it is let go
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None


def _ready(process: SpawnProcess, connection: Connection, timeout: float) -> bool:
    """Wait until a process answers or ends, for so many seconds of what it had of the machine."""
    began, before = monotonic(), _kept_waiting(process.pid)
    left = timeout
    while left > 0:
        if wait([connection, process.sentinel], max(left, _CHECK_AGAIN_SECONDS)):
            return True
        left = timeout - (monotonic() - began) + (_kept_waiting(process.pid) - before)
    return False


def _kept_waiting(pid: int | str | None) -> float:
    """Return the seconds that a process, and those it started, were ready to run and others ran instead.

    Linux, Documentation/scheduler/sched-stats.rst: the second number, nanoseconds. 0 where the kernel does not count.
    """
    process = Path(f"/proc/{pid}")
    try:
        own = int((process / "schedstat").read_text(encoding="ascii").split()[1]) / 1e9
        started = (process / "task" / str(pid) / "children").read_text(encoding="ascii").split()
    except (OSError, IndexError, ValueError):
        return 0.0
    return own + sum(map(_kept_waiting, started))


def _work(connection: Connection, prepare: Callable[..., None], arguments: tuple[Any, ...], memory: int) -> None:
    """Be a worker: prepare, then do job after job until the other side is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C stops the service, which stops its workers
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    job: tuple[Callable[..., Any], tuple[Any, ...]] = (prepare, arguments)
    while True:
        connection.send(_outcome(*job))
        try:
            job = connection.recv()
        except EOFError:
            return


def _outcome(function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[bool, Any]:
    try:
        return True, function(*arguments)
    except Exception as error:  # noqa: BLE001 - the caller gets it in words: not every exception survives pickling
        return False, f"{function.__name__} raised {type(error).__name__}: {error}"
