"""One-time codes: what is decided about them. Pure: time, codes and rules come in as arguments.

A journey's codes pass through `Sending` (an SMS is to go out), `Sent` (the citizen has it, perhaps), and end in
`Verified`, or stop in `Blocked` until another code is asked for. `Closed` forgets everything.
"""

import hmac
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from libs.common.contracts.identity import JourneyStarted, RevocationRequested
from libs.common.contracts.otp import OtpConfirmed, OtpRejected, OtpSent, OtpVerified
from libs.common.contracts.people import Contact
from libs.common.core.errors import Refused
from libs.common.core.sealing import Personal, Sealed
from libs.common.delivery.decisions import Decision

Purpose = Literal["eds", "renewal", "revocation"]
"""What a code is for: a journey to new or renewed certificates, or the revocation of one, which it confirms."""
Reason = Literal["tries_used_up", "expired", "undeliverable", "frozen"]


class Rules(BaseModel):
    """How codes behave. Length and lifetime are assumptions: no regulation states them."""

    model_config = ConfigDict(frozen=True)

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


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Open(_Facts):
    """What stays known while a journey may still need codes."""

    contact: Sealed[Contact]
    person_ref: str
    phone_ref: str
    purpose: Purpose = "eds"
    number: int
    """How many codes this journey has had, the present one included."""


class Sending(_Open):
    """A code was made and is to be handed to the gateway, under `sms_id` however often."""

    kind: Literal["sending"] = "sending"
    code: Sealed[OneTimeCode]
    sms_id: str
    deliveries: int = 0


class Sent(_Open):
    """The gateway took the SMS."""

    kind: Literal["sent"] = "sent"
    code: Sealed[OneTimeCode]
    sent_at: datetime
    expires_at: datetime
    tries_left: int


class Blocked(_Open):
    """No code counts now. Another may be asked for from `retry_at` on; never, if that is None."""

    kind: Literal["blocked"] = "blocked"
    reason: Reason
    retry_at: datetime | None


class Verified(_Facts):
    """The citizen holds the phone."""

    kind: Literal["verified"] = "verified"


class Closed(_Facts):
    """The journey or the request ended; codes of it count no more."""

    kind: Literal["closed"] = "closed"


Codes = Annotated[Sending | Sent | Blocked | Verified | Closed, Field(discriminator="kind")]
CodesState = Sending | Sent | Blocked | Verified | Closed
Result = Decision[CodesState]
NewCode = Callable[[], tuple[str, str]]
"""Gives the digits of a fresh code, and the id of the SMS that will carry it."""


def begin(
    state: CodesState | None,
    asked: JourneyStarted | RevocationRequested,
    new_code: NewCode,
    frozen_until: datetime | None,
    now: datetime,
) -> Result | None:
    """A code is needed: make the first, unless this person is frozen or we know the journey or request already."""
    if state is not None:
        return None
    known = {
        "contact": asked.contact,
        "person_ref": asked.person_ref,
        "phone_ref": asked.phone_ref,
        "purpose": _purpose(asked),
    }
    if frozen_until is not None:
        return _block(Blocked(**known, number=0, reason="frozen", retry_at=frozen_until))
    return _make(_Open(**known, number=0), new_code, now)


def _purpose(asked: JourneyStarted | RevocationRequested) -> Purpose:
    if isinstance(asked, RevocationRequested):
        return "revocation"
    return "renewal" if asked.purpose == "renewal" else "eds"


def resend(state: CodesState | None, new_code: NewCode, rules: Rules, now: datetime) -> Result:
    """Make another code.

    Raises:
        Refused: not yet (``otp.too_soon``, ``otp.not_sent_yet``), no more (``otp.tries_used_up``), or not needed
            (``otp.not_needed``).
    """
    match state:
        case Sent(sent_at=sent_at) if now < sent_at + rules.resend_after:
            raise _too_soon(sent_at + rules.resend_after)
        case Blocked(retry_at=None):
            raise _used_up(None)
        case Blocked(retry_at=datetime() as retry_at) if now < retry_at:
            raise _too_soon(retry_at)
        case Sent() | Blocked():
            if state.number >= rules.codes_per_journey:
                raise _used_up(None)
            return _make(state, new_code, now)
        case Sending():
            raise _too_soon(now + rules.resend_after)
        case None:
            raise _not_sent_yet()
        case _:
            raise Refused("otp.not_needed", "This journey needs no code now.", 409)


def taken(state: CodesState | None, sms_id: str, rules: Rules, now: datetime) -> Result | None:
    """The gateway took the SMS: the code counts from now on."""
    if not isinstance(state, Sending) or state.sms_id != sms_id:
        return None
    expires_at = now + rules.code_lifetime
    sent = Sent(**_known(state), code=state.code, sent_at=now, expires_at=expires_at, tries_left=rules.tries_per_code)
    return Decision(sent, (OtpSent(number=state.number, expires_at=expires_at),), wake_at=expires_at)


def not_taken(state: CodesState | None, sms_id: str, hopeless: bool, rules: Rules, now: datetime) -> Result | None:
    """The gateway did not take the SMS: try again soon, or stop asking it."""
    if not isinstance(state, Sending) or state.sms_id != sms_id:
        return None
    deliveries = state.deliveries + 1
    if not hopeless and deliveries < rules.deliveries_per_code:
        pause = timedelta(seconds=2**deliveries)
        return Decision(state.model_copy(update={"deliveries": deliveries}), wake_at=now + pause)
    may_retry = state.number < rules.codes_per_journey
    retry_at = now + rules.resend_after if may_retry else None
    return _block(Blocked(**_known(state), reason="undeliverable", retry_at=retry_at))


def check(state: CodesState | None, digits: str, rules: Rules, now: datetime) -> tuple[Result, Refused | None]:
    """Compare what the citizen typed. Gives what follows, and what to answer if it was not right.

    The answer is not raised, because a wrong try must be stored: it uses up one of the code's.

    Raises:
        Refused: there is nothing to compare with (``otp.not_sent_yet``, ``otp.expired``, ``otp.tries_used_up``).
    """
    match state:
        case Verified():
            return Decision(state), None
        case Sent(expires_at=expires_at) if expires_at <= now:
            result = expire(state, rules, now)
            return result or Decision(state, wake_at=expires_at), _expired()
        case Sent() if hmac.compare_digest(state.code.value.digits.encode(), digits.encode()):
            proven = OtpConfirmed if state.purpose == "revocation" else OtpVerified
            return Decision(Verified(), (proven(phone_ref=state.phone_ref),)), None
        case Sent():
            return _wrong(state, rules, now)
        case Blocked(reason="expired"):
            raise _expired()
        case Blocked(reason=reason, retry_at=retry_at):
            raise _used_up(retry_at) if reason == "tries_used_up" else _stopped(reason, retry_at)
        case Closed():
            raise Refused("otp.not_needed", "No code counts here any more. Please ask anew for what you need.", 409)
        case _:
            raise _not_sent_yet()


def expire(state: CodesState | None, rules: Rules, now: datetime) -> Result | None:
    """The code's time passed: another may be asked for at once."""
    if not isinstance(state, Sent) or now < state.expires_at:
        return None
    may_retry = state.number < rules.codes_per_journey
    return _block(Blocked(**_known(state), reason="expired", retry_at=now if may_retry else None))


def close(_: CodesState | None) -> Result:
    """The journey ended. Also told before the journey is known, and then it is never begun."""
    return Decision(Closed())


def sms_text(digits: str, purpose: Purpose = "eds") -> str:
    """Say what the code is for, in Kazakh and Russian: people were robbed of codes whose purpose they did not see."""
    kazakh, russian = _PURPOSES[purpose]
    return (
        f"{digits}: {kazakh} коды. Ешкімге айтпаңыз, мемлекеттік қызметкерге де. "
        f"Код для {russian}: не сообщайте никому, даже сотрудникам."
    )


_PURPOSES: Final[dict[Purpose, tuple[str, str]]] = {
    "eds": ("ЭЦҚ алу", "получения ЭЦП"),
    "renewal": ("ЭЦҚ жаңарту", "обновления ЭЦП"),
    "revocation": ("ЭЦҚ куәлігін кері қайтарып алу", "отзыва сертификата ЭЦП"),
}
_KNOWN: Final = ("contact", "person_ref", "phone_ref", "purpose", "number")


def _known(state: _Open) -> dict[str, object]:
    return {name: getattr(state, name) for name in _KNOWN}


def _make(state: _Open, new_code: NewCode, now: datetime) -> Result:
    digits, sms_id = new_code()
    known = _known(state) | {"number": state.number + 1}
    sending = Sending.model_validate({**known, "code": Sealed(OneTimeCode(digits=digits)), "sms_id": sms_id})
    return Decision(sending, wake_at=now)


def _wrong(state: Sent, rules: Rules, now: datetime) -> tuple[Result, Refused]:
    left = state.tries_left - 1
    if left > 0:
        kept: Result = Decision(state.model_copy(update={"tries_left": left}), wake_at=state.expires_at)
        return kept, Refused("otp.wrong_code", "This is not the code we sent. Please look again.", 422, tries_left=left)
    may_retry = state.number < rules.codes_per_journey
    retry_at = max(now, state.sent_at + rules.resend_after) if may_retry else None
    return _block(Blocked(**_known(state), reason="tries_used_up", retry_at=retry_at)), _used_up(retry_at)


def _block(blocked: Blocked) -> Result:
    """Stop. A request that is no journey ends here: nobody would close it, and it can be made anew."""
    if blocked.purpose == "revocation":
        return Decision(Closed(), (OtpRejected(reason=blocked.reason, final=True),))
    final = blocked.retry_at is None
    event = OtpRejected(reason=blocked.reason, final=final, retry_at=blocked.retry_at)
    return Decision(blocked, (event,))


def _too_soon(retry_at: datetime) -> Refused:
    return Refused(
        "otp.too_soon", "A code was just sent. Please wait a moment before asking again.", 429, retry_at=retry_at
    )


def _expired() -> Refused:
    return Refused("otp.expired", "This code is too old. Please ask for a new one.", 410)


def _not_sent_yet() -> Refused:
    return Refused("otp.not_sent_yet", "The code is still on its way. Please wait for the SMS.", 409)


def _used_up(retry_at: datetime | None) -> Refused:
    what = "Too many wrong codes. Please ask for a new code."
    if retry_at is None:
        what = "This journey had all its codes. Please start again tomorrow, or go to a service centre."
    return Refused("otp.tries_used_up", what, 429, retry_at=retry_at)


def _stopped(reason: str, retry_at: datetime | None) -> Refused:
    return Refused(f"otp.{reason}", "No code can be checked now. Please try again later.", 429, retry_at=retry_at)
