"""The folder in which a citizen's journey is kept, so that it survives a crash, and in which its result is put."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from libs.citizen.errors import KeystoreError
from libs.citizen.files import write_private
from libs.citizen.journey.enrolment import Eds, KeyPairs
from libs.citizen.keys.keystore import ROUNDS, KeyEntry, pack, unpack, write_entry
from libs.common.contracts.http.identity import JourneyTicket

_TICKET: Final = "journey.json"
_PENDING: Final = ("pending-sign", "pending-auth")
_PENDING_FILES: Final = tuple(f"{name}{kind}" for name in _PENDING for kind in (".p12", ".csr"))


def read_ticket(folder: Path) -> JourneyTicket:
    """Read the ticket of the journey that was begun in `folder`.

    Raises:
        KeystoreError: ``journey.none_here``.
    """
    try:
        return JourneyTicket.model_validate_json((folder / _TICKET).read_bytes())
    except (FileNotFoundError, ValidationError) as error:
        raise KeystoreError("journey.none_here", folder=str(folder)) from error


def check_unused(folder: Path) -> None:
    """Make sure that a new journey does not push aside keys which still wait for their certificates.

    Raises:
        KeystoreError: ``journey.unfinished``.
    """
    if any((folder / name).exists() for name in _PENDING_FILES):
        raise KeystoreError("journey.unfinished", folder=str(folder))


def keep_ticket(folder: Path, ticket: JourneyTicket) -> None:
    """Keep the ticket; it is as good as the journey, so only the owner may read it."""
    write_private(folder / _TICKET, ticket.model_dump_json().encode())


@dataclass(frozen=True)
class FolderPendingKeys:
    """Keeps keys in a folder, so that they survive a crash, under the password that the key stores will have.

    ``compatible``: the finished key stores are for older programs; see `pack`.
    """

    folder: Path
    password: str = field(repr=False)
    rounds: int = ROUNDS
    compatible: bool = False

    def load(self) -> KeyPairs | None:
        """Return the keys that were kept, as pending ones or in finished key stores.

        Raises:
            KeystoreError: they lie under another password.
        """
        if not all((self.folder / name).exists() for name in _PENDING_FILES):
            return None
        keys = [unpack((self.folder / f"{name}.p12").read_bytes(), self.password).key for name in _PENDING]
        sign_csr, auth_csr = ((self.folder / f"{name}.csr").read_text("ascii") for name in _PENDING)
        return KeyPairs(keys[0], keys[1], sign_csr, auth_csr)

    def save(self, pairs: KeyPairs) -> None:
        """Keep the keys; each file is on the disk when this returns."""
        for name, key, csr in zip(_PENDING, (pairs.sign, pairs.auth), (pairs.sign_csr, pairs.auth_csr), strict=True):
            write_private(self.folder / f"{name}.p12", pack(KeyEntry(key), self.password, rounds=self.rounds))
            write_private(self.folder / f"{name}.csr", csr.encode("ascii"))

    def finish(self, eds: Eds) -> tuple[Path, Path]:
        """Put both key stores into the folder, under their national names, and drop the pending keys."""
        write = partial(
            write_entry, self.folder, password=self.password, rounds=self.rounds, compatible=self.compatible
        )
        written = (write(eds.sign), write(eds.auth))
        self.discard()
        return written

    def discard(self) -> None:
        """Drop the keys that were kept."""
        for name in _PENDING_FILES:
            (self.folder / name).unlink(missing_ok=True)
