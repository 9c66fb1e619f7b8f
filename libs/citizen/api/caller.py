"""One HTTP request that survives a service which is being restarted."""

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final, TypedDict, Unpack

import httpx

from libs.citizen.errors import ProblemError, Unreachable
from libs.common.core.values import NewId, new_id

_COME_BACK: Final = frozenset(
    {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT},
)
_PASSING: Final = frozenset({"idempotency.in_progress", "upload.wrong_offset"})
_MEMBERS: Final = frozenset({"type", "title", "status", "detail", "instance", "key"})


@dataclass(frozen=True)
class Patience:
    """How long to go on trying, in seconds: over all tries, before the first repetition, between two at most."""

    total: float = 120.0
    first: float = 0.2
    longest: float = 5.0

    def pause(self, attempt: int, luck: float) -> float:
        """Return the pause after try number `attempt` (from 0), spread by `luck` in [0, 1).

        It doubles with each try. The spread keeps a thousand waiting clients from coming back in one moment.
        """
        return min(self.longest, self.first * 2.0 ** min(attempt, 30)) * (0.5 + luck / 2)


DEFAULT_PATIENCE: Final = Patience()


class Content(TypedDict, total=False):
    """What a request carries: who asks, and a body as JSON or as bytes."""

    token: str
    json: object
    content: bytes
    headers: Mapping[str, str]
    params: Mapping[str, str]


@dataclass(frozen=True)
class Caller:
    """Sends requests to one service and repeats them while it is away.

    A connection that breaks, the answers 502, 503 and 504, and the news that an earlier try is still worked on are met
    with the same request again, under the same Idempotency-Key, no sooner than Retry-After asks for. Any other answer
    is final.
    """

    http: httpx.AsyncClient
    base_url: str
    patience: Patience = DEFAULT_PATIENCE
    new_id: NewId = new_id
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    luck: Callable[[], float] = field(default=random.random)
    elapsed: Callable[[], float] = field(default=time.monotonic)

    async def send(
        self, method: str, path: str, *, idempotency_key: str | None = None, **content: Unpack[Content]
    ) -> httpx.Response:
        """Send one request and return its answer, with status 2xx. A redirect is a refusal: it leads the token away.

        Every POST carries an Idempotency-Key: the given one, or a fresh one for this call.

        Raises:
            ProblemError: the service refused.
            Unreachable: it gave no answer while our patience lasted.
        """
        if method == "POST":
            key = {"Idempotency-Key": idempotency_key or self.new_id()}
            content = {**content, "headers": {**content.get("headers", {}), **key}}
        request = self.request(method, path, **content)

        async def same(_attempt: int) -> httpx.Request:
            return request

        return await self.send_each(same)

    def request(self, method: str, path: str, **content: Unpack[Content]) -> httpx.Request:
        """Make a request for `send_each`."""
        token = content.get("token")
        own = {} if token is None else {"Authorization": f"Bearer {token}"}
        return self.http.build_request(
            method,
            self.base_url.rstrip("/") + path,
            headers={**content.get("headers", {}), **own},
            json=content.get("json"),
            content=content.get("content"),
            params=content.get("params"),
        )

    async def send_each(self, request_for: Callable[[int], Awaitable[httpx.Request]]) -> httpx.Response:
        """Send what ``request_for`` gives for each try, counted from 0, until one is answered; see `send`.

        For requests that go on where the one before broke off.
        """
        answer = await self._persist(request_for)
        if not answer.is_success:
            raise _problem(answer)
        return answer

    async def _persist(self, request_for: Callable[[int], Awaitable[httpx.Request]]) -> httpx.Response:
        deadline = self.elapsed() + self.patience.total
        attempt = 0
        while True:
            answer, error = await self._try(await request_for(attempt))
            if answer is not None and not _asks_to_come_back(answer):
                return answer
            asked = _retry_after(answer, datetime.now(UTC)) if answer is not None else 0.0
            pause = max(asked, self.patience.pause(attempt, self.luck()))
            if self.elapsed() + pause > deadline:
                raise self._unreachable(answer, error) from error
            await self.sleep(pause)
            attempt += 1

    async def _try(self, request: httpx.Request) -> tuple[httpx.Response | None, httpx.TransportError | None]:
        try:
            return await self.http.send(request), None
        except httpx.TransportError as error:
            return None, error

    def _unreachable(self, answer: httpx.Response | None, error: httpx.TransportError | None) -> Unreachable:
        seen = str(answer.status_code) if answer is not None else type(error).__name__
        seconds = round(self.patience.total)
        return Unreachable("service.unreachable", address=self.base_url, seen=seen, seconds=seconds)


def _asks_to_come_back(answer: httpx.Response) -> bool:
    """Return whether the same request may be answered later.

    A service that died at work leaves the Idempotency-Key claimed for a while: the next try has to wait that out. And
    of an upload that was cut off, more may arrive than its sender thought: the next try asks where it stands.
    """
    if answer.status_code == HTTPStatus.CONFLICT:
        return _problem(answer).key in _PASSING
    return answer.status_code in _COME_BACK


def _retry_after(answer: httpx.Response, now: datetime) -> float:
    """Read Retry-After (RFC 9110, 10.2.3), seconds or a date, as seconds from `now`; 0 where it says nothing."""
    text = answer.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - now).total_seconds())
    except (TypeError, ValueError):  # not a date, or one without a zone: an unreadable wish is no wish
        return 0.0


def _problem(answer: httpx.Response) -> ProblemError:
    """Read a problem document; a refusal without one (a proxy's page) gets the key ``http.<status>``."""
    try:
        document = answer.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        document = None
    if not isinstance(document, dict) or not isinstance(document.get("key"), str):
        return ProblemError(f"http.{answer.status_code}", answer.status_code)
    title, detail = (str(document.get(part) or "") for part in ("title", "detail"))
    extras = {name: value for name, value in document.items() if name not in _MEMBERS}
    return ProblemError(document["key"], answer.status_code, title, detail, extras)
