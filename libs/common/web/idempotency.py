"""``Idempotency-Key`` on requests that create something: sent again, such a request is answered again, not done again.

    @router.post("/v1/journeys", status_code=201, response_model=Started)
    async def start(form: StartForm, once: Annotated[Once, Depends(idempotency.once)]) -> Response:
        return await once(lambda: service.start(once.id, form))

A key belongs to one address and one caller, for 24 hours. The first answer is kept sealed, for it may hold a token.
If a server dies between claiming a key and answering, the next try repeats the action after a minute; that is why
`Once.id`, the identifier to create things under, is the same for every try.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Annotated, Final, Protocol
from uuid import UUID

import structlog
from fastapi import Header, Request
from pydantic import BaseModel
from starlette.responses import Response

from libs.common.core.errors import Refused, Unavailable
from libs.common.core.sealing import Box, Keyring
from libs.common.core.values import Clock, NewId, new_id
from libs.common.web.refusals import HttpRefusal

KEPT_FOR: Final = timedelta(hours=24)
ABANDONED_AFTER: Final = timedelta(minutes=1)
_KEY_CHARS: Final = range(16, 129)  # shorter ones could be guessed, and an answer with them

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class IdempotencyEntry:
    """What is kept under a key.

    Attributes:
        request: keyed hash of the request's body: the same key must mean the same request.
        claim: which try this is; only the try that holds the key may change the entry.
        claimed_at: when that try began.
        expires_at: when the entry may be forgotten; stores purge by it.
        status: the HTTP status answered; None while the request is worked on.
        body: the JSON answered, sealed.
    """

    request: str
    claim: str
    claimed_at: datetime
    expires_at: datetime
    status: int | None = None
    body: Box | None = None


class IdempotencyStore(Protocol):
    """Keeps entries by key. Each call is atomic, also between processes."""

    async def insert(self, key: str, entry: IdempotencyEntry) -> IdempotencyEntry | None:
        """Store the entry if there is none under the key; otherwise give the one that is there."""
        ...

    async def replace(self, key: str, claim: str, entry: IdempotencyEntry) -> bool:
        """Store the entry if the one that is there has this claim; tell whether it had."""
        ...

    async def remove(self, key: str, claim: str) -> None:
        """Forget the entry if it has this claim."""
        ...

    async def forget_expired(self, now: datetime) -> None:
        """Remove what nobody can ask for any more."""
        ...


class Idempotency:
    """Makes a service's creating requests repeatable.

    Args:
        store: where entries are kept.
        keyring: seals answers and hides requests.
        audience: the key that seals answers; one that only this service holds.
        clock: the present moment.
        new_claim: names each try.
    """

    def __init__(
        self, store: IdempotencyStore, keyring: Keyring, audience: str, clock: Clock, new_claim: NewId = new_id
    ) -> None:
        self.store: Final = store
        self.keyring: Final = keyring
        self.audience: Final = audience
        self.clock: Final = clock
        self.new_claim: Final = new_claim

    async def once(self, request: Request, idempotency_key: Annotated[str | None, Header()] = None) -> "Once":
        """Return the request's guard; a dependency.

        Raises:
            Refused: ``idempotency.key_missing`` or ``idempotency.key_malformed``, 400.
        """
        if idempotency_key is None:
            raise Refused(HttpRefusal.KEY_MISSING)
        if len(idempotency_key) not in _KEY_CHARS or not idempotency_key.isascii():
            raise Refused(HttpRefusal.KEY_MALFORMED)
        content = self.keyring.blind("idempotency.body", hashlib.sha256(await request.body()).hexdigest())
        return Once(self, request, idempotency_key, content)

    async def forget_expired(self) -> None:
        """Remove the answers nobody can ask for any more."""
        await self.store.forget_expired(self.clock())


class Once:
    """Guards one request. Made by `Idempotency.once`."""

    def __init__(self, idempotency: Idempotency, request: Request, idempotency_key: str, content: str) -> None:
        self._of = idempotency
        self._http = request
        self._given = idempotency_key
        self._request = content

    @cached_property
    def id(self) -> str:
        """A UUID that is the same whenever this request is tried, and that nobody else can foretell."""
        return str(UUID(hex=self._of.keyring.blind("idempotency.id", f"{self._key}|{self._request}"), version=4))

    @cached_property
    def _key(self) -> str:
        """The key with its address and its caller, who is known once the route's token has been checked."""
        claims = getattr(self._http.state, "claims", None)
        caller = f"{claims.iss}|{claims.sub}" if claims else ""
        scope = f"{self._http.method} {self._http.url.path}|{caller}|{self._given}"
        return self._of.keyring.blind("idempotency.key", scope)

    async def __call__(self, action: Callable[[], Awaitable[BaseModel]], status: int = 201) -> Response:
        """Do the action and answer with what it gives, or answer as the first time.

        An action that raises leaves nothing behind: the key may be used again.

        Raises:
            Refused: ``idempotency.key_reused``, 422, for a key that another request has used;
                ``idempotency.in_progress``, 409, while the first one is worked on. And what the action raises.
        """
        mine = self._entry()
        seen = await self._of.store.insert(self._key, mine)
        if seen is not None and (answer := self._answer(seen)) is not None:
            return answer
        if seen is not None and not await self._of.store.replace(self._key, seen.claim, mine):
            raise _in_progress()
        body = await self._do(action, mine)
        box = self._of.keyring.seal(self._of.audience, body, self._place)
        await self._of.store.replace(self._key, mine.claim, replace(mine, status=status, body=box))
        return _response(body, status)

    async def _do(self, action: Callable[[], Awaitable[BaseModel]], mine: IdempotencyEntry) -> bytes:
        try:
            return (await action()).model_dump_json().encode()
        except BaseException:
            try:
                await self._of.store.remove(self._key, mine.claim)
            except Unavailable as error:
                log.warning("idempotency.key_left_claimed", reason=str(error), free_after=str(ABANDONED_AFTER))
            raise

    def _entry(self) -> IdempotencyEntry:
        now = self._of.clock()
        return IdempotencyEntry(self._request, self._of.new_claim(), now, now + KEPT_FOR)

    def _answer(self, seen: IdempotencyEntry) -> Response | None:
        """Answer from what was seen under the key; None if the key is free to be taken."""
        now = self._of.clock()
        if seen.expires_at <= now:
            return None
        if seen.request != self._request:
            raise Refused(HttpRefusal.KEY_REUSED)
        if seen.status is not None and seen.body is not None:
            return _response(self._of.keyring.open(seen.body, self._place), seen.status)
        if seen.claimed_at > now - ABANDONED_AFTER:
            raise _in_progress()
        return None

    @property
    def _place(self) -> str:
        return f"idempotency|{self._key}"


def _response(body: bytes, status: int) -> Response:
    return Response(body, status, media_type="application/json")


def _in_progress() -> Refused:
    return Refused(HttpRefusal.IN_PROGRESS)
