"""What is stored of a journey. Facts come in any order; the step a journey is at is derived from them (`progress`)."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field

from libs.common.contracts.identity import Outcome, Purpose
from libs.common.contracts.people import Contact
from libs.common.core.model import Model
from libs.common.core.sealing import Sealed
from services.identity.accounts.certificates import CertificateList
from services.identity.mcb.states import McbState
from services.identity.register.people import Resident


class JourneyRules(Model):
    """How long things may take. A journey keeps the rules that it began under.

    Attributes:
        journey: the whole way.
        identification: from `otp.verified`, or from the end of a clerk's time, to a matched face.
        choosing_pin: from `face.matched` to a Digital ID.
        enrolment: from `digital_id.created` to both certificates.
        grace: from noticing that a deadline passed to closing the journey, for facts that are on their way.
        mcb_longest_pause: between two tries to reach the Mobile Citizens Base.
    """

    journey: timedelta = timedelta(days=7)
    identification: timedelta = timedelta(minutes=30)
    choosing_pin: timedelta = timedelta(hours=24)
    enrolment: timedelta = timedelta(hours=24)
    grace: timedelta = timedelta(minutes=1)
    mcb_longest_pause: timedelta = timedelta(minutes=10)


class JourneyMilestone(Model):
    """Something that happened, by its text key. ``detail`` holds particulars by name, nothing personal."""

    at: datetime
    key: str
    detail: dict[str, str | int] = Field(default_factory=dict)


class Hint(Model):
    """What to do better, as text keys, since the fact of this time."""

    at: datetime
    keys: tuple[str, ...]
    tries_left: int | None = None


class ClerkReview(Model):
    """A clerk was asked, at ``at``, to judge until ``due_at``."""

    at: datetime
    due_at: datetime


class DigitalId(Model):
    """The journey's Digital ID."""

    citizen_id: str
    created_at: datetime


class PassedDeadline(Model):
    """A deadline was seen, at ``at``, to have passed."""

    deadline: datetime
    at: datetime


class _Journey(Model):
    started_at: datetime
    expires_at: datetime
    rules: JourneyRules
    mcb: McbState
    certificates: CertificateList = CertificateList()
    timeline: tuple[JourneyMilestone, ...] = ()


class OpenJourney(_Journey):
    """A journey under way.

    Attributes:
        purpose: a renewal rests on a Digital ID that was there before, and asks for no face.
        code_hint: from the last refusal of a code; `face_hint` and `request_hint` likewise.
        noticed: the deadline that was seen to have passed, while facts on their way may still save the journey.
    """

    kind: Literal["open"] = "open"
    purpose: Purpose = "enrolment"
    resident: Sealed[Resident]
    contact: Sealed[Contact]
    person_ref: str
    phone_ref: str
    phone_proven_at: datetime | None = None
    face_matched_at: datetime | None = None
    code_hint: Hint | None = None
    face_hint: Hint | None = None
    request_hint: Hint | None = None
    review: ClerkReview | None = None
    digital_id: DigitalId | None = None
    noticed: PassedDeadline | None = None


class ClosedJourney(_Journey):
    """A journey that ended. Nothing personal is left of it, but a pair that the Mobile Citizens Base still lacks."""

    kind: Literal["closed"] = "closed"
    outcome: Outcome
    reason: str
    citizen_id: str | None


JourneyState = OpenJourney | ClosedJourney
JourneySchema = Annotated[JourneyState, Field(discriminator="kind")]
