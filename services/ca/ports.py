"""What the authority asks of others."""

from collections.abc import Mapping, Sequence
from typing import Protocol


class SerialBook(Protocol):
    """Unique facts: one owner for a serial number, one for a public key. See `libs.common.store.Reservations`."""

    async def take(self, kind: str, value: str, owner: str) -> None:
        """Reserve a value for an owner; raises `libs.common.store.Taken` if it is somebody else's."""
        ...

    async def owner(self, kind: str, value: str) -> str | None:
        """Give the owner of a reserved value, or None."""
        ...

    async def owners_of(self, kind: str, values: Sequence[str]) -> Mapping[str, str]:
        """Give the owners of those of these values that are reserved."""
        ...
