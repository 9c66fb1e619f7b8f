"""Everything that goes wrong with a request, as a problem document (RFC 9457).

Its ``type`` is ``urn:onboarding:problem:<key>``; the key, ``otp.wrong_code`` for one, is what clients and translations
go by. No document repeats what the client sent: a proxy's log of answers would otherwise hold personal data.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from email.utils import format_datetime
from http import HTTPStatus
from typing import Any, Final

import orjson
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from libs.common.core.errors import Refused, Retryable, Unavailable

Handler = Callable[[Request, Any], Coroutine[Any, Any, Response]]

RETRY_AFTER_S: Final = 5

# Messages of these kinds speak of the schema alone; those of other kinds may quote the value.
_QUOTABLE: Final = frozenset(
    {"missing", "json_invalid", "string_type", "string_too_short", "string_too_long", "string_pattern_mismatch"}
    | {"int_type", "float_type", "bool_type", "list_type", "dict_type", "too_short", "too_long", "enum"}
    | {"literal_error", "greater_than", "greater_than_equal", "less_than", "less_than_equal", "model_attributes_type"}
)
_MOST_FINDINGS: Final = 20
"""More help nobody, and a hostile form can have as many as it has octets."""

# These say what is wrong with the request's shape, so no field's key stands for them.
_OF_NO_FIELD: Final = frozenset({"json_invalid", "missing", "extra_forbidden", "model_attributes_type"})


def problem(
    status: int,
    key: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    extras: Mapping[str, object] | None = None,
) -> Response:
    """Make a problem document. Extras are further members; dates among them become ISO 8601."""
    document = {
        **(extras or {}),
        "type": f"urn:onboarding:problem:{key}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "key": key,
    }
    return Response(orjson.dumps(document), status, headers, media_type="application/problem+json")


def unexpected(incident: str) -> Response:
    """Answer for an error nobody foresaw: nothing of it leaves the service but the number of the log entry."""
    detail = (
        "Something went wrong on our side, and it has been recorded. Please try again later; "
        "if it happens again, give the incident number to the help desk."
    )
    return problem(500, "service.failed", detail, extras={"incident": incident})


async def _refused(_request: Request, error: Refused) -> Response:
    headers = {"WWW-Authenticate": "Bearer"} if error.status == HTTPStatus.UNAUTHORIZED else {}
    if isinstance(retry_at := error.extras.get("retry_at"), datetime):
        headers["Retry-After"] = format_datetime(retry_at, usegmt=True)
    return problem(error.status, error.key, error.detail, headers=headers, extras=error.extras)


async def _unavailable(_request: Request, _error: Exception) -> Response:
    detail = "The service cannot reach something it needs at this moment. Nothing is lost; please try again shortly."
    return problem(503, "service.unavailable", detail, headers={"Retry-After": str(RETRY_AFTER_S)})


_HTTP_KEYS: Final = {
    400: ("request.malformed", "The request cannot be read: it is not what HTTP or JSON prescribe."),
    404: ("route.unknown", "There is nothing at this address. Please look for a mistake in the path."),
    405: ("method.not_allowed", "This address does not take this method; the Allow header names those it takes."),
    413: ("body.too_large", "The request is larger than this address accepts."),
    415: ("body.wrong_type", "This address does not take this kind of content."),
}


async def _http_error(_request: Request, error: HTTPException) -> Response:
    default = (f"http.{error.status_code}", HTTPStatus(error.status_code).phrase)
    key, detail = _HTTP_KEYS.get(error.status_code, default)
    return problem(error.status_code, key, detail, headers=error.headers)


async def _invalid(_request: Request, error: RequestValidationError) -> Response:
    """Answer 422. If all errors are about one field the key names it, as in ``iin.malformed``."""
    found = [_finding(item) for item in error.errors()[:_MOST_FINDINGS]]
    fields = {item["field"].rpartition(".")[2] for item in found if item["rule"] not in _OF_NO_FIELD}
    key = f"{fields.pop()}.malformed" if len(fields) == len(found) == 1 else "request.malformed"
    detail = "The request is not valid. " + "; ".join(f"{item['field']}: {item['message']}" for item in found[:5])
    return problem(422, key, detail, extras={"errors": found})


def _finding(item: Mapping[str, Any]) -> dict[str, str]:
    place: Sequence[Any] = item["loc"]
    if item["type"] == "extra_forbidden":
        place = (*place[:-1], "(unknown field)")  # the client chose that name
    return {"field": ".".join(map(str, place)), "rule": str(item["type"]), "message": _message(item)}


def _message(item: Mapping[str, Any]) -> str:
    kind, text = item["type"], str(item["msg"])
    if kind in _QUOTABLE:
        return text
    if kind == "value_error" and not any(part in text for part in _texts(item.get("input"))):
        return text.removeprefix("Value error, ")
    return "this is not a valid value"


def _texts(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [text for item in value.values() for text in _texts(item)]
    if isinstance(value, list | tuple):
        return [text for item in value for text in _texts(item)]
    return [] if value is None or value == "" else [str(value)]


def handlers() -> dict[int | type[Exception], Handler]:
    """Give the exception handlers of an application."""
    return {
        Refused: _refused,
        Unavailable: _unavailable,
        Retryable: _unavailable,
        HTTPException: _http_error,
        RequestValidationError: _invalid,
    }
