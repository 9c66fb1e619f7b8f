"""The Mobile Citizens Base, which knows whose phone a phone is: the operator's over HTTP, or one for development."""

from collections.abc import Iterable
from typing import Annotated, Final, Protocol

import httpx
from pydantic import BeforeValidator, ConfigDict, ValidationError

from libs.common.core.errors import Permanent, Unavailable
from libs.common.core.model import Model
from libs.common.core.sealing import Keyring
from libs.common.core.values import none_if_empty
from libs.common.delivery.aggregates import Aggregates
from libs.common.delivery.decisions import Decision
from services.identity.mcb.states import PhoneOwner, PhonePair
from services.identity.register.people import RegisterRecord


class PairRefused(Permanent):
    """The Mobile Citizens Base will not take this pair, for instance because the number has another owner."""


class MobileCitizensBase(Protocol):
    """Pairs of persons and phones; a phone has one owner."""

    async def holds(self, pair: PhonePair) -> bool:
        """Return whether the phone is registered for the person.

        Raises:
            Unavailable: the base does not answer.
        """
        ...

    async def register(self, pair: PhonePair, request_id: str) -> None:
        """Register the phone for the person; the same ``request_id`` again changes nothing.

        Raises:
            PairRefused: it will never take this pair.
            Unavailable: the base does not answer; ask again under the same ``request_id``.
        """
        ...


def _no_if_empty(registered: object) -> object:
    """Return False for null or empty text, which registers write for what there is not."""
    return none_if_empty(registered) is not None and registered


class _Held(Model):
    model_config = ConfigDict(hide_input_in_errors=True)

    registered: Annotated[bool, BeforeValidator(_no_if_empty)]


_LATER: Final = frozenset({408, 409, 425, 429})


class HttpMcb:
    """A base behind a gateway that takes JSON over HTTP.

    ``POST /lookup {"iin", "phone"}`` answers 200 ``{"registered": bool}``. ``POST /registrations {"iin", "phone"}``
    honours ``Idempotency-Key`` and answers 2xx for taken, 4xx (but 408, 409, 425, 429) for refused, anything else for
    later.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def holds(self, pair: PhonePair) -> bool:
        """Ask for a pair; see `MobileCitizensBase`."""
        answer = await self._post("lookup", pair)
        if not answer.is_success:
            raise Unavailable(f"the Mobile Citizens Base answered with status {answer.status_code}")
        try:
            return _Held.model_validate_json(answer.content).registered
        except ValidationError:
            raise Unavailable("the answer of the Mobile Citizens Base cannot be understood") from None

    async def register(self, pair: PhonePair, request_id: str) -> None:
        """Register a pair; see `MobileCitizensBase`."""
        answer = await self._post("registrations", pair, {"Idempotency-Key": request_id})
        if answer.is_client_error and answer.status_code not in _LATER:
            raise PairRefused(f"the Mobile Citizens Base refused with status {answer.status_code}")
        if not answer.is_success:
            raise Unavailable(f"the Mobile Citizens Base answered with status {answer.status_code}")

    async def _post(self, path: str, pair: PhonePair, headers: dict[str, str] | None = None) -> httpx.Response:
        try:
            return await self._client.post(path, json={"iin": pair.iin, "phone": pair.phone}, headers=headers)
        except httpx.HTTPError as error:
            raise Unavailable(f"the Mobile Citizens Base does not answer: {type(error).__name__}") from None


class DevelopmentMcb:
    """A base that lives in the service's own store, beginning with the phones of the invented people."""

    def __init__(self, owners: Aggregates[PhoneOwner], keyring: Keyring, people: Iterable[RegisterRecord]) -> None:
        self._owners = owners
        self._keyring = keyring
        self._first_owners = {phone: record.iin for record in people for phone in record.phones}

    async def holds(self, pair: PhonePair) -> bool:
        """Ask for a pair; see `MobileCitizensBase`."""
        owner = await self._owners.get(self._keyring.blind("phone", pair.phone))
        if owner is not None:
            return owner.person_ref == self._keyring.blind("person", pair.iin)
        return self._first_owners.get(pair.phone) == pair.iin

    async def register(self, pair: PhonePair, request_id: str) -> None:  # noqa: ARG002 - writing the same owner twice changes nothing
        """Register a pair; see `MobileCitizensBase`. Whoever holds the phone now is its owner from now on."""
        owner = PhoneOwner(person_ref=self._keyring.blind("person", pair.iin))
        await self._owners.apply(
            self._keyring.blind("phone", pair.phone),
            lambda present: None if present == owner else Decision(owner),
        )
