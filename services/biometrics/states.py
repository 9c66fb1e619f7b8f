"""The states of a face check, and the rules that it goes by. Pure data."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from libs.common.contracts.people import Person
from libs.common.core.sealing import Sealed
from services.biometrics.face.templates import Source, Template
from services.biometrics.liveness.challenge import Action
from services.biometrics.records import Look, Review, Try
from services.biometrics.verdicts import Part, Reviewed


class Rules(BaseModel):
    """How face checks go. Five tries, then an office, is the national service's own rule.

    Attributes:
        tries: until the way leads to an office.
        session: how long captures are taken.
        review: how long a clerk has.
        reviewers: of how many clerks the same answer is needed. With two, a disagreement is decided by a third: what
            two of them say.
        review_documents: whose matching documents go to a clerk all the same. ``unregistered``: where the register
            named no number, so that nothing ties the document to it. ``all``: everybody's, to be compared with the
            register's portrait, which this service is not given. ``none``: nobody's.
        analyses_per_try: how often captures are analysed before those over which the analysis crashed are to be sent
            again; only the second time that this happens does it cost a try.
    """

    model_config = ConfigDict(frozen=True)

    tries: int = Field(5, ge=1)
    session: timedelta = timedelta(minutes=30)
    review: timedelta = timedelta(hours=24)
    reviewers: int = Field(1, ge=1, le=2)
    review_documents: Reviewed = "unregistered"
    analyses_per_try: int = Field(3, ge=1)


class Value(BaseModel):
    """Base of states and their parts."""

    model_config = ConfigDict(frozen=True)


class Challenge(Value):
    """What the citizen is to do in the clip, and the nonce that binds uploads to it."""

    actions: tuple[Action, ...]
    nonce: str


class Waiting(Value):
    """Person or phone are not known yet."""

    kind: Literal["waiting"] = "waiting"
    person: Sealed[Person] | None = None
    person_ref: str = ""
    phone_proven: bool = False


class Audited(Value):
    """What is kept to the end and beyond: who decided, who looked, and how each try was judged."""

    reviews: tuple[Review, ...] = ()
    looks: tuple[Look, ...] = ()
    tries: tuple[Try, ...] = ()


class Session(Audited):
    """A face check that has not ended.

    ``person_ref`` is the same for the same person, and says nothing. ``captures`` names where the parts that are in
    lie, ``templates`` holds what is known of those that passed an earlier try.
    """

    person: Sealed[Person]
    person_ref: str = ""
    challenge: Challenge
    expires_at: datetime
    tries_left: int
    captures: Mapping[Part, str] = {}
    templates: Mapping[Source, Sealed[Template]] = {}


class Open(Session):
    """Captures are awaited; ``guidance`` says what to do better.

    ``next_look`` is the virtual schedule of pre-checks: when the next one would come if they came evenly.
    """

    kind: Literal["open"] = "open"
    guidance: tuple[str, ...] = ()
    next_look: datetime | None = None


class Analysing(Session):
    """All parts are in, since then; `looking_at` says at which somebody looks just now."""

    kind: Literal["analysing"] = "analysing"
    since: datetime
    analyses: int = 0
    looking_at: Source | None = None


class InReview(Session):
    """The numbers do not decide: a clerk does, until `due_at`. The reviews from number `decided` on are of this try."""

    kind: Literal["in_review"] = "in_review"
    due_at: datetime
    model: str
    decided: int = 0

    @property
    def votes(self) -> tuple[Review, ...]:
        """What clerks have said about this try."""
        return self.reviews[self.decided :]


class Matched(Audited):
    """It is the person on the document, alive, now."""

    kind: Literal["matched"] = "matched"


class Failed(Audited):
    """The tries are used up: the way leads to an office."""

    kind: Literal["failed"] = "failed"


class Closed(Audited):
    """The journey ended. Its media are deleted at once, and once more for an upload that was just under way."""

    kind: Literal["closed"] = "closed"
    deletions_left: int = 2


Check = Annotated[Waiting | Open | Analysing | InReview | Matched | Failed | Closed, Field(discriminator="kind")]
CheckState = Waiting | Open | Analysing | InReview | Matched | Failed | Closed
