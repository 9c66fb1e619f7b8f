"""``make bench-face``: what a citizen's face check costs, beside `face_recognition` on the same pictures.

The citizen is a puppet of a real photograph with a specimen card. Clips are coded as browsers code them (libvpx in
real time, constant bit rate); both sides take turns in the same run. Prints Markdown, for ``docs/performance.md``.
"""

import argparse
import asyncio
import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Final

import cv2

from services.biometrics.analysis import analyses
from services.biometrics.analysis.workers import Workers
from services.biometrics.media import decode, video
from tests.bench import vision
from tests.bench.measure import pss_mb, rss_mb
from tests.fixtures.media.make import MODELS, MediaFiles, make_media
from tests.fixtures.media.puppet import HEIGHT, RATE, WIDTH

CHALLENGE: Final = ("left", "blink", "right")
ADVISED, BROWSERS_OWN = 600, 2_500
"""Kilobits a second: what docs/downstream.md advises portals to record with, and MediaRecorder's default."""
STAGES: Final = ("selfie", "clip", "document", "match")
MOST_MS, MOST_MB, FASTER = 300, 250, 10


@dataclass(frozen=True)
class Captures:
    """What one citizen sends; `clips` by what coded them."""

    selfie: bytes
    pages: tuple[bytes, bytes]
    clips: Mapping[str, bytes]

    def citizen(self, clip: str) -> tuple[bytes, bytes, tuple[str, ...], tuple[bytes, bytes]]:
        """Give the arguments of `vision.checked`."""
        return self.selfie, self.clips[clip], CHALLENGE, self.pages


def recoded(clip: bytes, kilobits: int, folder: Path) -> bytes:
    """Code a clip anew as a browser's recorder does."""
    frames = [frame.picture for frame in video.frames(clip, 100, WIDTH)]
    raw = b"".join(cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420).tobytes() for frame in frames)
    out = folder / f"{kilobits}.webm"
    how = ["--codec=vp8", "--rt", "--cpu-used=8", "--passes=1", "--end-usage=cbr", "--lag-in-frames=0"]
    shape = ["--i420", f"--width={WIDTH}", f"--height={HEIGHT}", f"--fps={RATE}/1", f"--target-bitrate={kilobits}"]
    subprocess.run(["vpxenc", "--quiet", *how, *shape, "-o", str(out), "-"], input=raw, check=True)
    return out.read_bytes()


def captures(files: MediaFiles, folder: Path) -> Captures:
    """Read what the citizen sends, and code the clip as browsers would."""
    own = files.clip.read_bytes()
    clips = {f"{rate} kbit/s": recoded(own, rate, folder) for rate in (ADVISED, BROWSERS_OWN)}
    clips["key frames alone (the demo's)"] = own
    return Captures(files.selfie.read_bytes(), (files.front.read_bytes(), files.back.read_bytes()), clips)


async def stages(workers: Workers, seen: Captures, rounds: int) -> dict[str, dict[str, float]]:
    """Give CPU milliseconds by clip and stage, the median of the rounds."""
    found: dict[str, dict[str, float]] = {}
    for name, clip in seen.clips.items():
        runs = [await workers.run(vision.checked, *seen.citizen(name)) for _ in range(rounds)]
        found[name] = {stage: median(run[stage] for run in runs) for stage in STAGES}
        decoding = [await workers.run(vision.timed, vision.decoded, clip, 8.0) for _ in range(rounds)]
        found[name]["decoding"] = median(ms for _, ms in decoding)
    return found


@dataclass(frozen=True)
class Throughput:
    """Citizens a second on so many processes, and each process's memory."""

    processes: int
    a_second: float
    rss: float
    pss: float


async def throughput(processes: int, seen: Captures, citizens: int) -> Throughput:
    """Check so many citizens at once."""
    workers = Workers(processes, analyses.load, MODELS)
    await workers.start()
    try:
        citizen = seen.citizen(f"{ADVISED} kbit/s")
        await asyncio.gather(*(workers.run(vision.checked, *citizen) for _ in range(processes)))
        began = perf_counter()
        await asyncio.gather(*(workers.run(vision.checked, *citizen) for _ in range(citizens)))
        taken = perf_counter() - began
        pids = set(await asyncio.gather(*(workers.run(os.getpid) for _ in range(4 * processes))))
        return Throughput(processes, citizens / taken, max(map(rss_mb, pids)), max(map(pss_mb, pids)))
    finally:
        await workers.stop()


def by_dlib(python: Path, seen: Captures, folder: Path) -> dict[str, Any]:
    """Have `face_recognition` look at the same selfie, at frames of the same clip and at the card's portrait."""
    pictures = [decode.picture(seen.selfie, 1280)]
    shown = [frame.picture for frame in video.frames(seen.clips[f"{ADVISED} kbit/s"], 1, WIDTH)]
    paths = []
    for number, picture in enumerate([*pictures, *shown[:3]]):
        paths.append(folder / f"{number}.png")
        cv2.imwrite(str(paths[-1]), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    program = Path(__file__).with_name("dlib_face.py")
    done = subprocess.run([str(python), str(program), *map(str, paths)], capture_output=True, text=True, check=True)
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def _table(*rows: Sequence[str]) -> str:
    head, *quiescence = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, "|---" * len(rows[0]) + "|", *quiescence, ""])


def report(
    found: Mapping[str, Mapping[str, float]],
    passed: Sequence[Throughput],
    own_embedding: float,
    dlib: Sequence[Mapping[str, Any]],
) -> str:
    """Lay the figures out."""
    columns = ("selfie", "clip", "decoding", "document", "match")
    totals = {name: sum(ms[stage] for stage in STAGES) for name, ms in found.items()}
    embed, find, memory = (median(each[key] for each in dlib) for key in ("embed_ms", "find_ms", "memory_mb"))
    return "\n".join(
        [
            _table(
                ("clip of", "selfie", "clip", "of it decoding", "document", "match", f"all (aim {MOST_MS})"),
                *(
                    (name, *(f"{ms[each]:.0f}" for each in columns), f"{totals[name]:.0f}")
                    for name, ms in found.items()
                ),
            ),
            _table(
                ("processes", "citizens/s", f"RSS MB each (aim {MOST_MB})", "PSS MB each"),
                *(
                    (str(each.processes), f"{each.a_second:.1f}", f"{each.rss:.0f}", f"{each.pss:.0f}")
                    for each in passed
                ),
            ),
            _table(
                ("one face", "here", f"face_recognition, dlib {dlib[0]['dlib']}", "times"),
                (
                    "embed, CPU-ms",
                    f"{own_embedding:.1f}",
                    f"{embed:.1f}",
                    f"{embed / own_embedding:.1f} (aim {FASTER})",
                ),
                ("find, CPU-ms", "in the stages", f"{find:.1f}", ""),
                ("memory, MB", f"{passed[0].rss:.0f}", f"{memory:.0f}", f"{memory / passed[0].rss:.1f}"),
            ),
        ]
    )


async def measured(python: Path, rounds: int, citizens: int) -> str:
    """Measure everything, both sides in turn."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        names = ("SPECIMENOV", "ASKAR TESTOVICH")
        files = make_media(folder, iin="900201300123", document_number="012345678", names=names, challenge=CHALLENGE)
        seen = captures(files, folder)
        workers = Workers(1, analyses.load, MODELS)
        await workers.start()
        try:
            dlib = [by_dlib(python, seen, folder)]
            found = await stages(workers, seen, rounds)
            own = median(await workers.run(vision.embedded, seen.selfie, 10 * rounds))
            dlib.append(by_dlib(python, seen, folder))
        finally:
            await workers.stop()
        passed = [await throughput(processes, seen, citizens) for processes in (1, 2)]
        return report(found, passed, own, dlib)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dlib", type=Path, required=True, help="the Python of an environment with face_recognition")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--citizens", type=int, default=16)
    given = parser.parse_args()
    print(asyncio.run(measured(given.dlib, given.rounds, given.citizens)))  # noqa: T201 - a command prints


if __name__ == "__main__":
    main()
