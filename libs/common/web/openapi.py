"""What an OpenAPI document says beyond what FastAPI finds out: problem documents and bodies that are no JSON."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from libs.common.contracts.http.problems import FieldFinding, ProblemDocument
from libs.common.web.bodies import RawBody, binary
from libs.common.web.problems import MEDIA_TYPE, Statuses

_REFERENCE: Final = "#/components/schemas/{model}"
_ALWAYS: Final = (HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE)
_WITH_TOKEN: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_WITH_KEY: Final = (HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY)
_WITH_BODY: Final = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
_OF_FASTAPI: Final = ("HTTPValidationError", "ValidationError")
"""Schemas of an answer that no service gives."""


class Application(FastAPI):
    """An application whose OpenAPI document declares every problem that it can answer.

    Attributes:
        operations: its routes.
        statuses: its table of reasons.
    """

    operations: Sequence[APIRoute] = ()
    statuses: Statuses

    def openapi(self) -> dict[str, Any]:
        """Return the document, made once."""
        if self.openapi_schema is None:
            document = super().openapi()
            _declare_bodies(document, self.operations)
            _declare_problems(document, self.statuses)
        return self.openapi_schema or {}


def _declare_bodies(document: Mapping[str, Any], routes: Iterable[APIRoute]) -> None:
    for route in routes:
        body = next(_raw_bodies(route.dependant), None)
        if body is not None and route.include_in_schema:
            for method in route.methods or ():
                operation = document["paths"][route.path_format][method.lower()]
                operation.update({**binary(*body.media_types), **(route.openapi_extra or {})})


def _raw_bodies(dependant: Dependant) -> Iterator[RawBody]:
    if isinstance(dependant.call, RawBody):
        yield dependant.call
    for each in dependant.dependencies:
        yield from _raw_bodies(each)


def _declare_problems(document: dict[str, Any], statuses: Statuses) -> None:
    for operation in (each for path in document["paths"].values() for each in path.values()):
        answers = operation.setdefault("responses", {})
        for status in sorted(_expected(operation)):
            answers[str(int(status))] = _answer(status.phrase)
        answers["default"] = _answer(_others(statuses))
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in _OF_FASTAPI:
        schemas.pop(name, None)
    for model in (ProblemDocument, FieldFinding):
        schema = model.model_json_schema(ref_template=_REFERENCE)
        schema.pop("$defs", None)
        schemas[model.__name__] = schema


def _expected(operation: Mapping[str, Any]) -> set[HTTPStatus]:
    """Return the statuses that follow from what the operation takes."""
    found = set(_ALWAYS)
    if operation.get("security"):
        found.update(_WITH_TOKEN)
    if str(int(HTTPStatus.UNPROCESSABLE_ENTITY)) in operation["responses"]:
        found.add(HTTPStatus.UNPROCESSABLE_ENTITY)
    parameters = operation.get("parameters", ())
    if any(each["in"] == "path" for each in parameters):
        found.add(HTTPStatus.NOT_FOUND)
    if any(each["name"].lower() == "idempotency-key" for each in parameters):
        found.update(_WITH_KEY)
    content = operation.get("requestBody", {}).get("content")
    if content:
        found.update(_WITH_BODY)
        if not {"application/json", "*/*"} & content.keys():
            found.add(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    return found


def _others(statuses: Statuses) -> str:
    """Describe what else the service may refuse, by status."""
    lines = [f"- {int(status)}: {key}" for key, status in sorted(statuses.items(), key=lambda each: (each[1], each[0]))]
    return "\n".join(["The rules do not allow it; `key` says why.", *lines])


def _answer(description: str) -> dict[str, Any]:
    content = {MEDIA_TYPE: {"schema": {"$ref": _REFERENCE.format(model=ProblemDocument.__name__)}}}
    headers = {"Content-Language": {"schema": {"type": "string"}, "description": "The language of title and detail."}}
    return {"description": description, "headers": headers, "content": content}
