"""The rules of face checks: capture sessions, tries, verdicts, review.

Pure: challenges, reports and time come in as arguments. A face check waits for person and phone (`CheckPending`),
takes captures (`CheckOpen`), is analysed (`CheckAnalysing`), may need a clerk (`CheckInReview`), and ends in
`CheckMatched`, `CheckFailed` or `CheckClosed`. The last failed try leads to an office, never into a loop.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from libs.common.contracts.biometrics import FaceMatched, FaceRejected, FaceReviewRequested
from libs.common.contracts.people import Person
from libs.common.core.errors import Refused
from libs.common.core.model import evolve
from libs.common.core.sealing import Sealed
from libs.common.delivery.decisions import Decision
from services.biometrics.check.parts import PARTS, Part, Source, complete, kept_beside, source_of
from services.biometrics.check.records import TRIES_KEPT, AnalysisOutcome, ClerkDecision, Try, add_view
from services.biometrics.check.states import (
    MEDIA_KEPT_AT_MOST,
    Challenge,
    CheckAnalysing,
    CheckClosed,
    CheckFailed,
    CheckInReview,
    CheckMatched,
    CheckOpen,
    CheckPending,
    CheckRecord,
    CheckRules,
    CheckSession,
    CheckState,
)
from services.biometrics.refusals import BiometricsRefusal

ANALYSE_AGAIN: Final = timedelta(seconds=15)
"""What breaks an analysis twice, such as want of memory, may pass: it should not cost a try within a second."""
BROKEN: Final = ("capture.not_readable",)
LATE_UPLOADS: Final = timedelta(minutes=5)
"""How long after a journey's end an upload that was under way may still have been stored."""
PRE_CHECKS_AT_ONCE: Final = 5
PRE_CHECK_EVERY: Final = timedelta(seconds=1)
"""How often a picture may be checked before it is uploaded."""


Result = Decision[CheckState]
NewChallenge = Callable[[], Challenge]


def identify(
    state: CheckState | None,
    person: Sealed[Person],
    person_ref: str,
    new_challenge: NewChallenge,
    *,
    rules: CheckRules,
    now: datetime,
) -> Result | None:
    """Note whose document it must be; if the phone is confirmed, the session opens."""
    pending = _pending(state, now)
    if pending is None:
        return None
    known = evolve(pending, CheckPending, person=pending.person or person, person_ref=pending.person_ref or person_ref)
    return _begun(known, new_challenge, rules, now)


def confirm_phone(
    state: CheckState | None, new_challenge: NewChallenge, *, rules: CheckRules, now: datetime
) -> Result | None:
    """Note that the phone is the person's; if the person is known, the session opens."""
    pending = _pending(state, now)
    if pending is None:
        return None
    return _begun(evolve(pending, CheckPending, phone_confirmed=True), new_challenge, rules, now)


def _pending(state: CheckState | None, now: datetime) -> CheckPending | None:
    forget_at = now + MEDIA_KEPT_AT_MOST
    match state:
        case None:
            return CheckPending(forget_at=forget_at)
        case CheckPending():
            return evolve(state, CheckPending, forget_at=forget_at)
        case _:
            return None


def _begun(known: CheckPending, new_challenge: NewChallenge, rules: CheckRules, now: datetime) -> Result:
    if known.person is None or not known.phone_confirmed:
        return Decision(known)
    return Decision(
        CheckOpen(
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
        Refused: `CAPTURE_NOT_OPEN`, `CAPTURE_CLOSED`, `CAPTURE_STALE` (for an older challenge).
    """
    session = may_receive(state, nonce, now)
    captures = {**kept_beside(session.captures, part), part: place}
    templates = {source: template for source, template in session.templates.items() if source != source_of(part)}
    taken = evolve(session, CheckOpen, captures=captures, templates=templates)
    if not complete(captures):
        return Decision(taken)
    return Decision(evolve(taken, CheckAnalysing, since=now, analyse_at=now))


def may_receive(state: CheckState | None, nonce: str, now: datetime) -> CheckOpen:
    """Return the session if it takes captures now; raises as `receive`."""
    session = _open(state, now)
    if nonce != session.challenge.nonce:
        raise Refused(BiometricsRefusal.CAPTURE_STALE)
    return session


def pre_check(state: CheckState | None, now: datetime) -> Result:
    """Count a check of a picture before its upload: a few at once, and then one in a while.

    A virtual schedule (the generic cell rate algorithm, ITU-T I.371): one moment is all that is kept.

    Raises:
        Refused: as `receive` without a nonce; `PRE_CHECK_TOO_OFTEN`, with ``retry_at``.
    """
    session = _open(state, now)
    due = max(session.next_pre_check or now, now)
    late = due - now - PRE_CHECK_EVERY * (PRE_CHECKS_AT_ONCE - 1)
    if late > timedelta(0):
        raise Refused(BiometricsRefusal.PRE_CHECK_TOO_OFTEN, retry_at=now + late)
    return Decision(evolve(session, CheckOpen, next_pre_check=due + PRE_CHECK_EVERY))


def pause_pre_checks(state: CheckState | None, until: datetime) -> Result | None:
    """Take no pre-check before then: one of them took a process with it, and costs no try."""
    if not isinstance(state, CheckOpen):
        return None
    return Decision(evolve(state, CheckOpen, next_pre_check=until + PRE_CHECK_EVERY * (PRE_CHECKS_AT_ONCE - 1)))


def _open(state: CheckState | None, now: datetime) -> CheckOpen:
    match state:
        case CheckOpen() if now < state.expires_at:
            return state
        case None | CheckPending():
            raise Refused(BiometricsRefusal.CAPTURE_NOT_OPEN)
        case _:
            raise Refused(BiometricsRefusal.CAPTURE_CLOSED)


def holds(state: CheckState | None, part: Part, nonce: str, place: str) -> bool:
    """Return whether this very upload was taken in for the present challenge; its sender may have missed the answer."""
    return isinstance(state, CheckSession) and state.challenge.nonce == nonce and state.captures.get(part) == place


def begin_stage(
    state: CheckState | None, captures: Mapping[Part, str], stage: Source, lease_until: datetime
) -> Result | None:
    """Note what is being analysed of these captures. After the lease another process begins the analysis anew."""
    if not isinstance(state, CheckAnalysing) or state.captures != captures:
        return None
    return Decision(evolve(state, CheckAnalysing, stage=stage, analyse_at=lease_until))


def conclude(
    state: CheckState | None,
    outcome: AnalysisOutcome,
    new_challenge: NewChallenge,
    *,
    rules: CheckRules,
    now: datetime,
) -> Result | None:
    """Take in the outcome for the captures that were analysed; a late one says nothing about newer captures."""
    if not isinstance(state, CheckAnalysing) or state.captures != outcome.captures:
        return None
    verdict = outcome.verdict
    tried = evolve(state, CheckAnalysing, tries=_tries(state, outcome.record), templates=outcome.templates)
    match verdict.band:
        case "match":
            return Decision(evolve(tried, CheckMatched), (FaceMatched(model=verdict.model),))
        case "review":
            due_at = (now + rules.review).replace(microsecond=0)  # whole seconds: written down, they sort by time
            waiting = evolve(tried, CheckInReview, due_at=due_at, model=verdict.model, decided=len(state.reviews))
            return Decision(waiting, (FaceReviewRequested(due_at=due_at),))
        case "no_match":
            return _try_failed(tried, verdict.reasons, verdict.again, new_challenge)


def analysis_broke(
    state: CheckState | None, again: tuple[Part, ...], new_challenge: NewChallenge, *, rules: CheckRules, now: datetime
) -> Result | None:
    """Repeat an analysis that broke over these parts: at once, then after a while. At last they are to be sent again.

    The first time that costs no try, for the fault is most likely ours. From then on it does: the way leads on to an
    office, and never round in a circle.
    """
    if not isinstance(state, CheckAnalysing):
        return None
    if state.analyses + 1 < rules.analyses_per_try:
        later = now + state.analyses * ANALYSE_AGAIN
        return Decision(evolve(state, CheckAnalysing, analyses=state.analyses + 1, stage=None, analyse_at=later))
    forgiven = all(each.reasons != BROKEN for each in state.tries)
    record = Try(at=now, band="no_match", reasons=BROKEN)
    tried = evolve(state, CheckAnalysing, tries=_tries(state, record), tries_left=state.tries_left + forgiven)
    return _try_failed(tried, BROKEN, again, new_challenge)


def in_review(state: CheckState | None) -> CheckInReview:
    """Return the face check if it waits for a clerk.

    Raises:
        Refused: `REVIEW_NOT_WAITING`: there is nothing to decide, or it was decided.
    """
    if not isinstance(state, CheckInReview):
        raise Refused(BiometricsRefusal.REVIEW_NOT_WAITING)
    return state


def view(state: CheckState | None, clerk: str, part: Part, now: datetime) -> Result:
    """Note that a clerk views a capture, before it is shown.

    Raises:
        Refused: `REVIEW_NOT_WAITING`: nobody may view captures outside a review.
    """
    waiting = in_review(state)
    return Decision(evolve(waiting, CheckInReview, views=add_view(waiting.views, clerk, part, now)))


def review(state: CheckState | None, decision: ClerkDecision, new_challenge: NewChallenge, rules: CheckRules) -> Result:
    """Take in a clerk's decision. It counts once the needed number of clerks agree.

    A citizen who is to try again gets a session's time anew.

    Raises:
        Refused: `REVIEW_NOT_WAITING`: there is nothing to decide, or it was decided. `REVIEW_ANOTHER_CLERK`: this
            one has decided already, and a second opinion is somebody else's.
    """
    waiting = in_review(state)
    if any(vote.clerk == decision.clerk for vote in waiting.votes):
        raise Refused(BiometricsRefusal.REVIEW_ANOTHER_CLERK)
    decided = evolve(waiting, CheckInReview, reviews=(*waiting.reviews, decision))
    if sum(vote.matched == decision.matched for vote in decided.votes) < rules.reviewers:
        return Decision(decided)
    if decision.matched:
        return Decision(evolve(decided, CheckMatched), (FaceMatched(model=waiting.model, reviewed=True),))
    again = evolve(decided, CheckInReview, expires_at=decision.at + rules.session)
    return _try_failed(again, ("face.not_the_same_person",), PARTS, new_challenge)


def review_overdue(
    state: CheckState | None, new_challenge: NewChallenge, rules: CheckRules, now: datetime
) -> Result | None:
    """End a review that no clerk decided in time: the citizen may try again, and loses no try by it."""
    if not isinstance(state, CheckInReview) or now < state.due_at:
        return None
    again = evolve(state, CheckInReview, tries_left=state.tries_left + 1, expires_at=now + rules.session)
    return _try_failed(again, ("review.overdue",), PARTS, new_challenge)


def close(state: CheckState | None, now: datetime) -> Result | None:
    """End the face check with its journey: its media are to go."""
    match state:
        case CheckClosed():
            return None
        case CheckRecord():
            return Decision(evolve(state, CheckClosed, delete_at=now))
        case _:
            return Decision(CheckClosed(delete_at=now))


def abandon(state: CheckState | None, now: datetime) -> Result | None:
    """Close a face check that nobody goes on with, though nobody published the end of its journey."""
    return close(state, now) if isinstance(state, CheckPending | CheckOpen) and now >= state.forget_at else None


def media_deleted(state: CheckState | None, now: datetime) -> Result | None:
    """Note that the media are deleted; once more later, for an upload that was under way."""
    if not isinstance(state, CheckClosed):
        return None
    left = max(state.deletions_left - 1, 0)
    return Decision(evolve(state, CheckClosed, deletions_left=left, delete_at=now + LATE_UPLOADS if left else None))


def _try_failed(
    state: CheckAnalysing | CheckInReview,
    reasons: tuple[str, ...],
    again: tuple[Part, ...],
    new_challenge: NewChallenge,
) -> Result:
    left = state.tries_left - 1
    event = FaceRejected(reasons=reasons, tries_left=left, final=left <= 0)
    if left <= 0:
        return Decision(evolve(state, CheckFailed), (event,))
    reopened = evolve(
        state,
        CheckOpen,
        captures={part: place for part, place in state.captures.items() if part not in again},
        templates={source: each for source, each in state.templates.items() if source not in map(source_of, again)},
        tries_left=left,
        # A clip that stays keeps the challenge it met; one that is made anew meets a new one.
        challenge=new_challenge() if "clip" in again else state.challenge,
        guidance=reasons,
    )
    return Decision(reopened, (event,))


def _tries(state: CheckAnalysing, record: Try) -> tuple[Try, ...]:
    return (*state.tries, record)[-TRIES_KEPT:]
