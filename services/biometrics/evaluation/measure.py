"""Put a dataset through the very analyses that the service runs, in its worker processes."""

import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from services.biometrics.analysis import analyses
from services.biometrics.analysis.reports import ClipReport
from services.biometrics.analysis.workers import AnalysisBroken, AnalysisTimeout, Workers
from services.biometrics.evaluation.dataset import BONA_FIDE, Clip, Dataset
from services.biometrics.evaluation.statistics import Comparisons, Floats
from services.biometrics.face.embedding import Embedding, from_bytes
from services.biometrics.models.model_card import ModelCard

T = TypeVar("T")
_PROGRESS_EVERY: Final = 50
_AT_ONCE: Final = 64
_Fate = Literal["passed", "doubted", "refused", "unanswered"]


@dataclass(frozen=True, slots=True)
class Acquired:
    """Embeddings by person, and why pictures gave none: guidance keys and how often they were the first reason."""

    people: tuple[tuple[Embedding, ...], ...]
    pictures: int
    refused: Counter[str]


@dataclass(frozen=True, slots=True)
class Presentations:
    """How clips of one kind fared.

    Attributes:
        passed: without a doubt.
        doubted: for a clerk to judge, because the detector of presentation attacks doubted them.
        refused: by first reason.
        unanswered: what could not be analysed, by reason: files that are no such clip, and failures of ours.
    """

    kind: str
    passed: int
    doubted: int
    refused: Counter[str]
    unanswered: Counter[str]

    @property
    def attack(self) -> bool:
        """Whether passing is the error."""
        return self.kind != BONA_FIDE

    @property
    def total(self) -> int:
        """All that were presented."""
        return self.answered + self.unanswered.total()

    @property
    def answered(self) -> int:
        """Those that were judged."""
        return self.passed + self.doubted + self.refused.total()


async def faces(workers: Workers, dataset: Dataset, *, any_quality: bool = False) -> Acquired:
    """Embed every picture that the selfie's quality check lets pass, or all that show one face."""
    refused: Counter[str] = Counter()
    people: list[list[Embedding]] = [[] for _ in dataset.faces]
    jobs = [(number, path) for number, pictures in enumerate(dataset.faces) for path in pictures]

    async def analyse(job: tuple[int, Path]) -> None:
        number, path = job
        try:
            report = await workers.run(analyses.analyse_selfie, path.read_bytes(), any_quality)
        except AnalysisTimeout:
            refused["selfie.takes_too_long"] += 1
            return
        except AnalysisBroken:
            refused["capture.not_readable"] += 1
            return
        if report.embedding is None:
            refused[report.guidance[0]] += 1
        else:
            people[number].append(from_bytes(report.embedding))

    await _all(analyse, jobs, "pictures")
    return Acquired(tuple(tuple(each) for each in people if each), len(jobs), refused)


async def clips(workers: Workers, dataset: Dataset) -> tuple[Presentations, ...]:
    """Judge every clip by what it was asked for."""
    found = {clip.kind: Counter[tuple[_Fate, str]]() for clip in dataset.clips}

    async def analyse(clip: Clip) -> None:
        try:
            report = await workers.run(analyses.analyse_clip, clip.path.read_bytes(), clip.challenge)
        except AnalysisTimeout:
            found[clip.kind]["unanswered", "clip.takes_too_long"] += 1
        except AnalysisBroken:
            found[clip.kind]["unanswered", "capture.not_readable"] += 1
        else:
            found[clip.kind][_fate(report), next(iter(report.guidance), "")] += 1

    await _all(analyse, dataset.clips, "clips")
    return tuple(_presentations(kind, each) for kind, each in sorted(found.items()))


def _fate(report: ClipReport) -> _Fate:
    if report.guidance:
        return "refused" if report.measures else "unanswered"  # nothing was measured of what is no clip
    return "doubted" if report.doubts else "passed"


def _presentations(kind: str, found: Counter[tuple[_Fate, str]]) -> Presentations:
    def of(fate: _Fate) -> Counter[str]:
        return Counter({reason: number for (each, reason), number in found.items() if each == fate})

    return Presentations(kind, of("passed").total(), of("doubted").total(), of("refused"), of("unanswered"))


def compare(acquired: Acquired, card: ModelCard) -> Comparisons | None:
    """Compare each picture with each other one. None without two people."""
    people = [np.stack(each) for each in acquired.people]
    if len(people) < 2:  # noqa: PLR2004 - a pair
        return None
    genuine = tuple(_within(each, card) for each in people if len(each) > 1)
    impostor = [card.distances(one, np.concatenate(people[n:])).ravel() for n, one in enumerate(people[:-1], start=1)]
    return Comparisons(genuine, np.concatenate(impostor), pairs=len(people) * (len(people) - 1) // 2)


def _within(pictures: NDArray[np.float32], card: ModelCard) -> Floats:
    return card.distances(pictures, pictures)[np.triu_indices(len(pictures), k=1)]


async def _all(analyse: Callable[[T], Awaitable[None]], jobs: Sequence[T], what: str) -> None:
    """Do all jobs, few at a time (their files are held in memory), and say every now and then how far it is."""
    done = 0
    turn = asyncio.Semaphore(_AT_ONCE)

    async def one(job: T) -> None:
        nonlocal done
        async with turn:
            await analyse(job)
        done += 1
        if done % _PROGRESS_EVERY == 0 or done == len(jobs):
            sys.stderr.write(f"{what}: {done} of {len(jobs)}\n")

    async with asyncio.TaskGroup() as group:
        for job in jobs:
            group.create_task(one(job))
