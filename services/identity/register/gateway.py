"""The population register: the operator's over HTTP, or invented people for development."""

from collections.abc import Iterable
from typing import Protocol

import httpx
from pydantic import ValidationError

from libs.common.core.errors import Unavailable
from services.identity.register.people import RegisterRecord, Resident


class PopulationRegister(Protocol):
    """Knows who there is."""

    async def find(self, iin: str) -> Resident | None:
        """Return the person with this IIN, or None if the register has no such person.

        Raises:
            Unavailable: the register does not answer, or not in the form agreed.
        """
        ...


class HttpRegister:
    """A register behind a gateway that takes ``{"iin"}`` by POST, so that no IIN stands in a URL.

    It answers 200 with a `RegisterRecord`, or 404 for an IIN it does not know.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def find(self, iin: str) -> Resident | None:
        """Find somebody; see `PopulationRegister`."""
        try:
            answer = await self._client.post("", json={"iin": iin})
        except httpx.HTTPError as error:
            raise Unavailable(f"the population register does not answer: {type(error).__name__}") from None
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        if not answer.is_success:
            raise Unavailable(f"the population register answered with status {answer.status_code}")
        return _read(answer.content, iin)


class DevelopmentRegister:
    """A register of invented people from a file: a JSON list of `RegisterRecord`."""

    def __init__(self, people: Iterable[RegisterRecord]) -> None:
        self._residents = {record.iin: record.resident() for record in people}

    async def find(self, iin: str) -> Resident | None:
        """Find somebody; see `PopulationRegister`."""
        return self._residents.get(iin)


def _read(content: bytes, iin: str) -> Resident:
    try:
        record = RegisterRecord.model_validate_json(content)
    except ValidationError as error:
        places = ", ".join(".".join(map(str, each["loc"])) or "name" for each in error.errors(include_input=False))
        raise Unavailable(f"the population register's answer cannot be understood: {places}") from None
    if record.iin != iin:
        raise Unavailable("the population register answered about somebody else")
    return record.resident()
