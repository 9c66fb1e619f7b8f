"""An application from outside: problem documents, limits, headers, operations, life."""

import asyncio
import io
import json
import logging as stdlib
import re
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import httpx
import pytest
import structlog
from fastapi import APIRouter, Depends, FastAPI
from pydantic import BaseModel, ConfigDict, Field, field_validator

from libs.common.core import logging
from libs.common.core.errors import Permanent, Refused, Retryable, Unavailable
from libs.common.core.health import Health
from libs.common.core.metrics import Metrics
from libs.common.core.tracing import current_traceparent
from libs.common.core.values import Iin
from libs.common.web.bodies import raw_body
from libs.common.web.http import MB, create_app, server
from libs.common.web.middleware import JSON_LIMIT
from tests.unit.common.refusals import PROBLEMS, TEXTS, ExampleRefusal

JOURNEY = "6d1f2f4e-8f57-4d0c-9d5b-111122223333"
RAW_LIMIT = 100_000


class Form(BaseModel):
    model_config = ConfigDict(extra="forbid")

    iin: Iin
    birth_date: date | None = None
    kind: Literal["grant", "extension"] = "grant"
    note: Annotated[str, Field(max_length=10)] = ""

    @field_validator("note")
    @classmethod
    def _quote(cls, value: str) -> str:
        if value.startswith("bad"):
            raise ValueError(f"cannot take {value}")
        return value


ERRORS: dict[str, Exception] = {
    "refused": Refused(ExampleRefusal.WRONG_CODE, tries_left=2, type="spoofed"),
    "later": Refused(ExampleRefusal.FROZEN, retry_at=datetime(2026, 3, 2, 12, tzinfo=UTC)),
    "never": Refused(ExampleRefusal.FROZEN, retry_at=None),
    "unavailable": Unavailable("mongodb://user:secret@db does not answer"),
    "retryable": Retryable("gateway busy"),
    "permanent": Permanent("sealed field of 850101300123"),
    "bug": RuntimeError("Серікқызы 850101300123"),
}


def routes() -> APIRouter:
    router = APIRouter()

    @router.post("/v1/forms")
    async def take(form: Form) -> Form:
        return form

    @router.put("/v1/pictures")
    async def picture(
        data: Annotated[bytes, Depends(raw_body(RAW_LIMIT, "image/jpeg", too_large=ExampleRefusal.PICTURE_TOO_LARGE))],
    ) -> int:
        return len(data)

    @router.get("/v1/journeys/{journey_id}")
    async def journey(journey_id: str) -> str:
        return journey_id and current_traceparent()

    @router.get("/v1/errors/{name}")
    async def fail(name: str) -> None:
        raise ERRORS[name]

    return router


class Part:
    """A component that notes what happens to it."""

    def __init__(self, name: str, notes: list[str], broken: str = "") -> None:
        self.name, self.notes, self.broken = name, notes, broken

    async def start(self) -> None:
        self._note("start")

    async def stop(self) -> None:
        self._note("stop")

    def _note(self, what: str) -> None:
        self.notes.append(f"{what} {self.name}")
        if self.broken == what:
            raise RuntimeError(f"{self.name} cannot {what}")


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("test")


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def app(metrics: Metrics, health: Health) -> FastAPI:
    return create_app("Test", metrics=metrics, health=health, routers=[routes()], problems=PROBLEMS, texts=TEXTS)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
        yield client


@pytest.fixture(autouse=True)
def log_lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    root, stream, configuration = stdlib.getLogger(), io.StringIO(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    logging.configure("process", json=True, stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**configuration)


def problem(answer: httpx.Response) -> dict[str, Any]:
    document: dict[str, Any] = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert document["type"] == f"urn:onboarding:problem:{document['key']}"
    assert document["status"] == answer.status_code
    assert document["title"]
    assert document["detail"]
    return document


async def test_a_refusal_becomes_a_problem_with_its_key_and_extras(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/errors/refused", headers={"Accept-Language": "en"})
    assert answer.status_code == 422
    assert problem(answer) == {
        "type": "urn:onboarding:problem:otp.wrong_code",
        "title": "The code is wrong.",
        "status": 422,
        "detail": "2 tries are left. Try again.",
        "key": "otp.wrong_code",
        "tries_left": 2,
    }


@pytest.mark.parametrize(
    ("accepted", "language", "title", "detail"),
    [
        ("", "kk", "Код қате.", "2 әрекет қалды. Қайталаңыз."),
        ("ru-KZ,kk;q=0.9", "ru", "Код неверный.", "Осталось 2 попытки. Повторите."),
        ("de, en;q=0.5", "en", "The code is wrong.", "2 tries are left. Try again."),
        ("kk-Arab-CN", "kk-Arab", "كود قاتە.", "2 ارەكەت قالدى. قايتالاڭىز."),
        ("kk-Latn", "kk-Latn", "Kod qate.", "2 äreket qaldy. Qaitalañyz."),
    ],
)
async def test_a_problem_comes_in_the_language_that_the_caller_reads_best(
    client: httpx.AsyncClient, accepted: str, language: str, title: str, detail: str
) -> None:
    answer = await client.get("/v1/errors/refused", headers={"Accept-Language": accepted})
    assert (problem(answer)["title"], problem(answer)["detail"]) == (title, detail)
    assert (answer.headers["content-language"], answer.headers["vary"]) == (language, "Accept-Language")


@pytest.mark.parametrize("path", ["/nowhere", "/v1/forms", "/v1/errors/unavailable", "/v1/errors/bug"])
async def test_what_every_service_answers_is_in_that_language_too(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path, headers={"Accept-Language": "ru"})
    assert answer.headers["content-language"] == "ru"
    assert re.search("[а-я]", problem(answer)["title"] + problem(answer)["detail"])


async def test_a_part_that_speaks_of_a_fact_nobody_knows_is_left_out(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/errors/never", headers={"Accept-Language": "en"})
    assert problem(answer)["detail"] == "Wait."


async def test_each_finding_names_the_field_and_says_what_is_wrong_with_it(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/forms", json={"kind": "z"}, headers={"Accept-Language": "ru"})
    document = problem(answer)
    assert [(each["field"], each["message"]) for each in document["errors"]] == [
        ("body.iin", "не заполнено"),
        ("body.kind", "должно быть одно из допустимых значений"),
    ]
    assert "ИИН: не заполнено." in document["detail"]


async def test_a_refusal_until_a_time_says_so_in_the_document_and_the_header(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/errors/later")
    assert problem(answer)["retry_at"] == "2026-03-02T12:00:00+00:00"
    assert answer.headers["retry-after"] == "Mon, 02 Mar 2026 12:00:00 GMT"


@pytest.mark.parametrize("name", ["unavailable", "retryable"])
async def test_what_may_work_later_is_a_503_that_says_when_to_try_again(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.get(f"/v1/errors/{name}")
    assert answer.status_code == 503
    assert problem(answer)["key"] == "service.unavailable"
    assert int(answer.headers["retry-after"]) > 0
    assert "secret" not in answer.text


@pytest.mark.parametrize("name", ["bug", "permanent"])
async def test_an_unforeseen_error_tells_the_client_nothing_but_an_incident_that_the_log_knows(
    client: httpx.AsyncClient, log_lines: Callable[[], list[dict[str, Any]]], name: str
) -> None:
    answer = await client.get(f"/v1/errors/{name}")
    assert answer.status_code == 500
    document = problem(answer)
    assert set(document) == {"type", "title", "status", "detail", "key", "incident"}
    assert answer.headers["x-content-type-options"] == "nosniff"
    (line,) = [line for line in log_lines() if line["event"] == "http.failed"]
    assert line["incident"] == document["incident"]
    assert type(ERRORS[name]).__name__ in line["exception"]
    assert "850101300123" not in json.dumps(line)


async def test_an_unknown_address_and_a_wrong_method_are_problems_too(client: httpx.AsyncClient) -> None:
    assert problem(await client.get("/v1/850101300123"))["key"] == "route.unknown"
    answer = await client.get("/v1/forms")
    assert problem(answer)["key"] == "method.not_allowed"
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("body", "key", "rule"),
    [
        ({"iin": "850101300123"}, "iin.malformed", "value_error"),
        ({"iin": "850101"}, "iin.malformed", "string_pattern_mismatch"),
        ({"iin": "900101300017", "birth_date": "Серікқызы"}, "birth_date.malformed", "date_from_datetime_parsing"),
        ({"iin": "900101300017", "kind": "Серікқызы"}, "kind.malformed", "literal_error"),
        ({"iin": "900101300017", "note": "badСерік"}, "note.malformed", "value_error"),
        ({"iin": "900101300017", "Серікқызы": 1}, "request.malformed", "extra_forbidden"),
        ({}, "request.malformed", "missing"),
        ({"iin": "850101", "kind": "Серік"}, "request.malformed", "string_pattern_mismatch"),
        (["850101300123"], "request.malformed", "model_attributes_type"),
    ],
)
async def test_an_invalid_request_is_told_field_and_rule_and_never_its_own_values(
    client: httpx.AsyncClient, body: Any, key: str, rule: str
) -> None:
    answer = await client.post("/v1/forms", json=body)
    assert answer.status_code == 422
    document = problem(answer)
    assert (document["key"], document["errors"][0]["rule"]) == (key, rule)
    assert not [value for value in ("850101", "Серік") if value in json.dumps(document, ensure_ascii=False)]


async def test_our_own_explanation_of_a_rule_reaches_the_person(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/forms", json={"iin": "850101300123"}, headers={"Accept-Language": "en"})
    assert problem(answer)["title"] == "This is not an IIN."
    assert "the last follows from the others" in problem(answer)["detail"]


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 20_000, b"", b'{"iin": NaN}'])
async def test_what_is_not_json_is_a_problem_of_the_client(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post("/v1/forms", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)
    problem(answer)


def in_pieces(size: int) -> AsyncIterator[bytes]:
    async def pieces() -> AsyncIterator[bytes]:
        for begin in range(0, size, 1000):
            yield b" " * min(1000, size - begin)

    return pieces()


@pytest.mark.parametrize("announced", [True, False])
async def test_a_json_body_over_the_limit_is_refused_whether_or_not_its_length_is_announced(
    client: httpx.AsyncClient, announced: bool
) -> None:
    for size, status in ((JSON_LIMIT, 422), (JSON_LIMIT + 1, 413)):
        content = b" " * size if announced else in_pieces(size)
        answer = await client.post("/v1/forms", content=content, headers={"content-type": "application/json"})
        assert answer.status_code == status
        problem(answer)


@pytest.mark.parametrize("announced", [True, False])
async def test_a_raw_body_has_the_limit_and_the_key_its_route_names(client: httpx.AsyncClient, announced: bool) -> None:
    headers = {"content-type": "image/jpeg; x=y"}
    for size, status in ((RAW_LIMIT, 200), (RAW_LIMIT + 1, 413)):
        content = b" " * size if announced else in_pieces(size)
        answer = await client.put("/v1/pictures", content=content, headers=headers)
        assert answer.status_code == status
    assert problem(answer)["key"] == "picture.too_large"


async def test_a_body_is_not_read_further_than_its_limit(app: FastAPI) -> None:
    sent = 0

    async def receive() -> dict[str, Any]:
        nonlocal sent
        sent += 10_000
        return {"type": "http.request", "body": b" " * 10_000, "more_body": True}

    answers: list[Any] = []

    async def send(message: Any) -> None:
        answers.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/forms", "headers": [], "query_string": b""}
    await app(scope | {"headers": [(b"content-type", b"application/json")]}, receive, send)
    assert answers[0]["status"] == 413
    assert sent <= JSON_LIMIT + 10_000


async def test_a_raw_body_of_another_type_is_refused_unread(client: httpx.AsyncClient) -> None:
    answer = await client.put("/v1/pictures", content=b"%PDF", headers={"content-type": "application/pdf"})
    assert answer.status_code == 415
    assert "image/jpeg" in problem(answer)["detail"]


async def test_a_real_server_lets_a_client_that_sends_too_much_read_the_problem(app: FastAPI) -> None:
    running = server(app, "127.0.0.1", 0)
    task = asyncio.create_task(running.serve())
    while not running.started:  # noqa: ASYNC110 - the server sets no event
        await asyncio.sleep(0.01)
    port = running.servers[0].sockets[0].getsockname()[1]
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            for content in (bytes(25 * MB), in_pieces(2 * MB)):
                answer = await client.put("/v1/pictures", content=content, headers={"content-type": "image/jpeg"})
                assert (answer.status_code, problem(answer)["key"]) == (413, "picture.too_large")
            assert (await client.get("/health/ready")).status_code == 200
    finally:
        running.should_exit = True
        await task


async def test_every_answer_carries_the_security_headers_and_the_request_id(client: httpx.AsyncClient) -> None:
    for path in ("/v1/journeys/x", "/v1/errors/refused", "/v1/errors/bug", "/nowhere", "/health/live"):
        headers = (await client.get(path)).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert UUID(headers["x-request-id"]).version == 4


async def test_the_gateways_request_id_is_kept_if_it_is_a_uuid_and_nothing_else(client: httpx.AsyncClient) -> None:
    given = (await client.get("/health/live", headers={"x-request-id": JOURNEY})).headers["x-request-id"]
    other = (await client.get("/health/live", headers={"x-request-id": "850101300123"})).headers["x-request-id"]
    assert given == JOURNEY
    assert UUID(other)


async def test_a_trace_goes_on_if_it_is_well_formed_and_begins_anew_if_not(client: httpx.AsyncClient) -> None:
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    assert (await client.get("/v1/journeys/x", headers={"traceparent": trace})).json() == trace
    fresh = (await client.get("/v1/journeys/x", headers={"traceparent": "850101300123"})).json()
    assert fresh.startswith("00-")
    assert fresh != trace


async def test_the_request_line_names_the_template_and_identifiers_and_nothing_personal(
    client: httpx.AsyncClient, log_lines: Callable[[], list[dict[str, Any]]]
) -> None:
    await client.get(f"/v1/journeys/{JOURNEY}?iin=850101300123")
    await client.get("/v1/journeys/serikkyzy")
    await client.get("/v1/unknown/serikkyzy")
    await client.get("/health/live")
    lines = [line for line in log_lines() if line["event"] == "http.request"]
    assert [(line["route"], line["subject"], line["status"]) for line in lines] == [
        ("/v1/journeys/{journey_id}", JOURNEY, 200),
        ("/v1/journeys/{journey_id}", None, 200),
        ("unmatched", None, 404),
    ]
    assert {line["service"] for line in lines} == {"test"}
    assert "serikkyzy" not in json.dumps(log_lines())


async def test_requests_are_counted_by_template_and_class_of_status(
    client: httpx.AsyncClient, metrics: Metrics
) -> None:
    for name in ("refused", "bug", "bug"):
        await client.get(f"/v1/errors/{name}")
    await client.request("BREW", "/v1/forms")
    read = metrics.registry.get_sample_value
    labels = {"method": "GET", "route": "/v1/errors/{name}"}
    assert read("onboarding_http_requests_total", labels | {"status": "4xx"}) == 1
    assert read("onboarding_http_requests_total", labels | {"status": "5xx"}) == 2
    assert read("onboarding_http_seconds_count", labels) == 3
    other = {"method": "other", "route": "/v1/forms", "status": "4xx"}
    assert read("onboarding_http_requests_total", other) == 1


async def test_metrics_are_served_as_text(client: httpx.AsyncClient) -> None:
    await client.get("/health/live")
    answer = await client.get("/metrics")
    assert 'onboarding_http_requests_total{method="GET",route="/health/live",status="2xx"} 1.0' in answer.text


async def test_liveness_and_readiness_fail_with_the_name_of_what_is_wrong(
    client: httpx.AsyncClient, health: Health
) -> None:
    assert (await client.get("/health/live")).json() == {"alive": True, "stalled_s": {}}
    assert (await client.get("/health/ready")).json() == {"ready": True, "no_answer_from": []}

    async def gone() -> None:
        raise Unavailable("the store does not answer")

    health.check("store", gone)
    health.probe("consumer", stale_after_s=-1)
    live, ready = await client.get("/health/live"), await client.get("/health/ready")
    assert (live.status_code, list(live.json()["stalled_s"])) == (503, ["consumer"])
    assert (ready.status_code, ready.json()["no_answer_from"]) == (503, ["store"])


async def test_the_schema_is_served_and_no_page_that_would_load_foreign_scripts(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    assert "/v1/forms" in paths
    assert "/metrics" not in paths
    assert (await client.get("/docs")).status_code == (await client.get("/redoc")).status_code == 404


def application(*components: Part) -> FastAPI:
    return create_app("Test", metrics=Metrics("test"), health=Health(), components=components)


async def test_components_start_in_order_and_stop_in_reverse() -> None:
    notes: list[str] = []
    app = application(Part("store", notes), Part("broker", notes))
    async with app.router.lifespan_context(app):
        notes.append("serving")
    assert notes == ["start store", "start broker", "serving", "stop broker", "stop store"]


async def test_a_start_that_fails_half_way_stops_what_had_started_and_ends_the_application() -> None:
    notes: list[str] = []
    app = application(Part("store", notes), Part("broker", notes, broken="start"), Part("sweeper", notes))
    with pytest.raises(RuntimeError, match="broker cannot start"):
        async with app.router.lifespan_context(app):
            notes.append("serving")
    assert notes == ["start store", "start broker", "stop store"]


async def test_a_stop_that_fails_does_not_keep_the_others_from_stopping() -> None:
    notes: list[str] = []
    app = application(Part("store", notes), Part("broker", notes, broken="stop"))
    with pytest.raises(RuntimeError, match="broker cannot stop"):
        async with app.router.lifespan_context(app):
            pass
    assert notes[-2:] == ["stop broker", "stop store"]


async def test_a_service_shows_the_topics_it_speaks_of_and_no_others() -> None:
    app = create_app("One-time codes", metrics=Metrics("otp"), health=Health())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://otp") as client:
        shown = (await client.get("/asyncapi")).json()
    assert shown["asyncapi"] == "3.0.0"
    assert {"journey.started", "journey.closed", "otp.verified"} <= set(shown["channels"])
    assert "kandas.granted" not in shown["channels"]
