"""What a benchmark reads off processes and records."""

import os
import resource
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

TICKS = os.sysconf("SC_CLK_TCK")


def own_cpu_s() -> float:
    """Give the processor seconds this process has used, its threads included."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def cpu_s(pid: int) -> float:
    """Give the processor seconds another process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_mb(pid: int) -> float:
    """Give all memory that is resident for a process, shared pages in full."""
    return _rollup_mb(pid, "Rss")


def pss_mb(pid: int) -> float:
    """Give a process's proportional share of the memory that is resident for it."""
    return _rollup_mb(pid, "Pss")


def _rollup_mb(pid: int, name: str) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(f"{name}:"))


@dataclass(frozen=True)
class Spread:
    """The middle and the tail of some durations, in seconds."""

    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        cuts = quantiles(values, n=100, method="inclusive")
        return cls(cuts[49], cuts[94], cuts[98])

    def __str__(self) -> str:
        return f"p50 {self.p50:.2f} s, p95 {self.p95:.2f} s, p99 {self.p99:.2f} s"
