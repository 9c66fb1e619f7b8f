"""What identity knows of a journey. Facts come in any order; the step a journey is at is derived from them."""

from datetime import date, datetime, timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from libs.common.contracts.ca import EntityRole, Profile
from libs.common.contracts.identity import Outcome, Purpose
from libs.common.contracts.people import Contact, Person
from libs.common.core.sealing import Personal, Sealed
from libs.common.core.values import PhoneNumber


class Rules(BaseModel):
    """How long things may take.

    Attributes:
        journey: the whole way.
        identification: from `otp.verified`, or from the end of a clerk's time, to a matched face.
        choosing_pin: from `face.matched` to a Digital ID.
        enrolment: from `digital_id.created` to both certificates.
        grace: from noticing that a deadline passed to closing the journey, for facts that are on their way.
        mcb_longest_pause: between two tries to reach the Mobile Citizens Base.
    """

    model_config = ConfigDict(frozen=True)

    journey: timedelta = timedelta(days=7)
    identification: timedelta = timedelta(minutes=30)
    choosing_pin: timedelta = timedelta(hours=24)
    enrolment: timedelta = timedelta(hours=24)
    grace: timedelta = timedelta(minutes=1)
    mcb_longest_pause: timedelta = timedelta(minutes=10)


class Frozen(BaseModel):
    """Base of what is stored."""

    model_config = ConfigDict(frozen=True)


class Resident(Personal):
    """Somebody the population register knows."""

    audience: ClassVar[str] = "person"

    person: Person
    birth_date: date


class Pair(Personal):
    """A person and a phone that belong together."""

    audience: ClassVar[str] = "contact"

    iin: str
    phone: PhoneNumber


Detail = dict[str, str | int]
"""Particulars of a line, by name; nothing personal."""


class Entry(Frozen):
    """One line of what the citizen is shown: when it came to be, a text key, particulars."""

    at: datetime
    key: str
    detail: Detail = {}


class Certificate(Frozen):
    """A certificate as the cabinet lists it. ``serial`` is lower-case hexadecimal.

    ``acts_for``: the role in which the citizen signs for a legal entity with it; None for a personal one.
    """

    serial: str
    profile: Profile
    not_after: datetime
    acts_for: EntityRole | None = None


class Hint(Frozen):
    """What to do better, as text keys, since the fact of this time."""

    at: datetime
    keys: tuple[str, ...]
    tries_left: int | None = None


class Review(Frozen):
    """A clerk was asked, at ``at``, to judge until ``due_at``."""

    at: datetime
    due_at: datetime


class DigitalId(Frozen):
    """The journey's Digital ID."""

    citizen_id: str
    created_at: datetime


class Noticed(Frozen):
    """A deadline was seen, at ``at``, to have passed."""

    deadline: datetime
    at: datetime


class McbKnown(Frozen):
    """The Mobile Citizens Base holds the pair."""

    kind: Literal["known"] = "known"


class McbLacking(Frozen):
    """The Mobile Citizens Base lacks the pair, and nobody has proven yet that it should hold it."""

    kind: Literal["lacking"] = "lacking"


class McbWanted(Frozen):
    """The pair was proven and is to be registered, the next try being at ``next_at``."""

    kind: Literal["wanted"] = "wanted"
    pair: Sealed[Pair]
    person_ref: str
    phone_ref: str
    tries: int = 0
    next_at: datetime


class McbRefused(Frozen):
    """The Mobile Citizens Base will not take the pair."""

    kind: Literal["refused"] = "refused"


Mcb = Annotated[McbKnown | McbLacking | McbWanted | McbRefused, Field(discriminator="kind")]


class _Journey(Frozen):
    started_at: datetime
    expires_at: datetime
    mcb: Mcb
    certificates: tuple[Certificate, ...] = ()
    revoked: tuple[str, ...] = ()
    timeline: tuple[Entry, ...] = ()


class Open(_Journey):
    """A journey under way.

    Attributes:
        purpose: a renewal rests on a Digital ID that was there before, and asks for no face.
        hint: from the last refusal of a code or a face.
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
    review: Review | None = None
    digital_id: DigitalId | None = None
    noticed: Noticed | None = None


class Closed(_Journey):
    """A journey that ended. Nothing personal is left of it, but a pair that the Mobile Citizens Base still lacks."""

    kind: Literal["closed"] = "closed"
    outcome: Outcome
    reason: str
    citizen_id: str | None


JourneyState = Open | Closed
Journey = Annotated[Open | Closed, Field(discriminator="kind")]
