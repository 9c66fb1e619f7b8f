"""What is known of a pair of person and phone."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from libs.common.core.model import Model
from libs.common.core.sealing import Personal, Sealed
from libs.common.core.values import E164Phone


class PhonePair(Personal):
    """A person and a phone that belong together."""

    audience: ClassVar[str] = "contact"

    iin: str
    phone: E164Phone


class PhoneOwner(Model):
    """Whose phone it is, by the pseudonyms of phone and person."""

    person_ref: str


class McbKnown(Model):
    """The Mobile Citizens Base holds the pair."""

    kind: Literal["known"] = "known"


class McbLacking(Model):
    """The Mobile Citizens Base lacks the pair, and nobody has proven yet that it should hold it."""

    kind: Literal["lacking"] = "lacking"


class McbWanted(Model):
    """The pair was proven and is to be registered; the next try is at ``next_at``."""

    kind: Literal["wanted"] = "wanted"
    pair: Sealed[PhonePair]
    person_ref: str
    phone_ref: str
    tries: int = 0
    next_at: datetime


class McbRefused(Model):
    """The Mobile Citizens Base will not take the pair."""

    kind: Literal["refused"] = "refused"


McbState = Annotated[McbKnown | McbLacking | McbWanted | McbRefused, Field(discriminator="kind")]
