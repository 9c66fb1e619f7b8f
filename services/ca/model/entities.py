"""Legal entities, and in which role somebody signs for one. Pure."""

from datetime import datetime, timedelta
from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict

from libs.common.contracts.ca import EntityRole
from libs.common.core.sealing import Personal, Sealed

LAPSES_AFTER: Final = timedelta(days=30)
"""How long a confirmed mandate waits for its certificate to be asked for."""


class LegalEntity(Personal):
    """A legal entity: sealed, because together with a citizen's id it tells where somebody works."""

    audience: ClassVar[str] = "person"

    name: str
    bin: str


class Mandate(BaseModel):
    """What somebody confirmed: this citizen acts for this entity, in this role.

    Attributes:
        entity_ref: keyed hash of the BIN: the same for the same entity, meaningless outside.
        basis: what it was confirmed by, such as the register's extract and its number; nothing personal.
        confirmed_by: the clerk's identifier.
    """

    model_config = ConfigDict(frozen=True)

    entity: Sealed[LegalEntity]
    entity_ref: str
    role: EntityRole
    basis: str
    confirmed_by: str
    confirmed_at: datetime

    @property
    def lapses_at(self) -> datetime:
        """When it is of no more use if no certificate was asked for."""
        return self.confirmed_at + LAPSES_AFTER
