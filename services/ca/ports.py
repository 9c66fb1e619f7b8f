"""What the authority asks of others."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from services.ca.ledger.acts import Act


class SerialBook(Protocol):
    """Unique facts: one owner for a serial number, one for a public key.

    See `libs.common.storage.reservations.Reservations`.
    """

    async def take(self, kind: str, value: str, owner: str) -> None:
        """Reserve a value for an owner; raises `libs.common.storage.reservations.Taken` if it is somebody else's."""
        ...

    async def owner(self, kind: str, value: str) -> str | None:
        """Give the owner of a reserved value, or None."""
        ...

    async def owners_of(self, kind: str, values: Sequence[str]) -> Mapping[str, str]:
        """Give the owners of those of these values that are reserved."""
        ...


class Ledger(Protocol):
    """Where acts are recorded, so that none can be changed or taken away unseen."""

    async def record(self, about: str, *acts: Act) -> None:
        """Return when the acts are on record; one that is there already is not recorded again.

        Args:
            about: what they concern, as one looks for it: a journey, ``authority/…``, ``list/…``.

        Raises:
            Unavailable: the store does not answer; whether they are on record is unknown.
        """
        ...
