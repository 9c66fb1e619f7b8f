"""Which journeys gave a citizen certificates: what a newer set supersedes. Pure."""

from pydantic import BaseModel, ConfigDict

from libs.common.aggregates import Decision


class Holding(BaseModel):
    """The journeys of one citizen that ended in certificates, oldest first."""

    model_config = ConfigDict(frozen=True)

    journeys: tuple[str, ...] = ()

    def older_than(self, journey_id: str) -> tuple[str, ...]:
        """Give the journeys that came before this one."""
        return self.journeys[: self.journeys.index(journey_id)] if journey_id in self.journeys else ()


def add(state: Holding | None, journey_id: str) -> Decision[Holding] | None:
    """Note a journey that gave certificates; once is enough."""
    held = state or Holding()
    if journey_id in held.journeys:
        return None
    return Decision(Holding(journeys=(*held.journeys, journey_id)))
