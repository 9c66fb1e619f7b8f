"""Reads images of single text lines with the program `tesseract`, in a process of its own.

Of its own for two reasons: what pictures of strangers make it do stays outside this process, and so does the
JBIG decoder it is linked with, whose licence (GPL-2.0-or-later) is not one to combine with this service.
Images and text go through pipes; nothing is written to disk.
"""

import io
import resource
import shutil
from collections.abc import Sequence
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen, TimeoutExpired, run

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Grey = NDArray[np.uint8]

_LANGUAGE = "eng"
_PAGE_END = "\f"
# It shall neither start threads (parallelism comes from workers) nor see the service's settings.
_ENVIRONMENT = {"OMP_THREAD_LIMIT": "1", "LC_ALL": "C.UTF-8"}
_START_SECONDS = 15.0


class TesseractError(RuntimeError):
    """Tesseract gave no answer. That says nothing about the lines it was to read: it may be tried again."""


class Tesseract:
    """The installed program, set to read lines of an alphabet without a dictionary."""

    def __init__(self, alphabet: str, *, program: str = "tesseract", timeout: float = 10.0) -> None:
        """Find the program and its English data.

        Args:
            alphabet: The only characters it may read.
            program: A name on the PATH, or a path.
            timeout: Seconds, of the clock and of the processor, that one call of `read` may take.

        Raises:
            FileNotFoundError: the program or its data are missing.
        """
        self._program = _found(program)
        self._timeout = timeout
        # fmt: off
        self._command = [
            str(self._program), "stdin", "stdout", "-l", _LANGUAGE, "--oem", "1", "--psm", "7", "--dpi", "300",
            "-c", f"tessedit_char_whitelist={alphabet}", "-c", f"page_separator={_PAGE_END}",
            "-c", "load_system_dawg=0", "-c", "load_freq_dawg=0",
        ]
        # fmt: on

    def read(self, lines: Sequence[Grey]) -> list[str]:
        """Return the text of each line, without spaces; one start of the program serves all of them.

        Raises:
            TesseractError: it failed, or took too long and was ended.
        """
        if not lines:
            return []
        pages = self._answer(_tiff(lines)).split(_PAGE_END)
        if len(pages) != len(lines):
            raise TesseractError(f"{self._program} was given {len(lines)} lines and answered {len(pages)}.")
        return ["".join(page.split()) for page in pages]

    def _answer(self, images: bytes) -> str:
        with Popen(  # noqa: S603 - a fixed command without a shell
            self._command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=_ENVIRONMENT
        ) as process:
            # Should this process be killed meanwhile, its child ends by itself.
            seconds = max(1, round(self._timeout))
            resource.prlimit(process.pid, resource.RLIMIT_CPU, (seconds, seconds))
            try:
                text, complaint = process.communicate(images, self._timeout)
            except TimeoutExpired as error:
                process.kill()
                raise TesseractError(f"{self._program} took longer than {self._timeout:g} s and was ended.") from error
        if process.returncode != 0:
            said = complaint.decode(errors="replace").strip()[-200:]
            raise TesseractError(f"{self._program} ended with status {process.returncode}: {said}")
        return text.decode(errors="replace")


def _found(program: str) -> Path:
    path = shutil.which(program)
    if path is None:
        raise FileNotFoundError(
            f"The program {program} is missing; identity documents cannot be read without it: "
            "install the Debian package tesseract-ocr."
        )
    ask = [path, "--list-langs"]
    listed = run(ask, stdin=DEVNULL, stdout=PIPE, env=_ENVIRONMENT, timeout=_START_SECONDS, check=False)  # noqa: S603 - as above
    if _LANGUAGE not in listed.stdout.decode(errors="replace").split():
        raise FileNotFoundError(
            f"{path} lacks its English data; identity documents cannot be read without it: "
            "install the Debian package tesseract-ocr-eng."
        )
    return Path(path).absolute()


def _tiff(lines: Sequence[Grey]) -> bytes:
    first, *others = (Image.fromarray(line) for line in lines)
    stream = io.BytesIO()
    first.save(stream, "TIFF", save_all=True, append_images=others)
    return stream.getvalue()
