"""The OpenAPI document declares the problems that really come, and bodies that are no JSON."""

from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Depends, Header
from pydantic import BaseModel

from libs.common.contracts.http.problems import ProblemDocument
from libs.common.core.errors import Refused
from libs.common.core.health import Health
from libs.common.core.metrics import Metrics
from libs.common.web.bodies import binary, raw_body
from libs.common.web.http import create_app
from libs.common.web.tokens import Authenticator
from tests.unit.common.refusals import PROBLEMS, TEXTS, ExampleRefusal


class Form(BaseModel):
    number: int


def routes() -> APIRouter:
    router = APIRouter(prefix="/v1")

    @router.get("/plain")
    async def plain() -> None:
        raise Refused(ExampleRefusal.IIN_UNKNOWN)

    @router.post("/forms/{number}", dependencies=[Depends(Authenticator().citizen())])
    async def take(number: int, form: Form, idempotency_key: Annotated[str, Header()]) -> None:
        raise NotImplementedError

    @router.put("/pictures")
    async def picture(data: Annotated[bytes, Depends(raw_body(100, "image/jpeg", "image/png"))]) -> None:
        raise NotImplementedError

    @router.put("/clips", openapi_extra=binary("video/webm"))
    async def clip() -> None:
        raise NotImplementedError

    return router


APP = create_app(
    "Test",
    metrics=Metrics("test"),
    health=Health(),
    routers=[routes()],
    problems=PROBLEMS,
    texts=TEXTS,
)


@pytest.fixture
def document() -> dict[str, Any]:
    return APP.openapi()


def statuses(operation: dict[str, Any]) -> set[str]:
    return {status for status, answer in operation["responses"].items() if "problem" in str(answer)}


def test_each_route_declares_the_problems_that_follow_from_what_it_takes(document: dict[str, Any]) -> None:
    paths = document["paths"]
    assert statuses(paths["/v1/plain"]["get"]) == {"500", "503", "default"}
    assert statuses(paths["/v1/pictures"]["put"]) == {"400", "413", "415", "500", "503", "default"}
    assert statuses(paths["/v1/forms/{number}"]["post"]) == {
        *("400", "401", "403", "404", "409", "413", "422", "500", "503", "default"),
    }


def test_the_services_reasons_are_listed_with_their_status(document: dict[str, Any]) -> None:
    listed = document["paths"]["/v1/plain"]["get"]["responses"]["default"]["description"]
    assert listed.splitlines()[1:] == [
        *("- 404: iin.unknown", "- 413: picture.too_large", "- 422: otp.wrong_code", "- 429: otp.frozen"),
    ]


def test_problems_are_declared_as_what_they_are(document: dict[str, Any]) -> None:
    answer = document["paths"]["/v1/plain"]["get"]["responses"]["500"]
    assert answer["content"] == {
        "application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}
    }
    assert {"ProblemDocument", "FieldFinding"} <= document["components"]["schemas"].keys()
    assert "HTTPValidationError" not in str(document)


def test_bodies_that_are_no_json_are_declared(document: dict[str, Any]) -> None:
    picture = document["paths"]["/v1/pictures"]["put"]["requestBody"]
    assert (picture["required"], set(picture["content"])) == (True, {"image/jpeg", "image/png"})
    assert set(document["paths"]["/v1/clips"]["put"]["requestBody"]["content"]) == {"video/webm"}


async def test_what_comes_has_the_declared_shape() -> None:
    transport = httpx.ASGITransport(APP, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answers = [
            await client.get("/v1/plain"),
            await client.post("/v1/forms/1", json={}),
            await client.put("/v1/pictures", content=bytes(101), headers={"content-type": "image/png"}),
            await client.put("/v1/pictures", content=b"x", headers={"content-type": "text/plain"}),
            await client.put("/v1/clips"),
        ]
    assert [answer.status_code for answer in answers] == [404, 401, 413, 415, 500]
    for answer in answers:
        assert answer.headers["content-type"] == "application/problem+json"
        assert ProblemDocument.model_validate_json(answer.content).status == answer.status_code
