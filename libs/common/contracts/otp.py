"""Facts that otp tells: codes sent, proven, refused."""

from datetime import datetime
from typing import ClassVar, Literal

from libs.common.contracts.events import Event


class OtpSent(Event):
    """The gateway took an SMS with a code. ``number`` counts the codes of this journey from 1."""

    topic: ClassVar[str] = "otp.sent"

    number: int
    expires_at: datetime


class OtpVerified(Event):
    """The right code came in time: the person holds the phone."""

    topic: ClassVar[str] = "otp.verified"

    phone_ref: str


class OtpRejected(Event):
    """No code can prove the phone now. Not final: a new code may be asked for after ``retry_at``."""

    topic: ClassVar[str] = "otp.rejected"

    reason: Literal["tries_used_up", "expired", "undeliverable", "frozen"]
    final: bool
    retry_at: datetime | None = None


class OtpConfirmed(Event):
    """The right code came in time for something asked for outside a journey: its subject is that request."""

    topic: ClassVar[str] = "otp.confirmed"

    phone_ref: str
