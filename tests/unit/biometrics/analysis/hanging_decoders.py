"""Prepares worker processes in which decoding hangs or stops: importable by name, as workers want it."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from PIL import PngImagePlugin

from libs.common.media.pdf import DRAWING, PROGRAMS, PdfProgram
from services.biometrics.analysis import analyses
from services.biometrics.media import video


class _Sleeping(PngImagePlugin.PngStream):
    """A decoder that takes no processor and never comes to an end."""

    def read(self) -> tuple[bytes, int, int]:
        time.sleep(600)
        raise AssertionError("slept through")


def load_with_sleeping_png(models: Path) -> None:
    """Make this process ready to analyse; but PNG pictures put it to sleep."""
    analyses.load(models)
    PngImagePlugin.PngStream = _Sleeping  # type: ignore[misc]  # on purpose, in a process that is made for it


def load_with_stopped_drawing(models: Path) -> None:
    """Make this process ready to analyse; but the program that draws PDFs stands still."""
    analyses.load(models)
    PROGRAMS.running = PdfProgram()
    assert PROGRAMS.running.handle(b"no PDF", 400, DRAWING) == (3, b"damaged"), "it is ready and works"
    os.kill(PROGRAMS.running.process.pid, signal.SIGSTOP)


def load_stopping_in_mid_clip(models: Path, stopped: Path) -> None:
    """Make this process ready to analyse; but it stops at the fourth frame of the first clip, and notes that."""
    analyses.load(models)
    decode = video.frames

    def frames(data: bytes, rate: float, longest: int) -> Iterator[video.VideoFrame]:
        for number, frame in enumerate(decode(data, rate, longest)):
            if number == 3 and not stopped.exists():
                stopped.touch()
                os.kill(os.getpid(), signal.SIGSTOP)
            yield frame

    video.frames = frames  # type: ignore[assignment]  # on purpose, in a process that is made for it
