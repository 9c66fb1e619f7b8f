"""Writing files so that a crash leaves the whole old file, or the whole new one, or none."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

PRIVATE: Final = 0o600
PUBLIC: Final = 0o644


def write_new(path: Path, content: bytes, *, mode: int = PRIVATE) -> None:
    """Write a file that must not exist yet; it is on disk when this returns.

    FileExistsError if it exists: the link that gives it its name can't replace another.
    """
    with _draft(path, content, mode) as draft:
        os.link(draft, path)
    _sync_directory(path.parent)


def write_over(path: Path, content: bytes, *, mode: int = PRIVATE) -> None:
    """Write a file, replacing the one of that name; it is on disk when this returns."""
    with _draft(path, content, mode) as draft:
        os.replace(draft, path)  # noqa: PTH105 - the kin of os.link above
    _sync_directory(path.parent)


@contextmanager
def taking_turns(lock: Path) -> Iterator[None]:
    """Let one process at a time do what is inside. The lock is the system's: it ends with the process."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _draft(path: Path, content: bytes, mode: int) -> Iterator[str]:
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        yield draft
    finally:
        Path(draft).unlink(missing_ok=True)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
