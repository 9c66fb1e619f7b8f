"""Why the HTTP side of a service refuses a request, whatever the service."""

from collections.abc import Mapping
from enum import StrEnum
from http import HTTPStatus
from typing import Final


class HttpRefusal(StrEnum):
    """The reason of a refusal; its value is the problem's key."""

    REQUEST_MALFORMED = "request.malformed"
    ROUTE_UNKNOWN = "route.unknown"
    METHOD_NOT_ALLOWED = "method.not_allowed"
    BODY_TOO_LARGE = "body.too_large"
    BODY_WRONG_TYPE = "body.wrong_type"
    TOKEN_MISSING = "token.missing"  # noqa: S105 - a reason
    TOKEN_INVALID = "token.invalid"  # noqa: S105 - a reason
    TOKEN_EXPIRED = "token.expired"  # noqa: S105 - a reason
    TOKEN_WRONG_ROLE = "token.wrong_role"  # noqa: S105 - a reason
    TOKEN_WRONG_SUBJECT = "token.wrong_subject"  # noqa: S105 - a reason
    KEY_MISSING = "idempotency.key_missing"
    KEY_MALFORMED = "idempotency.key_malformed"
    KEY_REUSED = "idempotency.key_reused"
    IN_PROGRESS = "idempotency.in_progress"
    SERVICE_UNAVAILABLE = "service.unavailable"
    SERVICE_FAILED = "service.failed"


HTTP_PROBLEMS: Final[Mapping[str, int]] = {
    HttpRefusal.REQUEST_MALFORMED: HTTPStatus.BAD_REQUEST,
    HttpRefusal.ROUTE_UNKNOWN: HTTPStatus.NOT_FOUND,
    HttpRefusal.METHOD_NOT_ALLOWED: HTTPStatus.METHOD_NOT_ALLOWED,
    HttpRefusal.BODY_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HttpRefusal.BODY_WRONG_TYPE: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HttpRefusal.TOKEN_MISSING: HTTPStatus.UNAUTHORIZED,
    HttpRefusal.TOKEN_INVALID: HTTPStatus.UNAUTHORIZED,
    HttpRefusal.TOKEN_EXPIRED: HTTPStatus.UNAUTHORIZED,
    HttpRefusal.TOKEN_WRONG_ROLE: HTTPStatus.FORBIDDEN,
    HttpRefusal.TOKEN_WRONG_SUBJECT: HTTPStatus.FORBIDDEN,
    HttpRefusal.KEY_MISSING: HTTPStatus.BAD_REQUEST,
    HttpRefusal.KEY_MALFORMED: HTTPStatus.BAD_REQUEST,
    HttpRefusal.KEY_REUSED: HTTPStatus.UNPROCESSABLE_ENTITY,
    HttpRefusal.IN_PROGRESS: HTTPStatus.CONFLICT,
    HttpRefusal.SERVICE_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    HttpRefusal.SERVICE_FAILED: HTTPStatus.INTERNAL_SERVER_ERROR,
}
