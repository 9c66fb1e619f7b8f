"""The pool itself, with functions of the standard library: a spawned process can import those anywhere."""

import asyncio
import hashlib
import multiprocessing
import operator
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from services.biometrics.analysis import analyses
from services.biometrics.analysis.analyser import StubAnalyser, WorkerAnalyser, stub_picture
from services.biometrics.analysis.workers import AnalysisTimeout, JobFailed, WorkerDied, Workers
from services.biometrics.document.mrz import Mrz
from tests.fixtures.media.make import MediaFiles
from tests.unit.biometrics.analysis import hanging_decoders
from tests.unit.biometrics.conftest import HOLDER
from tests.waiting import PATIENCE_S


@pytest_asyncio.fixture
async def pair() -> AsyncIterator[Workers]:
    workers = Workers(2, time.sleep, 0, timeout=1.5)
    await workers.start()
    yield workers
    await workers.stop()


async def test_jobs_run_in_other_processes_side_by_side(tmp_path: Path) -> None:
    workers = Workers(2, time.sleep, 0, timeout=PATIENCE_S)
    await workers.start()
    os.mkfifo(pipe := tmp_path / "pipe")
    ends = (os.O_RDONLY, os.O_WRONLY)
    await asyncio.gather(*(workers.run(os.open, pipe, end) for end in ends))  # each waits until the other is there
    assert await workers.run(os.getpid) != os.getpid()
    await workers.stop()


async def test_a_worker_that_dies_costs_its_own_job_alone(pair: Workers) -> None:
    neighbour = asyncio.create_task(pair.run(time.sleep, 0.4))
    with pytest.raises(WorkerDied, match=r"exit code -9"):
        await pair.run(os.kill, await pair.run(os.getpid), signal.SIGKILL)
    await neighbour
    pids = await asyncio.gather(*(pair.run(os.getpid) for _ in range(6)))
    assert len(set(pids)) <= 2


async def test_a_crash_in_native_code_is_a_dead_worker_and_not_ours(pair: Workers) -> None:
    with pytest.raises(WorkerDied, match="may be tried again"):
        await pair.run(os.abort)
    assert await pair.run(operator.add, 1, 2) == 3


async def test_a_slow_job_is_ended_and_its_process_replaced(pair: Workers) -> None:
    began = time.monotonic()
    with pytest.raises(AnalysisTimeout, match=r"longer than 1\.5 s"):
        await pair.run(time.sleep, 60)
    assert time.monotonic() - began < 30
    assert await pair.run(operator.add, 2, 2) == 4


async def test_a_job_that_turns_in_circles_in_native_code_is_ended_and_its_place_filled_before_the_next_one() -> None:
    workers = Workers(1, time.sleep, 0, timeout=1)
    await workers.start()
    before = await workers.run(os.getpid)
    taken = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    with pytest.raises(AnalysisTimeout):
        await workers.run(hashlib.pbkdf2_hmac, "sha256", b"", b"", 10**9)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - taken < 3, "with the start of the process"
    with pytest.raises(ProcessLookupError):
        os.kill(before, 0)
    async with asyncio.timeout(PATIENCE_S):
        while workers._idle.empty():  # noqa: ASYNC110 - nobody tells when a process is ready
            await asyncio.sleep(0.05)
    (slot,) = workers._slots
    assert slot.alive
    await workers.stop()


async def test_a_process_that_stands_still_before_it_takes_its_job_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.biometrics.analysis.workers._PATIENCE_SECONDS", 1)
    workers = Workers(1, time.sleep, 0)
    await workers.start()
    os.kill(await workers.run(os.getpid), signal.SIGSTOP)
    with pytest.raises(WorkerDied, match=r"exit code -9"):
        await workers.run(len, bytes(20_000_000))
    assert await workers.run(operator.add, 2, 2) == 4
    await workers.stop()


def spin(core: int) -> None:
    os.sched_setaffinity(0, {core})
    while True:
        pass


def one_core_takes(seconds: float) -> int:
    """How many rounds of a hash take so long on a core of one's own."""
    began = time.thread_time()
    hashlib.pbkdf2_hmac("sha256", b"", b"", 100_000)
    return round(100_000 * seconds / (time.thread_time() - began))


@pytest.mark.parametrize("by_another", [False, True], ids=["by itself", "by a process that it waits for"])
async def test_a_job_that_waits_for_a_processor_is_not_charged_for_it(by_another: bool) -> None:
    workers = Workers(1, time.sleep, 0, timeout=1.5)
    await workers.start()
    core = min(os.sched_getaffinity(0))
    await workers.run(os.sched_setaffinity, 0, {core})
    fork = multiprocessing.get_context("fork")
    others = [fork.Process(target=spin, args=(core,), daemon=True) for _ in range(7)]
    rounds = one_core_takes(0.5)
    for each in others:
        each.start()
    try:
        began = time.monotonic()
        if by_another:
            work = f"import hashlib; hashlib.pbkdf2_hmac('sha256', b'', b'', {rounds})"
            await workers.run(subprocess.check_call, [sys.executable, "-I", "-c", work])
        else:
            await workers.run(hashlib.pbkdf2_hmac, "sha256", b"", b"", rounds)
        assert time.monotonic() - began > 1.6, "others had the core meanwhile, or this shows nothing"
    finally:
        for each in others:
            each.kill()
            each.join()
        await workers.stop()


async def test_a_job_that_raises_says_what_and_keeps_its_process(pair: Workers) -> None:
    with pytest.raises(JobFailed, match="truediv raised ZeroDivisionError"):
        await pair.run(operator.truediv, 1, 0)


async def test_a_job_that_wants_too_much_memory_fails_alone() -> None:
    workers = Workers(1, time.sleep, 0, memory=2**30)
    await workers.start()
    with pytest.raises(JobFailed, match="MemoryError"):
        await workers.run(bytes, 2**31)
    assert await workers.run(operator.add, 3, 2) == 5
    await workers.stop()


async def test_jobs_are_counted_while_they_wait(pair: Workers) -> None:
    jobs = [asyncio.create_task(pair.run(time.sleep, 0.1)) for _ in range(5)]
    await asyncio.sleep(0)
    assert pair.jobs == 5
    await asyncio.gather(*jobs)
    assert pair.jobs == 0


async def test_stopping_ends_every_process(pair: Workers) -> None:
    pids = set(await asyncio.gather(*(pair.run(os.getpid) for _ in range(4))))
    await pair.stop()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_workers_whose_models_were_changed_do_not_start(tmp_path: Path) -> None:
    workers = Workers(1, analyses.load, tmp_path)
    with pytest.raises(JobFailed, match=r"manifest\.json is missing"):
        await workers.start()


async def test_a_process_that_cannot_be_prepared_takes_no_job_until_it_can(tmp_path: Path) -> None:
    needed = tmp_path / "models"
    needed.mkdir()
    workers = Workers(1, os.chdir, needed)
    await workers.start()
    needed.rmdir()
    with pytest.raises(WorkerDied):
        await workers.run(os.kill, await workers.run(os.getpid), signal.SIGKILL)
    for _ in range(3):
        with pytest.raises(JobFailed, match="FileNotFoundError"):
            await workers.run(operator.add, 2, 2)
    needed.mkdir()
    async with asyncio.timeout(PATIENCE_S):
        while not await answers(workers):
            pass
    await workers.stop()


async def answers(workers: Workers) -> bool:
    try:
        return bool(await workers.run(operator.add, 2, 2) == 4)
    except JobFailed:
        return False


async def test_a_worker_killed_in_mid_clip_costs_one_try_of_one_clip(
    models: Path, media: MediaFiles, tmp_path: Path
) -> None:
    stopped = tmp_path / "stopped"
    workers = Workers(1, hanging_decoders.load_stopping_in_mid_clip, models, stopped)
    await workers.start()
    analyser = WorkerAnalyser(workers)
    pid = await workers.run(os.getpid)
    clip = media.clip.read_bytes()
    job = asyncio.create_task(analyser.clip(clip, ("left", "blink", "right")))
    async with asyncio.timeout(PATIENCE_S):
        while not stopped.exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(WorkerDied, match=r"exit code -9"):
        await job
    assert (await analyser.clip(clip, ("left", "blink", "right"))).ok
    selfie = await analyser.selfie(media.selfie.read_bytes())
    document = await analyser.document([media.front.read_bytes(), media.back.read_bytes()])
    assert (await analyser.match(selfie, selfie, document)).band == "match"
    await workers.stop()


@pytest.mark.parametrize("profile", ["production", "development", "", "Bench"])
def test_the_stub_serves_the_bench_alone(profile: str) -> None:
    with pytest.raises(ValueError, match="passes everyone"):
        StubAnalyser(profile)


async def test_the_stub_reads_the_zone_that_the_bench_uploads() -> None:
    mrz = Mrz(
        layout="TD1",
        document_type="ID",
        issuer="KAZ",
        document_number=HOLDER.document_number,
        iin=HOLDER.iin,
        birth_date=HOLDER.birth_date,
        expiry_date=HOLDER.expiry_date,
        sex="M",
        nationality="KAZ",
        surname="A",
        given_names="B",
    )
    stub = StubAnalyser("bench")
    document = await stub.document([b"front", stub_picture(mrz.model_dump_json().encode())])
    assert document.mrz == mrz
    assert (await stub.match(document, document, document)).band == "match"
