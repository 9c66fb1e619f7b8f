"""Handing an SMS to a gateway: the operator's over HTTP, or an inbox that only developers can read."""

from datetime import datetime
from typing import ClassVar, Final, Protocol

import httpx

from libs.common.core.errors import Permanent, Retryable
from libs.common.core.model import Model
from libs.common.core.sealing import Personal, Sealed
from libs.common.core.values import Clock
from libs.common.delivery.aggregates import Aggregates
from libs.common.delivery.decisions import Decision
from libs.common.texts.languages import Language
from services.otp.domain import CodePurpose
from services.otp.problems import TEXTS


class Undeliverable(Permanent):
    """The gateway will never deliver to this number."""


def sms_text(digits: str, purpose: CodePurpose = "eds") -> str:
    """Return the SMS, in Kazakh and Russian. It names the action: people were robbed of codes of unknown purpose."""
    kazakh, russian = (TEXTS.text(f"sms.{purpose}", each) for each in (Language.KAZAKH, Language.RUSSIAN))
    return f"{digits}: {kazakh} {russian}"


class SmsGateway(Protocol):
    """Takes text messages for delivery."""

    async def send(self, journey_id: str, phone: str, text: str, sms_id: str) -> None:
        """Return when the gateway has taken the message; taking one ``sms_id`` twice delivers it once.

        Raises:
            Undeliverable: this number cannot be reached.
            Retryable: the gateway is busy or away.
        """
        ...


class HttpGateway:
    """An operator's gateway that takes JSON over HTTP and honours ``Idempotency-Key``.

    Answers 2xx for taken, 400, 410, 413 or 422 for undeliverable, anything else for later: whether the address or our
    token is wrong, or the gateway overloaded, says nothing about the phone.

    Args:
        url: where messages are posted, used exactly as given.
        sender: the number that citizens see.
    """

    def __init__(self, client: httpx.AsyncClient, url: str, sender: str) -> None:
        self._client = client
        self._url = url
        self._sender = sender

    async def send(self, journey_id: str, phone: str, text: str, sms_id: str) -> None:  # noqa: ARG002 - the gateway must not learn the journey
        """Hand the message over; see `SmsGateway`."""
        body = {"from": self._sender, "to": phone, "text": text}
        try:
            answer = await self._client.post(self._url, json=body, headers={"Idempotency-Key": sms_id})
        except httpx.HTTPError as error:
            raise Retryable(f"the SMS gateway does not answer: {type(error).__name__}") from None
        if answer.is_success:
            return
        if answer.status_code in _UNDELIVERABLE:
            raise Undeliverable(f"the SMS gateway refused with status {answer.status_code}")
        raise Retryable(f"the SMS gateway answered with status {answer.status_code}")


_UNDELIVERABLE: Final = frozenset({400, 410, 413, 422})


class DevelopmentSms(Personal):
    """A message that went to the developers' inbox."""

    audience: ClassVar[str] = "contact"

    sms_id: str
    at: datetime
    text: str


class DevelopmentMessages(Model):
    """The messages of one journey."""

    messages: tuple[Sealed[DevelopmentSms], ...] = ()


class DevelopmentInbox:
    """A gateway that keeps messages for developers to read. Only the development and bench profiles have one."""

    def __init__(self, inboxes: Aggregates[DevelopmentMessages], clock: Clock) -> None:
        self._inboxes = inboxes
        self._clock = clock

    async def send(self, journey_id: str, phone: str, text: str, sms_id: str) -> None:  # noqa: ARG002 - the journey's inbox is its phone
        """Keep the message; see `SmsGateway`."""
        message = DevelopmentSms(sms_id=sms_id, at=self._clock(), text=text)
        await self._inboxes.apply(journey_id, lambda inbox: _with(inbox, message))

    async def read(self, journey_id: str) -> list[DevelopmentSms]:
        """Return the messages of a journey, oldest first."""
        inbox = await self._inboxes.get(journey_id)
        return [] if inbox is None else [message.value for message in inbox.messages]


def _with(inbox: DevelopmentMessages | None, message: DevelopmentSms) -> Decision[DevelopmentMessages] | None:
    messages = () if inbox is None else inbox.messages
    if any(each.value.sms_id == message.sms_id for each in messages):
        return None
    return Decision(DevelopmentMessages(messages=(*messages, Sealed(message))))
