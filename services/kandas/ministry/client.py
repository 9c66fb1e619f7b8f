"""The information system of the ministry of labour: what it knows against a person's application.

A check carries an idempotency key, for it is made again when a crash hid its answer.
"""

from collections.abc import Sequence
from typing import Annotated, Final, Protocol

import httpx
from pydantic import BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError

from libs.common.contracts.kandas import CheckAnswer, RefusalGround, Service
from libs.common.core.errors import Retryable
from libs.common.core.values import none_if_empty
from services.kandas.application.states import Candidate

MAX_ANSWER_BYTES: Final = 1024 * 1024


class MinistryAway(Retryable):
    """The ministry's system does not answer, or not with an answer. Asked again later."""


class MinistrySystem(Protocol):
    """Checks people against the state's records."""

    async def check(
        self, service: Service, persons: Sequence[Candidate], idempotency_key: str
    ) -> tuple[CheckAnswer, ...]:
        """Ask about each person, and return one answer a person.

        Raises:
            MinistryAway: no usable answer now.
        """
        ...


class HttpMinistry:
    """The system behind an HTTP interface: ``POST <base>/checks`` with JSON, honouring ``Idempotency-Key``.

    Asks ``{"service", "persons": [{"person", "role", …form}]}``; is answered ``[{"person", "clear", "reasons"}]``.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def check(
        self, service: Service, persons: Sequence[Candidate], idempotency_key: str
    ) -> tuple[CheckAnswer, ...]:
        """Ask; see `MinistrySystem`."""
        asked = [
            {"person": person.id, "role": person.role, **person.form.value.model_dump(mode="json", exclude_none=True)}
            for person in persons
        ]
        body = {"service": service, "persons": asked}
        try:
            answer = await self._client.post("checks", json=body, headers={"Idempotency-Key": idempotency_key})
        except httpx.HTTPError as error:
            raise MinistryAway(f"the ministry's system does not answer: {type(error).__name__}") from None
        if not answer.is_success or len(answer.content) > MAX_ANSWER_BYTES:
            raise MinistryAway(f"the ministry's system answered with status {answer.status_code}")
        return _answers(answer.content, persons)


class DevelopmentMinistry:
    """Stands in for the system where there is none. The end of a document number says what it answers.

    ``…-0001``: already a citizen. ``…-0002``: nationality not shown. ``…-0003``: false data. Else: no obstacle.
    """

    _FOUND: Final = {
        "-0001": RefusalGround.ALREADY_CITIZEN,
        "-0002": RefusalGround.NOT_ETHNIC_KAZAKH,
        "-0003": RefusalGround.FALSE_DATA,
    }

    async def check(
        self,
        service: Service,  # noqa: ARG002 - the stand-in knows no services
        persons: Sequence[Candidate],
        idempotency_key: str,  # noqa: ARG002 - it answers the same however often it is asked
    ) -> tuple[CheckAnswer, ...]:
        """Answer; see `MinistrySystem`."""
        found = [(person.id, self._FOUND.get(person.form.value.document_number[-5:])) for person in persons]
        return tuple(
            CheckAnswer(person=person, clear=reason is None, reasons=(str(reason),) if reason else ())
            for person, reason in found
        )


def _given(reasons: object) -> object:
    """Leave out empty texts, which registers write for "none"."""
    if none_if_empty(reasons) is None:
        return ()
    return [each for each in reasons if none_if_empty(each) is not None] if isinstance(reasons, list) else reasons


class _Answer(BaseModel):
    """An answer as it is read: only grounds that the rules know are taken over."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    person: str
    clear: bool
    reasons: Annotated[tuple[RefusalGround, ...], BeforeValidator(_given)] = ()


_READ: Final = TypeAdapter(tuple[_Answer, ...])


def _answers(content: bytes, persons: Sequence[Candidate]) -> tuple[CheckAnswer, ...]:
    try:
        answers = _READ.validate_json(content)
    except ValidationError as error:
        raise MinistryAway(f"the ministry's answer has {error.error_count()} fields that cannot be read") from None
    if sorted(answer.person for answer in answers) != sorted(person.id for person in persons):
        raise MinistryAway("the ministry's answer is not about every person once")
    return tuple(
        CheckAnswer(person=answer.person, clear=answer.clear, reasons=tuple(map(str, answer.reasons)))
        for answer in answers
    )
