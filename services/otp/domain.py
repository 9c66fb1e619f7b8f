"""What is decided about one-time codes. Pure: time, codes and rules come in as arguments.

The codes of a journey pass through `CodeToSend` (an SMS is to go out) and `CodeSent` (the citizen has it, perhaps), and
end in `PhoneVerified`, or stop in `CodeBlocked` until another code is asked for. `CodesClosed` forgets everything.
"""

import hmac
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from libs.common.contracts.identity import JourneyStarted, RevocationRequested
from libs.common.contracts.otp import OtpConfirmed, OtpRejected, OtpSent, OtpVerified
from libs.common.contracts.people import Contact
from libs.common.core.errors import Refused
from libs.common.core.model import Model, evolve
from libs.common.core.sealing import Personal, Sealed
from libs.common.delivery.decisions import Decision
from services.otp.refusals import Refusal

CodePurpose = Literal["eds", "renewal", "revocation"]
"""What a code is for: a journey to new or renewed certificates, or the revocation of one, which it confirms."""
BlockReason = Literal["tries_used_up", "expired", "undeliverable", "frozen"]


class CodeRules(Model):
    """How codes behave. Length and lifetime are assumptions: no regulation states them."""

    code_digits: int = Field(6, ge=4, le=10)
    code_lifetime: timedelta = timedelta(minutes=3)
    tries_per_code: int = Field(3, ge=1)
    resend_after: timedelta = timedelta(seconds=60)
    codes_per_journey: int = Field(5, ge=1)
    deliveries_per_code: int = Field(5, ge=1)
    """How often a gateway is asked to take one SMS before the phone counts as undeliverable."""


class OneTimeCode(Personal):
    """A code, which whoever reads it could use."""

    audience: ClassVar[str] = "contact"

    digits: str


class CodeNeed(Model):
    """What stays known while a journey may still need codes. ``number`` counts the codes it has had."""

    contact: Sealed[Contact]
    person_ref: str
    phone_ref: str
    purpose: CodePurpose = "eds"
    number: int = 0


class CodeToSend(CodeNeed):
    """A code was made and is to be handed to the gateway at ``send_at``, under `sms_id` however often."""

    kind: Literal["sending"] = "sending"
    code: Sealed[OneTimeCode]
    sms_id: str
    send_at: datetime
    deliveries: int = 0


class CodeSent(CodeNeed):
    """The gateway took the SMS."""

    kind: Literal["sent"] = "sent"
    code: Sealed[OneTimeCode]
    sent_at: datetime
    expires_at: datetime
    tries_left: int


class CodeBlocked(CodeNeed):
    """No code counts now. Another may be asked for from `retry_at` on; never, if that is None."""

    kind: Literal["blocked"] = "blocked"
    reason: BlockReason
    retry_at: datetime | None


class PhoneVerified(Model):
    """The citizen holds the phone."""

    kind: Literal["verified"] = "verified"


class CodesClosed(Model):
    """The journey or the request ended; codes of it count no more."""

    kind: Literal["closed"] = "closed"


CodesState = CodeToSend | CodeSent | CodeBlocked | PhoneVerified | CodesClosed
CodesSchema = Annotated[CodesState, Field(discriminator="kind")]
CodesDecision = Decision[CodesState]
_REASONS: Final[Mapping[BlockReason, Refusal]] = {
    "tries_used_up": Refusal.TRIES_USED_UP,
    "expired": Refusal.EXPIRED,
    "undeliverable": Refusal.UNDELIVERABLE,
    "frozen": Refusal.FROZEN,
}
NewCode = Callable[[], tuple[str, str]]
"""Returns the digits of a fresh code, and the id of the SMS that will carry it."""


def wake_at(state: CodesState) -> datetime | None:
    """Return when an SMS is to be handed over, or a code expires."""
    match state:
        case CodeToSend():
            return state.send_at
        case CodeSent():
            return state.expires_at
        case _:
            return None


def begin(
    state: CodesState | None,
    asked: JourneyStarted | RevocationRequested,
    new_code: NewCode,
    frozen_until: datetime | None,
    now: datetime,
) -> CodesDecision | None:
    """Make the first code, unless this person is frozen or we know the journey or request already."""
    if state is not None:
        return None
    need = CodeNeed(
        contact=asked.contact, person_ref=asked.person_ref, phone_ref=asked.phone_ref, purpose=_purpose(asked)
    )
    if frozen_until is not None:
        return _block(evolve(need, CodeBlocked, reason="frozen", retry_at=frozen_until))
    return _make(need, new_code, now)


def resend(state: CodesState | None, new_code: NewCode, rules: CodeRules, now: datetime) -> CodesDecision:
    """Make another code.

    Raises:
        Refused: not yet (``otp.too_soon``, ``otp.not_sent_yet``), no more (``otp.tries_used_up``), or not needed
            (``otp.not_needed``).
    """
    match state:
        case CodeSent(sent_at=sent_at) if now < sent_at + rules.resend_after:
            raise Refused(Refusal.TOO_SOON, retry_at=sent_at + rules.resend_after)
        case CodeBlocked(retry_at=None):
            raise Refused(Refusal.TRIES_USED_UP, retry_at=None)
        case CodeBlocked(retry_at=datetime() as retry_at) if now < retry_at:
            raise Refused(Refusal.TOO_SOON, retry_at=retry_at)
        case CodeSent() | CodeBlocked():
            if state.number >= rules.codes_per_journey:
                raise Refused(Refusal.TRIES_USED_UP, retry_at=None)
            return _make(state, new_code, now)
        case CodeToSend():
            raise Refused(Refusal.TOO_SOON, retry_at=now + rules.resend_after)
        case None:
            raise Refused(Refusal.NOT_SENT_YET)
        case _:
            raise Refused(Refusal.NOT_NEEDED)


def taken(state: CodesState | None, sms_id: str, rules: CodeRules, now: datetime) -> CodesDecision | None:
    """Let the code count from now on: the gateway took the SMS."""
    if not isinstance(state, CodeToSend) or state.sms_id != sms_id:
        return None
    expires_at = now + rules.code_lifetime
    sent = evolve(state, CodeSent, sent_at=now, expires_at=expires_at, tries_left=rules.tries_per_code)
    return Decision(sent, (OtpSent(number=state.number, expires_at=expires_at),))


def not_taken(
    state: CodesState | None, sms_id: str, hopeless: bool, rules: CodeRules, now: datetime
) -> CodesDecision | None:
    """Try again soon, or stop asking the gateway: it did not take the SMS."""
    if not isinstance(state, CodeToSend) or state.sms_id != sms_id:
        return None
    deliveries = state.deliveries + 1
    if not hopeless and deliveries < rules.deliveries_per_code:
        return Decision(
            evolve(state, CodeToSend, deliveries=deliveries, send_at=now + timedelta(seconds=2**deliveries))
        )
    retry_at = now + rules.resend_after if state.number < rules.codes_per_journey else None
    return _block(evolve(state, CodeBlocked, reason="undeliverable", retry_at=retry_at))


def check(
    state: CodesState | None, digits: str, rules: CodeRules, now: datetime
) -> tuple[CodesDecision, Refused | None]:
    """Compare what the citizen typed. Returns what follows, and the refusal if it was not right.

    That refusal is not raised here, because a wrong try must be stored: it uses up one of the code's.

    Raises:
        Refused: there is nothing to compare with (``otp.not_sent_yet``, ``otp.expired``, ``otp.tries_used_up``).
    """
    match state:
        case PhoneVerified():
            return Decision(state), None
        case CodeSent(expires_at=expires_at) if expires_at <= now:
            return expire(state, rules, now) or Decision(state), Refused(Refusal.EXPIRED)
        case CodeSent() if hmac.compare_digest(state.code.value.digits.encode(), digits.encode()):
            proven = OtpConfirmed if state.purpose == "revocation" else OtpVerified
            return Decision(PhoneVerified(), (proven(phone_ref=state.phone_ref),)), None
        case CodeSent():
            return _wrong(state, rules, now)
        case CodeBlocked(reason="expired"):
            raise Refused(Refusal.EXPIRED)
        case CodeBlocked(reason=reason, retry_at=retry_at):
            raise Refused(_REASONS[reason], retry_at=retry_at)
        case CodesClosed():
            raise Refused(Refusal.NOT_NEEDED)
        case _:
            raise Refused(Refusal.NOT_SENT_YET)


def expire(state: CodesState | None, rules: CodeRules, now: datetime) -> CodesDecision | None:
    """Stop a code whose time has passed: another may be asked for at once."""
    if not isinstance(state, CodeSent) or now < state.expires_at:
        return None
    retry_at = now if state.number < rules.codes_per_journey else None
    return _block(evolve(state, CodeBlocked, reason="expired", retry_at=retry_at))


def close(_: CodesState | None) -> CodesDecision:
    """End with the journey. May come before the journey is known, and then it is never begun."""
    return Decision(CodesClosed())


def _purpose(asked: JourneyStarted | RevocationRequested) -> CodePurpose:
    if isinstance(asked, RevocationRequested):
        return "revocation"
    return "renewal" if asked.purpose == "renewal" else "eds"


def _make(need: CodeNeed, new_code: NewCode, now: datetime) -> CodesDecision:
    digits, sms_id = new_code()
    code = Sealed(OneTimeCode(digits=digits))
    return Decision(evolve(need, CodeToSend, number=need.number + 1, code=code, sms_id=sms_id, send_at=now))


def _wrong(state: CodeSent, rules: CodeRules, now: datetime) -> tuple[CodesDecision, Refused]:
    left = state.tries_left - 1
    if left > 0:
        kept = evolve(state, CodeSent, tries_left=left)
        wrong = Refused(Refusal.WRONG_CODE, tries_left=left)
        return Decision(kept), wrong
    may_retry = state.number < rules.codes_per_journey
    retry_at = max(now, state.sent_at + rules.resend_after) if may_retry else None
    blocked = evolve(state, CodeBlocked, reason="tries_used_up", retry_at=retry_at)
    return _block(blocked), Refused(Refusal.TRIES_USED_UP, retry_at=retry_at)


def _block(blocked: CodeBlocked) -> CodesDecision:
    """Stop. A request that is no journey ends here: nobody would close it, and it can be made anew."""
    if blocked.purpose == "revocation":
        return Decision(CodesClosed(), (OtpRejected(reason=blocked.reason, final=True),))
    final = blocked.retry_at is None
    event = OtpRejected(reason=blocked.reason, final=final, retry_at=blocked.retry_at)
    return Decision(blocked, (event,))
