"""Faces of recent journeys, to notice one face under several persons: a signal for a clerk, never a refusal.

Off unless an operator sets a time to remember for. Faces are kept sealed, by a person's reference and never by an IIN,
and forgotten when their time is over. Only faces of one model are ever put beside each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from libs.common.core.sealing import Sealed
from libs.common.core.values import Clock
from libs.common.delivery.aggregates import Aggregates
from libs.common.delivery.decisions import Decision
from services.biometrics.face.templates import Template

PAGE: Final = 500
OVERLAP: Final = timedelta(minutes=1)
"""How much later than it is dated another process may have stored a face."""


class Seen(BaseModel):
    """The face of one journey."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["seen"] = "seen"
    at: datetime
    model: str
    person_ref: str
    template: Sealed[Template]


class Forgotten(BaseModel):
    """Its time was over."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["forgotten"] = "forgotten"


Face = Annotated[Seen | Forgotten, Field(discriminator="kind")]
FaceState = Seen | Forgotten


@dataclass
class _Shelf:
    """The faces of one model, as this process knows them: by journey, the oldest first."""

    faces: dict[str, Seen] = field(default_factory=dict)
    newest: datetime | None = None


class Faces:
    """The faces of recent journeys.

    Args:
        faces: by journey.
        kept: how long a face is remembered.
        most: of how many faces the newest are searched.
    """

    def __init__(self, faces: Aggregates[FaceState], kept: timedelta, most: int, clock: Clock) -> None:
        self._faces = faces
        self._kept = kept
        self._most = most
        self._clock = clock
        self._shelves: dict[str, _Shelf] = {}

    async def remember(self, journey_id: str, person_ref: str, template: Template) -> None:
        """Keep the face of a journey, in place of an earlier one."""
        now = self._clock()
        seen = Seen(at=now, model=template.model, person_ref=person_ref, template=Sealed(template))
        await self._faces.apply(journey_id, lambda _: Decision(seen, wake_at=now + self._kept))

    async def of_others(self, person_ref: str, model: str) -> Sequence[Template]:
        """Give the faces that this model made of recent journeys of other persons."""
        shelf = self._shelves.setdefault(model, _Shelf())
        await self._catch_up(shelf, model)
        return [each.template.value for each in shelf.faces.values() if each.person_ref != person_ref]

    async def wake(self, journey_id: str, now: datetime) -> None:
        """Forget a face whose time is over."""

        def decide(state: FaceState | None) -> Decision[FaceState] | None:
            over = isinstance(state, Seen) and state.at + self._kept <= now
            return Decision(Forgotten()) if over else None

        await self._faces.apply(journey_id, decide)

    async def _catch_up(self, shelf: _Shelf, model: str) -> None:
        since = self._clock() - self._kept
        after = (_written(max(since, shelf.newest - OVERLAP) if shelf.newest else since), "")
        while True:
            page = await self._faces.find({"kind": "seen", "model": model}, PAGE, order="at", after=after)
            for journey_id, seen in page:
                if isinstance(seen, Seen):
                    shelf.faces.pop(journey_id, None)
                    shelf.faces[journey_id] = seen
                    shelf.newest = max(seen.at, shelf.newest or seen.at)
                    after = (_written(seen.at), journey_id)
            if len(page) < PAGE:
                break
        kept = [(journey_id, seen) for journey_id, seen in shelf.faces.items() if seen.at > since]
        shelf.faces = dict(kept[-self._most :])


def _written(moment: datetime) -> str:
    """Write a moment as a state's JSON does."""
    return moment.isoformat().replace("+00:00", "Z")
