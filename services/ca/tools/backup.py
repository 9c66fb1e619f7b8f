"""Backup of the authority's certificates and keys in one file, its proof, and the way back.

    python -m services.ca.tools.backup make    FILE --dir DIR [--keys DIR] [--ledger]
    python -m services.ca.tools.backup verify  FILE
    python -m services.ca.tools.backup restore FILE --dir DIR [--keys DIR]

Keys stay encrypted in it as they are on disk; those in a token are backed up by the token's own means, and the file
knows them by the digests of their public halves. ``verify`` does all of a restoration but writing, so that the drill
can be held on any day. The store is backed up by its own means too: ``--ledger`` (with the settings of the service)
notes how far its ledger had come, and after a restoration `services.ca.tools.restore` brings it up from there.

Exit status: 0, 1 if something does not hold together, 2 for a wrong call.
"""

import argparse
import asyncio
import hashlib
import io
import os
import re
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from libs.common.core.model import Model
from libs.common.storage.chain import Head
from services.ca.authority.hierarchy import TSA, Hierarchy, HierarchyError, load, ocsp_label
from services.ca.authority.issuers import public_digest
from services.ca.keys.configured import environment_keys
from services.ca.keys.files import PRIVATE, PUBLIC, write_new
from services.ca.keys.store import KeyStore, KeyStoreError
from services.ca.settings import Settings
from services.ca.tools.common import opened

_LIST: Final = "backup.json"
_MEMBER: Final = re.compile(r"(certificates|keys)/[a-z0-9][a-z0-9.-]*")
_KEY: Final = ".key"
_SECRET: Final = (_KEY, ".p12")
_MAX_OCTETS: Final = 64 * 1024 * 1024


class BackupError(Exception):
    """The backup cannot be used as asked: the message says why, and what to do."""


class LedgerPosition(Model):
    """How far the ledger had come."""

    position: int
    hash: str

    @classmethod
    def of(cls, head: Head) -> "LedgerPosition":
        """Take it from the chain's head."""
        return cls(position=head.position, hash=head.hash)


class Contents(Model):
    """What is in a backup.

    Attributes:
        files: SHA-256 of each, by its name in the archive.
        keys: SHA-256 of the public halves of the keys that the service needs, and of those in it, by label.
    """

    made_at: datetime
    files: dict[str, str]
    keys: dict[str, str]
    ledger: LedgerPosition | None = None


def make(
    file: Path, directory: Path, folder: Path, keystore: KeyStore, *, now: datetime, ledger: Head | None = None
) -> Contents:
    """Write a backup, of what holds together and no other.

    Args:
        file: must not exist yet.
        folder: of encrypted keys.

    Raises:
        HierarchyError, KeyStoreError: certificates or keys do not hold together.
        BackupError: there is a file of that name.
    """
    keys = _digests(load(directory, now), keystore, folder, now)
    found = {f"certificates/{path.name}": path.read_bytes() for path in _plain_files(directory)}
    found |= {f"keys/{path.name}": path.read_bytes() for path in _plain_files(folder) if path.suffix == _KEY}
    contents = Contents(
        made_at=now,
        files={name: hashlib.sha256(content).hexdigest() for name, content in found.items()},
        keys=keys,
        ledger=None if ledger is None else LedgerPosition.of(ledger),
    )
    try:
        write_new(file, _packed({_LIST: contents.model_dump_json(indent=1).encode()} | found), mode=PRIVATE)
    except FileExistsError:
        raise BackupError(f"there is a file {file} already, and a backup replaces none: give another name") from None
    return contents


def verify(file: Path, secrets: Mapping[str, str], now: datetime) -> Contents:
    """Restore into a folder that is thrown away, and see that every key fits its certificate. Raises as `restore`."""
    with tempfile.TemporaryDirectory() as scratch:
        return restore(file, Path(scratch) / "certificates", Path(scratch) / "keys", secrets, now)


def restore(file: Path, directory: Path, folder: Path, secrets: Mapping[str, str], now: datetime) -> Contents:
    """Write certificates and keys where the service looks for them, and see that they hold together.

    Args:
        directory, folder: of certificates and of keys: empty, or not there. What exists is never replaced.
        secrets: what opens the keys, by the names of environment variables.

    Raises:
        BackupError: the file is damaged, or something is in the way.
        HierarchyError, KeyStoreError: what was restored does not hold together, or does not open.
    """
    contents, found = read(file)
    for place in (directory, folder):
        if place.exists() and any(place.iterdir()):
            raise BackupError(f"{place} is not empty: a restoration replaces nothing; give another, or move it away")
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, content in found.items():
        kind, _, plain = name.partition("/")
        place = directory if kind == "certificates" else folder
        write_new(place / plain, content, mode=PRIVATE if plain.endswith(_SECRET) else PUBLIC)
    keys = _digests(load(directory, now), environment_keys(folder, secrets), folder, now)
    wrong = sorted(label for label, digest in keys.items() if contents.keys.get(label, digest) != digest)
    if wrong:
        raise BackupError(f"these keys are not those of the backup: {', '.join(wrong)}. Restore the token's backup")
    return contents


def _digests(hierarchy: Hierarchy, keystore: KeyStore, folder: Path, now: datetime) -> dict[str, str]:
    """Open every key that the service needs, and every other that lies in the folder: the root's, the seal's.

    KeyStoreError if one is missing, does not open, or is not its certificate's.
    """
    live = [each.label for each in hierarchy.live(now)]
    needed = [*live, TSA, *map(ocsp_label, live)]
    others = [path.stem for path in _plain_files(folder) if path.suffix == _KEY and path.stem not in needed]
    digests = {}
    for label in (*needed, *others):
        key, certificate = keystore.load(label).public_key(), hierarchy.certificates.get(label)
        if certificate is not None and key != certificate.public_key():
            raise KeyStoreError(f"the key «{label}» is not the one in {label}.pem: bring both from the same backup")
        digests[label] = public_digest(key)
    return digests


def _plain_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


def _packed(found: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in found.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), PRIVATE
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def read(file: Path) -> tuple[Contents, dict[str, bytes]]:
    """Read a backup whole: what is in it, and the files by name.

    Nothing of it is believed but what its list names. BackupError if it is damaged, or none.
    """
    if file.stat().st_size > _MAX_OCTETS:
        raise BackupError(f"{file} is too large for a backup of certificates and keys")
    try:
        with tarfile.open(file, mode="r:") as archive:
            found = {
                member.name: extracted.read()
                for member in archive.getmembers()
                if member.isfile() and (extracted := archive.extractfile(member)) is not None
            }
        contents = Contents.model_validate_json(found.pop(_LIST))
    except (tarfile.TarError, KeyError, ValueError, EOFError) as error:
        raise BackupError(f"{file} is no backup of an authority, or is damaged: take another copy") from error
    if {name: hashlib.sha256(content).hexdigest() for name, content in found.items()} != contents.files:
        raise BackupError(f"{file} is damaged: a file in it is not what its list says; take another copy")
    if not all(_MEMBER.fullmatch(name) for name in found):
        raise BackupError(f"{file} names files that no backup has: do not use it")
    return contents, found


def main(arguments: list[str] | None = None) -> int:
    """Make, verify or restore from the command line. Secrets come from the environment."""
    given = _arguments(arguments)
    now = datetime.now(UTC)
    directory: Path = given.dir or Path()
    folder: Path = given.keys or directory / "keys"
    try:
        if given.action == "make":
            head = asyncio.run(_head()) if given.ledger else None
            keystore = environment_keys(folder, os.environ)
            contents = make(given.file, directory, folder, keystore, now=now, ledger=head)
        elif given.action == "verify":
            contents = verify(given.file, os.environ, now)
        else:
            contents = restore(given.file, directory, folder, os.environ, now)
    except (BackupError, HierarchyError, KeyStoreError, ValidationError, OSError) as error:
        sys.stderr.write(f"The backup was not used: {error}\n")
        return 1
    sys.stdout.write(_summary(given.action, contents))
    return 0


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m services.ca.tools.backup",
        description="Back up, verify or restore certificates and keys of the authority.",
        epilog="Environment: CA_KEYSTORE_PASSPHRASE opens the keys; for a token CA_TOKEN_MODULE, CA_TOKEN_LABEL and "
        "CA_TOKEN_PIN; with --ledger all settings of the service.",
    )
    actions = parser.add_subparsers(dest="action", required=True)
    for name in ("make", "verify", "restore"):
        action = actions.add_parser(name)
        action.add_argument("file", type=Path)
        action.add_argument("--dir", type=Path, required=name != "verify", help="where the ceremony put certificates")
        action.add_argument("--keys", type=Path, help="where the encrypted keys lie (default: DIR/keys)")
        action.add_argument("--ledger", action="store_true", help="note how far the ledger has come")
    return parser.parse_args(arguments)


async def _head() -> Head:
    async with opened(Settings()) as source:
        return await source.sources.ledger.head()


def _summary(action: str, contents: Contents) -> str:
    lines = [f"{action}: {len(contents.files)} files of {contents.made_at:%Y-%m-%d %H:%M} UTC; keys that fit:"]
    lines += [f"  {label:20} SHA-256 {digest}" for label, digest in contents.keys.items()]
    if contents.ledger is not None:
        lines.append(f"The ledger stood at {contents.ledger.position}, {contents.ledger.hash}.")
    if action == "restore":
        lines.append(
            "Restore the store too, and run python -m services.ca.tools.restore before the service is started."
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
