"""What the authority asks of others."""

from typing import Protocol

from services.ca.ledger.acts import Act


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
