"""The operations that services declare, and a transport that holds clients and stubs to them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httpx
from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.routing import Match

from libs.common.contracts.http.problems import ProblemDocument
from libs.common.web.openapi import Application


@dataclass(frozen=True)
class Operation:
    """One route of a service, and what its OpenAPI document says of it."""

    service: str
    route: APIRoute
    declared: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its place in the table of operations."""
        return f"{self.service}: {'/'.join(sorted(self.route.methods or ()))} {self.route.path_format}"

    def check_request(self, request: httpx.Request) -> None:
        """Hold a request to the declaration: parameters, token, body."""
        parameters = self.declared.get("parameters", ())
        in_query = {each["name"] for each in parameters if each["in"] == "query"}
        assert set(request.url.params) <= in_query, self.name
        for each in parameters:
            given = request.url.params if each["in"] == "query" else request.headers
            assert each["in"] == "path" or not each.get("required") or each["name"] in given, f"{self.name}: {each}"
        assert not self.declared.get("security") or "authorization" in request.headers, self.name
        self._check_body(request)

    def _check_body(self, request: httpx.Request) -> None:
        body = self.declared.get("requestBody")
        if body is None:
            assert not request.content, self.name
        elif self.route.body_field is not None:
            form: Any = self.route.body_field.field_info.annotation
            TypeAdapter(form).validate_json(request.content, extra="forbid")
        else:
            assert {"*/*", _media_type(request.headers)} & set(body["content"]), self.name

    def check_answer(self, answer: httpx.Response) -> None:
        """Hold an answer to the declaration: status, media type, form."""
        declared = self.declared["responses"]
        if not answer.is_success:
            assert str(answer.status_code) in declared or "default" in declared, self.name
            assert _media_type(answer.headers) == "application/problem+json", self.name
            problem = ProblemDocument.model_validate_json(answer.content)
            assert problem.status == answer.status_code
            return
        assert str(answer.status_code) in declared, f"{self.name}: {answer.status_code}"
        if answer.status_code == HTTPStatus.NO_CONTENT or answer.request.method == "HEAD":
            assert not answer.content, self.name
        elif self.route.response_model is not None:
            TypeAdapter(self.route.response_model).validate_json(answer.content, extra="forbid")


@dataclass(frozen=True)
class Operations:
    """The operations of all services."""

    services: Mapping[str, Sequence[Operation]]

    @classmethod
    def of(cls, applications: Mapping[str, FastAPI]) -> "Operations":
        """Read them from built applications."""
        return cls({service: _of(service, application) for service, application in applications.items()})

    def find(self, request: httpx.Request) -> Operation:
        """Return the operation that a request is for."""
        scope = {"type": "http", "method": request.method, "path": request.url.path}
        found = [each for each in self.services[request.url.host] if each.route.matches(dict(scope))[0] is Match.FULL]
        assert found, f"no service has {request.method} {request.url.path} at {request.url.host}"
        return found[0]


@dataclass
class HeldTo(httpx.AsyncBaseTransport):
    """Passes on what keeps to the declarations, and fails for what does not. Services are hosts: ``http://otp``."""

    operations: Operations
    inner: httpx.AsyncBaseTransport
    met: list[Operation] = field(default_factory=list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Check request and answer. What a person mistyped may be sent, and has to be refused."""
        operation = self.operations.find(request)
        await request.aread()
        try:
            operation.check_request(request)
            mistyped = False
        except ValidationError:
            mistyped = True
        answer = await self.inner.handle_async_request(request)
        assert not mistyped or answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY, operation.name
        await answer.aread()
        answer.request = request
        operation.check_answer(answer)
        self.met.append(operation)
        return answer


def _of(service: str, application: FastAPI) -> list[Operation]:
    assert isinstance(application, Application)
    document = json.loads(json.dumps(application.openapi()))
    return [
        Operation(service, route, document["paths"].get(route.path_format, {}).get(method.lower(), {"responses": {}}))
        for route in application.operations
        for method in route.methods or ()
    ]


def _media_type(headers: httpx.Headers) -> str:
    return str(headers.get("content-type", "")).partition(";")[0].strip()
