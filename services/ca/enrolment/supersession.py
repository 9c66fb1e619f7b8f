"""Which journeys gave a citizen certificates: what the newest set supersedes. Pure."""

from datetime import datetime

from libs.common.core.model import Model
from libs.common.delivery.decisions import Decision


class CertifiedJourney(Model):
    """A journey that ended in certificates, which are valid from ``since`` on."""

    journey: str
    since: datetime


class Supersession(Model):
    """The journeys of one citizen that ended in certificates, oldest first."""

    journeys: tuple[CertifiedJourney, ...] = ()

    @property
    def superseded(self) -> tuple[str, ...]:
        """All journeys but the newest. A crash may have kept an older one from being noted before a newer one."""
        return tuple(each.journey for each in self.journeys[:-1])


def add(state: Supersession | None, certified: CertifiedJourney) -> Decision[Supersession] | None:
    """Note a journey that gave certificates; once is enough.

    ``since`` is in whole seconds, as certificates have it: of those of one second, the one noted last is the newest.
    """
    known = () if state is None else state.journeys
    if any(each.journey == certified.journey for each in known):
        return None
    journeys = sorted((*known, certified), key=lambda each: each.since)
    return Decision(Supersession(journeys=tuple(journeys)))
