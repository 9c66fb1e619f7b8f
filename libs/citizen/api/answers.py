"""How the answers of services are read, and what is uploaded to them."""

from dataclasses import dataclass
from typing import TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from libs.citizen.errors import AnswerUnusable

T = TypeVar("T")


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
        # pydantic's own text would quote the answer, which may hold personal data
        raise AnswerUnusable("answer.not_understood", path=answer.request.url.path, places=places) from None
