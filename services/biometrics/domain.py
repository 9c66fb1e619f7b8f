"""Face checks: capture sessions, tries, verdicts, review. Pure: challenges, reports and time come in as arguments.

A session waits for the proven phone (`Waiting`), takes captures (`Open`), is being looked at (`Analysing`), may need
a clerk (`Reviewed` by one), and ends in `Matched`, `Failed` or `Closed`. Failing five times leads to an office,
never into a loop.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from libs.common.contracts.biometrics import FaceMatched, FaceRejected, FaceReviewRequested
from libs.common.contracts.people import Person
from libs.common.decisions import Decision
from libs.common.errors import Refused
from libs.common.sealing import Personal, Sealed
from services.biometrics.challenge import Action
from services.biometrics.verdicts import PARTS, Part, Verdict, beside, complete

LATE_UPLOADS: Final = timedelta(minutes=5)
"""How long after a journey's end an upload that was under way may still have been stored."""


class Rules(BaseModel):
    """How face checks go. Five tries, then an office, is the national service's own rule."""

    model_config = ConfigDict(frozen=True)

    tries: int = Field(5, ge=1)
    session: timedelta = timedelta(minutes=30)
    review: timedelta = timedelta(hours=24)
    analyses_per_try: int = Field(3, ge=1)
    """How often captures are analysed before a crash of the analysis counts against them."""


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class Challenge(_Value):
    """What the citizen is to do in the clip, and the nonce that binds uploads to it."""

    actions: tuple[Action, ...]
    nonce: str


class Remark(Personal):
    """What a clerk wrote to a decision; it may speak of anybody."""

    audience: ClassVar[str] = "biometrics"

    text: str


class Review(_Value):
    """A clerk's decision, kept for those who must account for it."""

    clerk: str
    matched: bool
    at: datetime
    remark: Sealed[Remark]


class Waiting(_Value):
    """Person or phone are not known yet."""

    kind: Literal["waiting"] = "waiting"
    person: Sealed[Person] | None = None
    phone_proven: bool = False


class _Reviewable(_Value):
    reviews: tuple[Review, ...] = ()


class _Session(_Reviewable):
    person: Sealed[Person]
    challenge: Challenge
    expires_at: datetime
    tries_left: int
    captures: Mapping[Part, str] = {}
    """Blob names of the parts that are in."""


class Open(_Session):
    """Captures are awaited; ``guidance`` says what to do better."""

    kind: Literal["open"] = "open"
    guidance: tuple[str, ...] = ()


class Analysing(_Session):
    """All parts are in and are being looked at."""

    kind: Literal["analysing"] = "analysing"
    analyses: int = 0


class InReview(_Session):
    """The numbers do not decide: a clerk does, until `due_at`."""

    kind: Literal["in_review"] = "in_review"
    due_at: datetime
    model: str


class Matched(_Reviewable):
    """It is the person on the document, alive, now."""

    kind: Literal["matched"] = "matched"


class Failed(_Reviewable):
    """The tries are used up: the way leads to an office."""

    kind: Literal["failed"] = "failed"


class Closed(_Reviewable):
    """The journey ended. Its media are deleted at once, and once more for an upload that was just under way."""

    kind: Literal["closed"] = "closed"
    deletions_left: int = 2


Check = Annotated[Waiting | Open | Analysing | InReview | Matched | Failed | Closed, Field(discriminator="kind")]
CheckState = Waiting | Open | Analysing | InReview | Matched | Failed | Closed
Result = Decision[CheckState]
NewChallenge = Callable[[], Challenge]


def note(
    state: CheckState | None,
    new_challenge: NewChallenge,
    rules: Rules,
    now: datetime,
    *,
    person: Sealed[Person] | None = None,
    phone_proven: bool = False,
) -> Result | None:
    """Add what an event told; with person and phone the session opens."""
    if not isinstance(state, Waiting | None):
        return None
    known = state or Waiting()
    person = known.person or person
    phone_proven = known.phone_proven or phone_proven
    if person is None or not phone_proven:
        return Decision(Waiting(person=person, phone_proven=phone_proven))
    opened = Open(person=person, challenge=new_challenge(), expires_at=now + rules.session, tries_left=rules.tries)
    return Decision(opened)


def receive(state: CheckState | None, part: Part, nonce: str, blob: str, now: datetime) -> Result:
    """Take in one capture; with the last one the analysis is due.

    Raises:
        Refused: ``capture.not_open``, ``capture.closed``, ``capture.stale`` (for an older challenge).
    """
    session = may_receive(state, nonce, now)
    captures = {**beside(session.captures, part), part: blob}
    if not complete(captures):
        return Decision(session.model_copy(update={"captures": captures}))
    return Decision(Analysing(**_session(session) | {"captures": captures}), wake_at=now)


def may_receive(state: CheckState | None, nonce: str, now: datetime) -> Open:
    """Give the session if it takes captures now; raises as `receive`."""
    match state:
        case Open() if now >= state.expires_at:
            raise Refused("capture.closed", "The time for the face check is over. Please start a new journey.")
        case Open() if nonce != state.challenge.nonce:
            raise Refused("capture.stale", "This was captured for an earlier challenge. Please fetch the present one.")
        case Open():
            return state
        case None | Waiting():
            raise Refused("capture.not_open", "The face check begins once your phone is confirmed.", 404)
        case Analysing() | InReview():
            raise Refused("capture.closed", "Your pictures are being looked at. Please wait for the result.")
        case _:
            raise over()


def over() -> Refused:
    """Make the refusal for what comes after the end."""
    return Refused("capture.closed", "This face check is over.")


def conclude(
    state: CheckState | None,
    looked_at: Analysing,
    verdict: Verdict,
    new_challenge: NewChallenge,
    *,
    rules: Rules,
    now: datetime,
) -> Result | None:
    """Take in the verdict on the captures that were looked at; one that comes late says nothing about newer ones."""
    if not isinstance(state, Analysing) or state.captures != looked_at.captures:
        return None
    match verdict.band:
        case "match":
            return Decision(Matched(reviews=state.reviews), (FaceMatched(model=verdict.model),))
        case "review":
            due_at = now + rules.review
            waiting = InReview(**_session(state), due_at=due_at, model=verdict.model)
            return Decision(waiting, (FaceReviewRequested(due_at=due_at),), wake_at=due_at)
        case "no_match":
            return _try_failed(state, verdict.reasons, verdict.again, new_challenge)


def analysis_broke(state: CheckState | None, new_challenge: NewChallenge, rules: Rules, now: datetime) -> Result | None:
    """The analysis crashed or hung: once more, and after some times it counts as a failed try."""
    if not isinstance(state, Analysing):
        return None
    if state.analyses + 1 < rules.analyses_per_try:
        return Decision(state.model_copy(update={"analyses": state.analyses + 1}), wake_at=now)
    return _try_failed(state, ("capture.not_readable",), PARTS, new_challenge)


def review(state: CheckState | None, decision: Review, new_challenge: NewChallenge, rules: Rules) -> Result:
    """A clerk decided. A citizen who is to try again gets a session's time anew.

    Raises:
        Refused: ``review.not_waiting``: there is nothing to decide, or it was decided.
    """
    if not isinstance(state, InReview):
        raise Refused("review.not_waiting", "This face check does not wait for a decision any more.")
    reviews = (*state.reviews, decision)
    if decision.matched:
        return Decision(Matched(reviews=reviews), (FaceMatched(model=state.model, reviewed=True),))
    again = state.model_copy(update={"reviews": reviews, "expires_at": decision.at + rules.session})
    return _try_failed(again, ("face.not_the_same_person",), PARTS, new_challenge)


def review_overdue(state: CheckState | None, new_challenge: NewChallenge, rules: Rules, now: datetime) -> Result | None:
    """No clerk decided in time: the citizen may try again, and loses no try by it."""
    if not isinstance(state, InReview) or now < state.due_at:
        return None
    again = state.model_copy(update={"tries_left": state.tries_left + 1, "expires_at": now + rules.session})
    return _try_failed(again, ("review.overdue",), PARTS, new_challenge)


def close(state: CheckState | None, now: datetime) -> Result | None:
    """The journey ended: its media are to go."""
    if isinstance(state, Closed):
        return None
    return Decision(Closed(reviews=state.reviews if isinstance(state, _Reviewable) else ()), wake_at=now)


def deleted(state: CheckState | None, now: datetime) -> Result | None:
    """The media that were there are gone."""
    if not isinstance(state, Closed):
        return None
    left = max(state.deletions_left - 1, 0)
    return Decision(state.model_copy(update={"deletions_left": left}), wake_at=now + LATE_UPLOADS if left else None)


def _try_failed(
    state: Analysing | InReview, reasons: tuple[str, ...], again: tuple[Part, ...], new_challenge: NewChallenge
) -> Result:
    left = state.tries_left - 1
    event = FaceRejected(reasons=reasons, tries_left=left, final=left <= 0)
    if left <= 0:
        return Decision(Failed(reviews=state.reviews), (event,))
    kept = {part: blob for part, blob in state.captures.items() if part not in again}
    # A clip that stays keeps the challenge it met; one that is made anew meets a new one.
    challenge = new_challenge() if "clip" in again else state.challenge
    session = _session(state) | {"captures": kept, "tries_left": left, "challenge": challenge}
    return Decision(Open(**session, guidance=reasons), (event,))


def _session(state: _Session) -> dict[str, object]:
    return {name: getattr(state, name) for name in _Session.model_fields}
