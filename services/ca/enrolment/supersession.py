"""Which journeys gave a citizen certificates: what the newest set supersedes. Pure."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from libs.common.delivery.decisions import Decision


class Held(BaseModel):
    """A journey that ended in certificates, which are valid from ``since`` on."""

    model_config = ConfigDict(frozen=True)

    journey: str
    since: datetime


class Holding(BaseModel):
    """The journeys of one citizen that ended in certificates, oldest first."""

    model_config = ConfigDict(frozen=True)

    journeys: tuple[Held, ...] = ()

    @property
    def superseded(self) -> tuple[str, ...]:
        """All journeys but the newest. A crash may have kept an older one from being noted before a newer one."""
        return tuple(each.journey for each in self.journeys[:-1])


def add(state: Holding | None, held: Held) -> Decision[Holding] | None:
    """Note a journey that gave certificates; once is enough.

    ``since`` is in whole seconds, as certificates have it: of those of one second, the one noted last is the newest.
    """
    known = () if state is None else state.journeys
    if any(each.journey == held.journey for each in known):
        return None
    journeys = sorted((*known, held), key=lambda each: each.since)
    return Decision(Holding(journeys=tuple(journeys)))
