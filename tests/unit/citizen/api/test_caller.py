"""Requests against a server that misbehaves on purpose."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.citizen.api.caller import DEFAULT_PATIENCE, Caller, Patience
from libs.citizen.api.identity import Identity
from libs.citizen.errors import AnswerUnusable, ProblemError, Unreachable
from libs.common.contracts.http.identity import JourneyTicket

Behaviour = Callable[[asyncio.StreamWriter], Awaitable[None]]


def answer(status: str, body: str = "{}", *headers: str, kind: str = "application/json") -> Behaviour:
    async def write(writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body.encode())}", *headers]
        writer.write("\r\n".join([*lines, "", body]).encode())
        await writer.drain()

    return write


async def drops_the_connection(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def dies_in_mid_answer(writer: asyncio.StreamWriter) -> None:
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"half')
    await writer.drain()
    writer.transport.abort()


async def answers_nonsense(writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
    await writer.drain()


TOKEN = "token-of-a-test"  # noqa: S105 - a test's own
TICKET = JourneyTicket.model_validate({"journey_id": "1", "token": TOKEN, "expires_at": "2026-03-02T09:30Z"})
GOOD = answer("200 OK", '{"good": true}')
PROBLEM = '{"type":"urn:onboarding:problem:otp.wrong_code","status":422,"title":"Unprocessable Content",'
PROBLEM += '"detail":"This is not the code we sent.","key":"otp.wrong_code","tries_left":2}'


@dataclass
class Misbehaving:
    """What a server did, and how its client waited."""

    url: str
    caller: Caller
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)


@asynccontextmanager
async def server(*script: Behaviour, patience: Patience = DEFAULT_PATIENCE) -> AsyncIterator[Misbehaving]:
    """Serve the script one request after the other, its last entry for ever. Waiting takes no real time."""
    behaviours = list(script)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:]) if name}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            seen.requests.append((head[0], headers, body))
            await (behaviours.pop(0) if len(behaviours) > 1 else behaviours[0])(writer)
        finally:
            writer.close()

    async def sleep(seconds: float) -> None:
        seen.pauses.append(seconds)

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with listener, httpx.AsyncClient() as http:
        caller = Caller(http, url, patience, sleep=sleep, luck=lambda: 0.5, elapsed=lambda: sum(seen.pauses))
        seen = Misbehaving(url, caller)
        yield seen


@pytest.mark.parametrize(
    "trouble",
    [
        drops_the_connection,
        dies_in_mid_answer,
        answers_nonsense,
        answer("502 Bad Gateway"),
        answer("503 Service Unavailable"),
        answer("504 Gateway Timeout"),
        answer("409 Conflict", '{"key": "idempotency.in_progress"}'),
    ],
)
async def test_a_service_killed_in_mid_request_is_asked_again_under_the_same_key(trouble: Behaviour) -> None:
    async with server(trouble, trouble, GOOD) as seen:
        got = await seen.caller.send("POST", "/v1/journeys", json={"iin": "x"}, token=TOKEN)
    assert got.json() == {"good": True}
    assert len(seen.requests) == 3
    keys = {headers["idempotency-key"] for _, headers, _ in seen.requests}
    assert len(keys) == 1
    assert {headers["authorization"] for _, headers, _ in seen.requests} == {f"Bearer {TOKEN}"}
    assert len({body for *_, body in seen.requests}) == 1


async def test_each_call_has_a_key_of_its_own() -> None:
    async with server(GOOD) as seen:
        for _ in range(2):
            await seen.caller.send("POST", "/v1/journeys")
    assert len({headers["idempotency-key"] for _, headers, _ in seen.requests}) == 2


async def test_a_service_that_is_not_there_is_given_up_when_patience_ends() -> None:
    async with server(GOOD, patience=Patience(total=30)) as seen:
        pass  # the server is gone, its port is free
    async with httpx.AsyncClient() as http:
        pauses: list[float] = []

        async def sleep(seconds: float) -> None:
            pauses.append(seconds)

        caller = Caller(http, seen.url, Patience(total=30), sleep=sleep, elapsed=lambda: sum(pauses))
        with pytest.raises(Unreachable, match="ConnectError") as given_up:
            await caller.send("GET", "/v1/cabinet")
    assert given_up.value.key == "service.unreachable"
    assert 25 <= sum(pauses) <= 30


async def test_the_pauses_grow_and_stay_bounded() -> None:
    async with server(answer("503 Service Unavailable"), patience=Patience(total=60, first=0.2, longest=5)) as seen:
        with pytest.raises(Unreachable, match="503"):
            await seen.caller.send("GET", "/v1/cabinet")
    assert seen.pauses[:4] == pytest.approx([0.15, 0.3, 0.6, 1.2])
    assert max(seen.pauses) <= 5


async def test_retry_after_is_honoured() -> None:
    busy = answer("503 Service Unavailable", "{}", "Retry-After: 17")
    async with server(busy, GOOD) as seen:
        await seen.caller.send("GET", "/v1/cabinet")
    assert seen.pauses == [17.0]


async def test_a_retry_after_beyond_our_patience_ends_the_waiting_at_once() -> None:
    busy = answer("503 Service Unavailable", "{}", "Retry-After: 3600")
    async with server(busy, GOOD) as seen:
        with pytest.raises(Unreachable):
            await seen.caller.send("GET", "/v1/cabinet")
    assert seen.pauses == []


@pytest.mark.parametrize("nonsense", ["soon", "-5", "٣", "Fri, 99 Foo 2026", "1e9"])
async def test_an_unreadable_retry_after_is_ignored(nonsense: str) -> None:
    busy = answer("503 Service Unavailable", "{}", f"Retry-After: {nonsense}")
    async with server(busy, GOOD) as seen:
        await seen.caller.send("GET", "/v1/cabinet")
    assert seen.pauses == pytest.approx([0.15])


async def test_a_retry_after_in_the_past_means_now() -> None:
    busy = answer("503 Service Unavailable", "{}", "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT")
    async with server(busy, GOOD) as seen:
        await seen.caller.send("GET", "/v1/cabinet")
    assert seen.pauses == pytest.approx([0.15])


async def test_a_refusal_is_final_and_keeps_all_the_service_said() -> None:
    async with server(answer("422 Unprocessable Content", PROBLEM, kind="application/problem+json")) as seen:
        with pytest.raises(ProblemError) as refused:
            await seen.caller.send("POST", "/v1/journeys/1/code")
    assert (refused.value.key, refused.value.status) == ("otp.wrong_code", 422)
    assert (refused.value.title, refused.value.detail) == ("Unprocessable Content", "This is not the code we sent.")
    assert refused.value.extras == {"tries_left": 2}
    assert len(seen.requests) == 1


@pytest.mark.parametrize("body", ["<html>Forbidden</html>", "[]", '"text"', '{"key": 5}', "", "\u0000"])
async def test_a_refusal_without_a_problem_document_still_becomes_one(body: str) -> None:
    async with server(answer("403 Forbidden", body, kind="text/html")) as seen:
        with pytest.raises(ProblemError) as refused:
            await seen.caller.send("GET", "/v1/cabinet")
    assert (refused.value.key, refused.value.status, refused.value.title) == ("http.403", 403, "")


async def test_a_redirect_is_not_followed_with_the_token() -> None:
    async with server(answer("302 Found", "", "Location: http://127.0.0.1:9/elsewhere")) as seen:
        with pytest.raises(ProblemError) as refused:
            await seen.caller.send("GET", "/v1/cabinet", token=TOKEN)
    assert refused.value.key == "http.302"
    assert len(seen.requests) == 1


async def test_an_answer_of_another_form_is_not_quoted() -> None:
    async with server(answer("200 OK", '{"journey_id": "1", "step": "Айгуль Тестова"}')) as seen:
        with pytest.raises(AnswerUnusable, match="step") as unusable:
            await Identity(seen.caller).journey(TICKET)
    assert "Айгуль" not in repr(unusable.value.facts)


async def test_a_member_of_a_newer_service_is_passed_over() -> None:
    async with server(answer("200 OK", '{"journey_id": "1", "step": "code", "something_new": true}')) as seen:
        view = await Identity(seen.caller).journey(TICKET)
    assert view.step == "code"


def test_a_ticket_does_not_show_its_token() -> None:
    ticket = JourneyTicket.model_validate(
        {"journey_id": "1", "token": "very-secret", "expires_at": "2026-03-02T09:30Z"}
    )
    assert "very-secret" not in repr(ticket)


@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True))
def test_no_pause_is_longer_than_the_longest(attempt: int, luck: float) -> None:
    assert 0 < Patience().pause(attempt, luck) <= Patience().longest
