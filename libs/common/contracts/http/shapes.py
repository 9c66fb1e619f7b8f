"""What the requests and answers of all services have in common."""

from datetime import datetime
from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from libs.common.core.model import Model

Secret = Annotated[str, Field(repr=False)]
"""A token: usable as text, absent from what a traceback or a log shows of its model."""

PlainName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
"""A name that may become part of a file's name: nothing in it leads out of a folder."""


class Answer(Model):
    """Base of all answers. Unknown members are ignored, so that a service may grow before its clients do."""

    model_config = ConfigDict(extra="ignore")


class Form(Model):
    """Base of what is sent: a mistyped field name is an error at once."""

    model_config = ConfigDict(extra="forbid")


class TimelineEntry(Answer):
    """Something that happened, by its text key, with particulars free of personal data.

    ``text`` says it in the reader's language, and may name persons; a service that leaves it out has said all by key.
    """

    at: datetime
    key: str
    detail: dict[str, object] = Field(default_factory=dict)
    text: str = Field(default="", repr=False)
