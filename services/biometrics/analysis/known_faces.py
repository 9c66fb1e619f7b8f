"""Faces of recent journeys, to notice one face under several persons: a signal for a clerk, never a refusal.

Off unless an operator sets how long to remember. Faces are kept sealed, by a person's reference and never by an IIN,
and forgotten when their time is over. Only faces of one model are ever compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

from pydantic import Field

from libs.common.core.model import Model
from libs.common.core.sealing import Sealed
from libs.common.core.values import Clock
from libs.common.delivery.aggregates import Aggregates
from libs.common.delivery.decisions import Decision
from services.biometrics.check.templates import Template

PAGE: Final = 500
OVERLAP: Final = timedelta(minutes=1)
"""How much later than it is dated another process may have stored a face."""


class KnownFace(Model):
    """The face of one journey, until it is forgotten."""

    kind: Literal["seen"] = "seen"
    at: datetime
    forget_at: datetime
    model: str
    person_ref: str
    template: Sealed[Template]


class ForgottenFace(Model):
    """Its time was over."""

    kind: Literal["forgotten"] = "forgotten"


KnownFaceState = KnownFace | ForgottenFace
KnownFaceSchema = Annotated[KnownFaceState, Field(discriminator="kind")]


def wake_at(state: KnownFaceState) -> datetime | None:
    """Return when a face is to be forgotten."""
    return state.forget_at if isinstance(state, KnownFace) else None


@dataclass
class _Shelf:
    """The faces of one model, as this process knows them: by journey, the oldest first."""

    faces: dict[str, KnownFace] = field(default_factory=dict)
    newest: datetime | None = None


class KnownFaces:
    """The faces of recent journeys.

    Args:
        faces: by journey.
        kept: how long a face is remembered.
        most: of how many faces the newest are searched.
    """

    def __init__(self, faces: Aggregates[KnownFaceState], kept: timedelta, most: int, clock: Clock) -> None:
        self._faces = faces
        self._kept = kept
        self._most = most
        self._clock = clock
        self._shelves: dict[str, _Shelf] = {}

    async def remember(self, journey_id: str, person_ref: str, template: Template) -> None:
        """Keep the face of a journey, in place of an earlier one."""
        now = self._clock()
        face = KnownFace(
            at=now,
            forget_at=now + self._kept,
            model=template.model,
            person_ref=person_ref,
            template=Sealed(template),
        )
        await self._faces.apply(journey_id, lambda _: Decision(face))

    async def of_others(self, person_ref: str, model: str) -> Sequence[Template]:
        """Return the faces that this model made of recent journeys of other persons."""
        shelf = self._shelves.setdefault(model, _Shelf())
        await self._catch_up(shelf, model)
        return [each.template.value for each in shelf.faces.values() if each.person_ref != person_ref]

    async def wake(self, journey_id: str, now: datetime) -> None:
        """Forget a face whose time is over."""

        def decide(state: KnownFaceState | None) -> Decision[KnownFaceState] | None:
            over = isinstance(state, KnownFace) and state.forget_at <= now
            return Decision(ForgottenFace()) if over else None

        await self._faces.apply(journey_id, decide)

    async def _catch_up(self, shelf: _Shelf, model: str) -> None:
        since = self._clock() - self._kept
        after = (_as_json(max(since, shelf.newest - OVERLAP) if shelf.newest else since), "")
        while True:
            page = await self._faces.find({"kind": "seen", "model": model}, PAGE, order="at", after=after)
            for journey_id, face in page:
                if isinstance(face, KnownFace):
                    shelf.faces.pop(journey_id, None)
                    shelf.faces[journey_id] = face
                    shelf.newest = max(face.at, shelf.newest or face.at)
                    after = (_as_json(face.at), journey_id)
            if len(page) < PAGE:
                break
        kept = [(journey_id, face) for journey_id, face in shelf.faces.items() if face.at > since]
        shelf.faces = dict(kept[-self._most :])


def _as_json(moment: datetime) -> str:
    """Write a moment as a state's JSON does."""
    return moment.isoformat().replace("+00:00", "Z")
