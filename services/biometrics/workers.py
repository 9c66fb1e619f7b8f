"""A pool of processes for work that must be able to fail alone: decoding what strangers sent.

A process that crashes or takes too long costs its one job and is replaced. (The standard library's executor gives
up all jobs when one process dies, and cannot end a slow one.)
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
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

_SPAWN = multiprocessing.get_context("spawn")
_START_SECONDS = 60.0


class AnalysisBroken(Exception):
    """A job gave no result. That says nothing about what it was to look at: it may be tried again."""


class WorkerDied(AnalysisBroken):
    """The process that did the job ended under it; another takes its place."""


class AnalysisTimeout(AnalysisBroken):
    """The job took longer than it may and was ended with its process."""


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
            timeout: Seconds a job may take.
            memory: Bytes of address space a process may claim.
        """
        self.timeout = timeout
        self._slots = [_Slot(prepare, arguments, memory) for _ in range(size)]
        self._idle: SimpleQueue[_Slot] = SimpleQueue()
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="worker")
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
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        for slot in self._slots:
            slot.kill()

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run `function(*arguments)` in a worker and return its result.

        Raises:
            WorkerDied: its process ended.
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
        self._answer(_START_SECONDS)

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...], timeout: float) -> Any:
        if self._process is None or not self._process.is_alive():
            self.kill()
            self.start()
        connection = self._connection
        try:
            if connection is not None:
                connection.send((function, arguments))
        except BrokenPipeError as error:
            raise self._died() from error
        return self._answer(timeout)

    def _answer(self, timeout: float) -> Any:
        process, connection = self._process, self._connection
        if process is None or connection is None:
            raise WorkerDied("The worker was stopped.")
        ready = wait([connection, process.sentinel], timeout)
        if not ready:
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
            process.join(1)
        code = None if process is None else process.exitcode
        self.kill()
        return WorkerDied(f"The worker ended (exit code {code}). The job may be tried again.")

    def kill(self) -> None:
        if self._process is not None and self._process.is_alive():
            self._process.kill()
            self._process.join()
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None


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
    except Exception as error:  # noqa: BLE001 - told to the caller, in words: not every exception survives pickling
        return False, f"{function.__name__} raised {type(error).__name__}: {error}"
