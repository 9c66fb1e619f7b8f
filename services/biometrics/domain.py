"""Face checks: capture sessions, tries, verdicts, review. Pure: challenges, reports and time come in as arguments.

A session waits for the proven phone (`Waiting`), takes captures (`Open`), is being looked at (`Analysing`), may need
a clerk (`InReview`), and ends in `Matched`, `Failed` or `Closed`. Failing five times leads to an office, never into
a loop.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from libs.common.contracts.biometrics import FaceMatched, FaceRejected, FaceReviewRequested
from libs.common.contracts.events import Event
from libs.common.core.errors import Refused
from libs.common.delivery.decisions import Decision
from services.biometrics.face.templates import Source, source_of
from services.biometrics.records import TRIES_KEPT, Outcome, Review, Try, looked
from services.biometrics.states import (
    Analysing,
    Audited,
    Challenge,
    CheckState,
    Closed,
    Failed,
    InReview,
    Matched,
    Open,
    Rules,
    Session,
    Waiting,
)
from services.biometrics.verdicts import PARTS, Part, beside, complete

MEDIA_KEPT_AT_MOST: Final = timedelta(days=8)
"""A day more than a journey may last: if nobody says that it ended, media and faces go all the same."""
LOOK_AGAIN: Final = timedelta(seconds=15)
"""What breaks a look twice in a row, such as want of memory, may pass: it should not cost a try within a second."""
BROKEN: Final = ("capture.not_readable",)
LATE_UPLOADS: Final = timedelta(minutes=5)
"""How long after a journey's end an upload that was under way may still have been stored."""
LOOKS_AT_ONCE: Final = 5
LOOK_EVERY: Final = timedelta(seconds=1)
"""How often a picture may be looked at before it is uploaded."""


Result = Decision[CheckState]
NewChallenge = Callable[[], Challenge]


def note(
    state: CheckState | None,
    new_challenge: NewChallenge,
    rules: Rules,
    now: datetime,
    *,
    news: Waiting,
) -> Result | None:
    """Add what an event told; with person and phone the session opens."""
    if not isinstance(state, Waiting | None):
        return None
    known = state or Waiting()
    known = Waiting(
        person=known.person or news.person,
        person_ref=known.person_ref or news.person_ref,
        phone_proven=known.phone_proven or news.phone_proven,
    )
    if known.person is None or not known.phone_proven:
        return Decision(known, wake_at=now + MEDIA_KEPT_AT_MOST)
    return _opened(
        Open(
            person=known.person,
            person_ref=known.person_ref,
            challenge=new_challenge(),
            expires_at=now + rules.session,
            tries_left=rules.tries,
        )
    )


def receive(state: CheckState | None, part: Part, nonce: str, place: str, now: datetime) -> Result:
    """Take in one capture, which lies at a place; with the last one the analysis is due.

    Raises:
        Refused: ``capture.not_open``, ``capture.closed``, ``capture.stale`` (for an older challenge).
    """
    session = may_receive(state, nonce, now)
    captures = {**beside(session.captures, part), part: place}
    templates = {source: template for source, template in session.templates.items() if source != source_of(part)}
    taken = session.model_copy(update={"captures": captures, "templates": templates})
    if not complete(captures):
        return _opened(taken)
    return Decision(Analysing(**_session(taken), since=now), wake_at=now)


def may_receive(state: CheckState | None, nonce: str, now: datetime) -> Open:
    """Give the session if it takes captures now; raises as `receive`."""
    session = _open(state, now)
    if nonce != session.challenge.nonce:
        raise Refused("capture.stale", "This was captured for an earlier challenge. Please fetch the present one.")
    return session


def pre_check(state: CheckState | None, now: datetime) -> Result:
    """Count a quick look at a picture: a few at once, and then one in a while.

    A virtual schedule (the generic cell rate algorithm, ITU-T I.371): one moment is all that is kept.

    Raises:
        Refused: as `receive` without a nonce; ``pre_check.too_often``, 429, with ``retry_at``.
    """
    session = _open(state, now)
    due = max(session.next_look or now, now)
    late = due - now - LOOK_EVERY * (LOOKS_AT_ONCE - 1)
    if late > timedelta(0):
        raise Refused("pre_check.too_often", "Please wait a moment between two looks.", 429, retry_at=now + late)
    return _opened(session.model_copy(update={"next_look": due + LOOK_EVERY}))


def no_looks(state: CheckState | None, until: datetime) -> Result | None:
    """Give no quick look before then: one of them took a process with it, and costs no try."""
    if not isinstance(state, Open):
        return None
    return _opened(state.model_copy(update={"next_look": until + LOOK_EVERY * (LOOKS_AT_ONCE - 1)}))


def _open(state: CheckState | None, now: datetime) -> Open:
    match state:
        case Open() if now >= state.expires_at:
            raise Refused("capture.closed", "The time for the face check is over. Please start a new journey.")
        case Open():
            return state
        case None | Waiting():
            raise Refused("capture.not_open", "The face check begins once your phone is confirmed.", 404)
        case Analysing() | InReview():
            raise Refused("capture.closed", "Your pictures are being looked at. Please wait for the result.")
        case _:
            raise over()


def holds(state: CheckState | None, part: Part, nonce: str, place: str) -> bool:
    """Tell whether this very upload was taken in for the present challenge; its sender may have missed the answer."""
    return isinstance(state, Session) and state.challenge.nonce == nonce and state.captures.get(part) == place


def over() -> Refused:
    """Make the refusal for what comes after the end."""
    return Refused("capture.closed", "This face check is over.")


def looking(state: CheckState | None, captures: Mapping[Part, str], at: Source, until: datetime) -> Result | None:
    """Note at which of these captures somebody looks now, who may take until then: what a citizen sees anywhere."""
    if not isinstance(state, Analysing) or state.captures != captures:
        return None
    return Decision(state.model_copy(update={"looking_at": at}), wake_at=until)


def conclude(
    state: CheckState | None,
    outcome: Outcome,
    new_challenge: NewChallenge,
    *,
    rules: Rules,
    now: datetime,
) -> Result | None:
    """Take in the outcome for the captures that were looked at; one that comes late says nothing about newer ones."""
    if not isinstance(state, Analysing) or state.captures != outcome.captures:
        return None
    verdict = outcome.verdict
    noted = _noted(state, outcome.record).model_copy(update={"templates": outcome.templates})
    match verdict.band:
        case "match":
            return Decision(Matched(**_audit(noted)), (FaceMatched(model=verdict.model),))
        case "review":
            due_at = (now + rules.review).replace(microsecond=0)  # whole seconds: written down, they sort by time
            waiting = InReview(**_session(noted), due_at=due_at, model=verdict.model, decided=len(state.reviews))
            return Decision(waiting, (FaceReviewRequested(due_at=due_at),), wake_at=due_at)
        case "no_match":
            return _try_failed(noted, verdict.reasons, verdict.again, new_challenge)


def analysis_broke(
    state: CheckState | None, again: tuple[Part, ...], new_challenge: NewChallenge, *, rules: Rules, now: datetime
) -> Result | None:
    """The look at these parts crashed: at once again, then after a while; and at last they are to be sent again.

    The first time that costs no try, for the fault is most likely ours. From then on it does: the way leads on to an
    office, and never round in a circle.
    """
    if not isinstance(state, Analysing):
        return None
    if state.analyses + 1 < rules.analyses_per_try:
        again_from_start = {"analyses": state.analyses + 1, "looking_at": None}
        return Decision(state.model_copy(update=again_from_start), wake_at=now + state.analyses * LOOK_AGAIN)
    forgiven = all(each.reasons != BROKEN for each in state.tries)
    noted = _noted(state, Try(at=now, band="no_match", reasons=BROKEN))
    noted = noted.model_copy(update={"tries_left": noted.tries_left + forgiven})
    return _try_failed(noted, BROKEN, again, new_challenge)


def in_review(state: CheckState | None) -> InReview:
    """Give the face check if it waits for a clerk.

    Raises:
        Refused: ``review.not_waiting``: there is nothing to decide, or it was decided.
    """
    if not isinstance(state, InReview):
        raise Refused("review.not_waiting", "This face check does not wait for a decision any more.")
    return state


def look(state: CheckState | None, clerk: str, part: Part, now: datetime) -> Result:
    """Note that a clerk looks at a capture, before it is shown.

    Raises:
        Refused: ``review.not_waiting``: nobody may look outside a review.
    """
    waiting = in_review(state)
    looks = looked(waiting.looks, clerk, part, now)
    return Decision(waiting.model_copy(update={"looks": looks}), wake_at=waiting.due_at)


def review(state: CheckState | None, decision: Review, new_challenge: NewChallenge, rules: Rules) -> Result:
    """A clerk decided. What the needed number of clerks agree on is done; until then the next one is waited for.

    A citizen who is to try again gets a session's time anew.

    Raises:
        Refused: ``review.not_waiting``: there is nothing to decide, or it was decided. ``review.another_clerk``: this
            one has decided already, and a second opinion is somebody else's.
    """
    waiting = in_review(state)
    if any(vote.clerk == decision.clerk for vote in waiting.votes):
        raise Refused("review.another_clerk", "You have decided about this face check. Somebody else has to, too.")
    decided = waiting.model_copy(update={"reviews": (*waiting.reviews, decision)})
    if sum(vote.matched == decision.matched for vote in decided.votes) < rules.reviewers:
        return Decision(decided, wake_at=waiting.due_at)
    if decision.matched:
        return Decision(Matched(**_audit(decided)), (FaceMatched(model=waiting.model, reviewed=True),))
    again = decided.model_copy(update={"expires_at": decision.at + rules.session})
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
    return Decision(Closed(**_audit(state)), wake_at=now)


def left(state: CheckState | None, now: datetime) -> Result | None:
    """Nobody goes on with it, and nobody said that its journey ended: what is known of the person is to go."""
    is_over = isinstance(state, Waiting) or (isinstance(state, Open) and now >= _left_at(state))
    return close(state, now) if is_over else None


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
        return Decision(Failed(**_audit(state)), (event,))
    kept = {part: blob for part, blob in state.captures.items() if part not in again}
    # A clip that stays keeps the challenge it met; one that is made anew meets a new one.
    challenge = new_challenge() if "clip" in again else state.challenge
    templates = {source: each for source, each in state.templates.items() if source not in map(source_of, again)}
    session = _session(state) | {"captures": kept, "templates": templates, "tries_left": left, "challenge": challenge}
    return _opened(Open(**session, guidance=reasons), event)


def _opened(state: Open, *events: Event) -> Result:
    return Decision(state, events, wake_at=_left_at(state))


def _left_at(state: Open) -> datetime:
    return state.expires_at + MEDIA_KEPT_AT_MOST


def _noted(state: Analysing, record: Try) -> Analysing:
    return state.model_copy(update={"tries": (*state.tries, record)[-TRIES_KEPT:]})


def _session(state: Session) -> dict[str, Any]:
    return {name: getattr(state, name) for name in Session.model_fields}


def _audit(state: CheckState | None) -> dict[str, Any]:
    if not isinstance(state, Audited):
        return {}
    return {name: getattr(state, name) for name in Audited.model_fields}
