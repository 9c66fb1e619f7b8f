"""The states of a face check, and the rules that it goes by. Pure data."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

from pydantic import Field

from libs.common.contracts.people import Person
from libs.common.core.model import Model
from libs.common.core.sealing import Sealed
from services.biometrics.check.decision import Reviewed
from services.biometrics.check.parts import Part, Source
from services.biometrics.check.records import ClerkDecision, PictureViews, Try
from services.biometrics.check.templates import Template
from services.biometrics.liveness.challenge import Action

MEDIA_KEPT_AT_MOST: Final = timedelta(days=8)
"""A day more than a journey may last: without word of its end, media and faces are deleted all the same."""


class CheckRules(Model):
    """The rules of face checks. Five tries, then an office, is the national service's own rule.

    Attributes:
        tries: until the way leads to an office.
        session: how long captures are taken.
        review: how long a clerk has.
        reviewers: how many clerks must give the same answer. With two, a disagreement is decided by a third: what
            two of them say.
        review_documents: whose matching documents go to a clerk all the same. ``unregistered``: where the register
            named no number, so that nothing ties the document to it. ``all``: everybody's, to be compared with the
            register's portrait, which this service is not given. ``none``: nobody's.
        analyses_per_try: how often captures are analysed before those over which the analysis broke are to be sent
            again; only the second time that this happens does it cost a try.
    """

    tries: int = Field(5, ge=1)
    session: timedelta = timedelta(minutes=30)
    review: timedelta = timedelta(hours=24)
    reviewers: int = Field(1, ge=1, le=2)
    review_documents: Reviewed = "unregistered"
    analyses_per_try: int = Field(3, ge=1)


class Challenge(Model):
    """The movements that the citizen is to make in the clip, and the nonce that binds uploads to them."""

    actions: tuple[Action, ...]
    nonce: str


class CheckPending(Model):
    """Person or phone are not known yet; what is known is deleted at ``forget_at``."""

    kind: Literal["waiting"] = "waiting"
    person: Sealed[Person] | None = None
    person_ref: str = ""
    phone_confirmed: bool = False
    forget_at: datetime


class CheckRecord(Model):
    """What is kept to the end and beyond: who decided, who saw pictures, and how each try was judged."""

    reviews: tuple[ClerkDecision, ...] = ()
    views: tuple[PictureViews, ...] = ()
    tries: tuple[Try, ...] = ()


class CheckSession(CheckRecord):
    """A face check that has not ended.

    Attributes:
        person_ref: the same for the same person; it says nothing about them.
        expires_at: until when captures are taken.
        captures: where each part that is in lies.
        templates: what is known of the captures that passed an earlier try.
    """

    person: Sealed[Person]
    person_ref: str = ""
    challenge: Challenge
    expires_at: datetime
    tries_left: int
    captures: Mapping[Part, str] = {}
    templates: Mapping[Source, Sealed[Template]] = {}


class CheckOpen(CheckSession):
    """Captures are awaited.

    Attributes:
        guidance: text keys of what to do better than in the try before.
        next_pre_check: the virtual schedule of pre-checks: when the next one would come if they came evenly.
    """

    kind: Literal["open"] = "open"
    guidance: tuple[str, ...] = ()
    next_pre_check: datetime | None = None

    @property
    def forget_at(self) -> datetime:
        """When it is closed if nobody goes on with it."""
        return self.expires_at + MEDIA_KEPT_AT_MOST


class CheckAnalysing(CheckSession):
    """All parts are in.

    Attributes:
        since: when the last part came.
        analyse_at: when an analysis is to begin, unless the one under way has ended by then.
        analyses: how many broke.
        stage: what is being analysed just now.
    """

    kind: Literal["analysing"] = "analysing"
    since: datetime
    analyse_at: datetime
    analyses: int = 0
    stage: Source | None = None


class CheckInReview(CheckSession):
    """The numbers do not decide: a clerk does, until ``due_at``. Reviews from number ``decided`` on are of this try."""

    kind: Literal["in_review"] = "in_review"
    due_at: datetime
    model: str
    decided: int = 0

    @property
    def votes(self) -> tuple[ClerkDecision, ...]:
        """What clerks have decided about this try."""
        return self.reviews[self.decided :]


class CheckMatched(CheckRecord):
    """It is the person on the document, alive, now."""

    kind: Literal["matched"] = "matched"


class CheckFailed(CheckRecord):
    """The tries are used up: the way leads to an office."""

    kind: Literal["failed"] = "failed"


class CheckClosed(CheckRecord):
    """The journey ended. Its media are deleted at ``delete_at``, until none can come any more."""

    kind: Literal["closed"] = "closed"
    delete_at: datetime | None
    deletions_left: int = 2


CheckState = CheckPending | CheckOpen | CheckAnalysing | CheckInReview | CheckMatched | CheckFailed | CheckClosed
CheckSchema = Annotated[CheckState, Field(discriminator="kind")]


def wake_at(state: CheckState) -> datetime | None:
    """Return when something is to be done about a face check by itself."""
    match state:
        case CheckPending() | CheckOpen():
            return state.forget_at
        case CheckAnalysing():
            return state.analyse_at
        case CheckInReview():
            return state.due_at
        case CheckClosed():
            return state.delete_at
        case CheckMatched() | CheckFailed():
            return None
