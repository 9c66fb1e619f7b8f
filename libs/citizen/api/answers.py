"""What the answers of all services have in common.

Unknown members are ignored, so that a service may grow before its clients do.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, TypeVar

import httpx
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from libs.citizen.errors import AnswerUnusable

T = TypeVar("T")


Secret = Annotated[str, Field(repr=False)]
"""A token: usable as text, absent from what a traceback or a log shows of its model."""


PlainName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
"""A name given by a service that becomes part of a file's name here: nothing that could lead out of a folder."""


class Answer(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class TimelineEntry(Answer):
    """Something that happened, by its text key."""

    at: datetime
    key: str
    detail: dict[str, object] = {}


class Form(BaseModel):
    """Base of what is sent: a mistyped field name is an error at once."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class Upload:
    """Bytes to send, with their media type (such as ``image/jpeg``)."""

    data: bytes
    media_type: str


def understood(kind: type[T], answer: httpx.Response) -> T:
    """Read an answer.

    Raises:
        AnswerUnusable: ``answer.not_understood``: it has another form.
    """
    try:
        return TypeAdapter(kind).validate_json(answer.content)
    except ValidationError as error:
        places = ", ".join(sorted({".".join(map(str, item["loc"])) or "body" for item in error.errors()}))
        raise AnswerUnusable(
            "answer.not_understood",
            f"The service answered {answer.request.url.path} in a form this program does not understand ({places}). "
            "Most likely one of the two is too old: update this program and repeat the command.",
        ) from None  # pydantic's own text would quote the answer, which may hold personal data
