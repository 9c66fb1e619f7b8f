"""A creating request, sent again: answered again and not done again."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Depends, Header, Request
from pydantic import BaseModel
from starlette.responses import Response

from libs.common.core.errors import Refused, Retryable, Unavailable
from libs.common.core.health import Health
from libs.common.core.metrics import Metrics
from libs.common.core.sealing import Keyring
from libs.common.testing.idempotency import MemoryIdempotencyStore
from libs.common.web.http import create_app
from libs.common.web.idempotency import ABANDONED_AFTER, KEPT_FOR, Idempotency, IdempotencyEntry, Once
from libs.common.web.tokens import Claims
from tests.unit.common.refusals import PROBLEMS, TEXTS, ExampleRefusal

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
KEY, OTHER_KEY = "0b7f9a52-0b53-4b0e-9d5d-1f6b7a1c2d3e", "5a1f9a52-0b53-4b0e-9d5d-1f6b7a1c2d3e"
FORM = {"iin": "900101300017"}


class Started(BaseModel):
    id: str
    token: str


class Form(BaseModel):
    iin: str


class Service:
    """Creates things, and can be held up or made to fail in the middle of it."""

    def __init__(self) -> None:
        self.now = NOON
        self.created: list[str] = []
        self.error: BaseException | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.entered = asyncio.Event()

    async def start(self, wanted: str) -> Started:
        self.entered.set()
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.created.append(wanted)
        return Started(id=wanted, token=f"token-{len(self.created)}")


async def caller(request: Request, x_caller: Annotated[str | None, Header()] = None) -> None:
    """Stand in for the check of a token, which leaves the claims with the request."""
    if x_caller:
        request.state.claims = Claims(iss="identity", sub=x_caller, role="journey", iat=NOON, exp=NOON)


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def store() -> MemoryIdempotencyStore:
    return MemoryIdempotencyStore()


@pytest.fixture
async def client(service: Service, store: MemoryIdempotencyStore) -> AsyncIterator[httpx.AsyncClient]:
    keyring = Keyring({"identity": {"1": os.urandom(32)}}, os.urandom(32))
    idempotency = Idempotency(store, keyring, "identity", lambda: service.now)
    router = APIRouter()

    # The guard stands before the token here: it must not matter.
    @router.post("/v1/{place}", status_code=201, response_model=Started)
    async def start(
        place: str,
        form: Form,
        once: Annotated[Once, Depends(idempotency.once)],
        _caller: Annotated[None, Depends(caller)],
    ) -> Response:
        assert place
        assert form.iin
        return await once(lambda: service.start(once.id))

    app = create_app("Test", metrics=Metrics("test"), health=Health(), routers=[router], problems=PROBLEMS, texts=TEXTS)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
        yield client


async def post(client: httpx.AsyncClient, key: str | None = KEY, form: Any = None, **options: Any) -> httpx.Response:
    headers = ({"idempotency-key": key} if key is not None else {}) | options.pop("headers", {})
    return await client.post(options.get("path", "/v1/things"), json=form or FORM, headers=headers)


async def test_the_same_request_is_done_once_and_answered_alike_each_time(
    client: httpx.AsyncClient, service: Service
) -> None:
    answers = [await post(client) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201] * 3
    assert len({answer.text for answer in answers}) == 1
    assert answers[0].json() == {"id": service.created[0], "token": "token-1"}
    assert len(service.created) == 1


async def test_another_key_another_address_or_another_caller_is_another_request(
    client: httpx.AsyncClient, service: Service
) -> None:
    answers = [
        await post(client),
        await post(client, OTHER_KEY),
        await post(client, path="/v1/others"),
        await post(client, headers={"x-caller": "a"}),
        await post(client, headers={"x-caller": "b"}),
    ]
    assert [answer.status_code for answer in answers] == [201] * 5
    assert len(set(service.created)) == 5


async def test_the_same_key_for_another_request_is_refused(client: httpx.AsyncClient, service: Service) -> None:
    await post(client)
    answer = await post(client, form={"iin": "850101300123"})
    assert (answer.status_code, answer.json()["key"]) == (422, "idempotency.key_reused")
    assert len(service.created) == 1


@pytest.mark.parametrize(
    ("key", "problem"),
    [(None, "key_missing"), ("", "key_malformed"), ("short", "key_malformed"), ("k" * 129, "key_malformed")],
)
async def test_a_request_without_a_proper_key_is_refused(
    client: httpx.AsyncClient, service: Service, key: str | None, problem: str
) -> None:
    answer = await post(client, key)
    assert (answer.status_code, answer.json()["key"]) == (400, f"idempotency.{problem}")
    assert service.created == []


async def test_while_the_first_is_worked_on_the_second_is_asked_to_wait_and_nothing_is_done_twice(
    client: httpx.AsyncClient, service: Service
) -> None:
    service.gate.clear()
    first = asyncio.create_task(post(client))
    await service.entered.wait()
    second = await post(client)
    assert (second.status_code, second.json()["key"]) == (409, "idempotency.in_progress")
    service.gate.set()
    assert (await first).status_code == 201
    assert (await post(client)).text == (await first).text
    assert len(service.created) == 1


@pytest.mark.parametrize(
    ("error", "status"),
    [(Refused(ExampleRefusal.IIN_UNKNOWN), 404), (Unavailable("x"), 503), (Retryable("x"), 503)],
)
async def test_a_request_that_failed_leaves_its_key_free(
    client: httpx.AsyncClient, service: Service, store: MemoryIdempotencyStore, error: Exception, status: int
) -> None:
    service.error = error
    assert (await post(client)).status_code == status
    assert store.entries == {}
    service.error = None
    assert (await post(client)).status_code == 201


class Killed(BaseException):
    """The process ends here."""


async def test_after_a_crash_in_the_middle_the_next_try_takes_over_a_minute_later_with_the_same_id(
    client: httpx.AsyncClient, service: Service, store: MemoryIdempotencyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(store, "replace", crash)  # the thing is created, its answer not yet recorded
    with pytest.raises(Killed):
        await post(client)
    monkeypatch.undo()

    service.now = NOON + ABANDONED_AFTER - timedelta(seconds=1)
    assert (await post(client)).json()["key"] == "idempotency.in_progress"
    service.now = NOON + ABANDONED_AFTER
    assert (await post(client)).status_code == 201
    assert len(service.created) == 2
    assert len(set(service.created)) == 1


async def test_of_two_that_take_over_an_abandoned_request_one_does_it(
    client: httpx.AsyncClient, service: Service, store: MemoryIdempotencyStore
) -> None:
    service.gate.clear()
    abandoned = asyncio.create_task(post(client))
    await service.entered.wait()
    service.now = NOON + ABANDONED_AFTER
    replace, both = store.replace, asyncio.Barrier(2)

    async def at_once(key: str, claim: str, entry: IdempotencyEntry) -> bool:
        if entry.status is None:
            await both.wait()
        return await replace(key, claim, entry)

    store.replace = at_once  # type: ignore[method-assign]  # holds both at the brink of the decision
    takers = [asyncio.create_task(post(client)) for _ in range(2)]
    done, _ = await asyncio.wait(takers, return_when=asyncio.FIRST_COMPLETED)
    service.gate.set()
    await asyncio.gather(abandoned, *takers)
    assert [task.result().json().get("key") for task in done] == ["idempotency.in_progress"]
    assert sorted(task.result().status_code for task in takers) == [201, 409]
    assert len(set(service.created)) == 1


async def test_a_key_is_forgotten_after_a_day(client: httpx.AsyncClient, service: Service) -> None:
    await post(client)
    service.now = NOON + KEPT_FOR - timedelta(seconds=1)
    await post(client)
    assert len(service.created) == 1
    service.now = NOON + KEPT_FOR
    await post(client)
    assert len(service.created) == 2


async def test_neither_the_answer_nor_the_request_nor_the_key_stands_in_the_store(
    client: httpx.AsyncClient, service: Service, store: MemoryIdempotencyStore
) -> None:
    await post(client)
    kept = repr(store.entries)
    assert store.entries
    assert not [value for value in ("token-1", FORM["iin"], KEY, service.created[0]) if value in kept]


async def test_a_store_that_fails_while_the_key_is_freed_does_not_hide_why_the_request_failed(
    client: httpx.AsyncClient, service: Service, store: MemoryIdempotencyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(*_: object) -> None:
        raise Unavailable("the store does not answer")

    monkeypatch.setattr(store, "remove", gone)
    service.error = Refused(ExampleRefusal.IIN_UNKNOWN)
    assert (await post(client)).json()["key"] == "iin.unknown"
