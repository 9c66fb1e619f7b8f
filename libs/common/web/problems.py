"""Everything that goes wrong with a request, as a problem document (RFC 9457) in the language of the caller.

Its ``type`` is ``urn:onboarding:problem:<key>``; the key, ``otp.wrong_code`` for one, is what clients go by. The words
come from the catalogue: ``problem.<key>.happened`` is the title, ``.means`` and ``.remedy`` are the detail. No document
repeats what the client sent: a proxy's log of answers would otherwise hold personal data.
"""

from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from datetime import datetime
from email.utils import format_datetime
from http import HTTPStatus
from typing import Any, Final

import orjson
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from libs.common.core.errors import Refused, Retryable, Unavailable
from libs.common.texts.catalogue import Catalogue
from libs.common.texts.languages import Language, negotiate
from libs.common.web.refusals import HTTP_PROBLEMS, HttpRefusal

Handler = Callable[[Request, Any], Coroutine[Any, Any, Response]]
Statuses = Mapping[str, int]
"""The HTTP status of each reason to refuse."""

RETRY_AFTER_S: Final = 5
MEDIA_TYPE: Final = "application/problem+json"

_MOST_FINDINGS: Final = 20
"""More help nobody, and a hostile form can have as many as it has octets."""
_MOST_IN_WORDS: Final = 5

# These say what is wrong with the request's shape, so no field's key stands for them.
_OF_NO_FIELD: Final = frozenset({"json_invalid", "missing", "extra_forbidden", "model_attributes_type"})

_BY_STATUS: Final[Mapping[int, HttpRefusal]] = {
    HTTPStatus.BAD_REQUEST: HttpRefusal.REQUEST_MALFORMED,
    HTTPStatus.NOT_FOUND: HttpRefusal.ROUTE_UNKNOWN,
    HTTPStatus.METHOD_NOT_ALLOWED: HttpRefusal.METHOD_NOT_ALLOWED,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: HttpRefusal.BODY_TOO_LARGE,
}


def language_of(headers: Headers) -> Language:
    """Return the language that the caller reads best."""
    return negotiate(",".join(headers.getlist("accept-language")))


def language_headers(language: Language) -> dict[str, str]:
    """Return the headers of an answer whose texts are in this language because the caller asked for it."""
    return {"Content-Language": language, "Vary": "Accept-Language"}


class Problems:
    """Makes the problem documents of one service.

    Args:
        texts: its catalogue, the shared texts among them.
        statuses: its table of reasons.
    """

    def __init__(self, texts: Catalogue, statuses: Statuses) -> None:
        self._texts = texts
        self._statuses = {**HTTP_PROBLEMS, **statuses}

    def handlers(self) -> dict[int | type[Exception], Handler]:
        """Return the exception handlers of an application."""
        return {
            Refused: self._refused,
            Unavailable: self._unavailable,
            Retryable: self._unavailable,
            HTTPException: self._http_error,
            RequestValidationError: self._invalid,
        }

    def unexpected(self, headers: Headers, incident: str) -> Response:
        """Answer for an error nobody foresaw: nothing of it leaves the service but the number of the log entry."""
        return self._answer(language_of(headers), HttpRefusal.SERVICE_FAILED, {"incident": incident})

    async def _refused(self, request: Request, error: Refused) -> Response:
        headers = {}
        if self._statuses[error.key] == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        if isinstance(retry_at := error.facts.get("retry_at"), datetime):
            headers["Retry-After"] = format_datetime(retry_at, usegmt=True)
        return self._answer(language_of(request.headers), error.key, error.facts, headers=headers)

    async def _unavailable(self, request: Request, _error: Exception) -> Response:
        headers = {"Retry-After": str(RETRY_AFTER_S)}
        return self._answer(language_of(request.headers), HttpRefusal.SERVICE_UNAVAILABLE, {}, headers=headers)

    async def _http_error(self, request: Request, error: HTTPException) -> Response:
        language = language_of(request.headers)
        if (reason := _BY_STATUS.get(error.status_code)) is not None:
            return self._answer(language, reason, {}, headers=error.headers)
        key, words = f"http.{error.status_code}", self._words("http", language, {})
        return _document(error.status_code, key, words, {}, {**(error.headers or {}), **language_headers(language)})

    async def _invalid(self, request: Request, error: RequestValidationError) -> Response:
        """Answer 422. If all errors are about one field the key names it, as in ``iin.malformed``."""
        language = language_of(request.headers)
        found = [self._finding(item, language) for item in error.errors()[:_MOST_FINDINGS]]
        fields = {item["field"].rpartition(".")[2] for item in found if item["rule"] not in _OF_NO_FIELD}
        key = f"{fields.pop()}.malformed" if len(fields) == len(found) == 1 else HttpRefusal.REQUEST_MALFORMED
        known = f"problem.{key}.happened" in self._texts
        words = self._words(key if known else HttpRefusal.REQUEST_MALFORMED, language, {})
        if not known or key == HttpRefusal.REQUEST_MALFORMED:
            words["detail"] = " ".join([words["detail"], *self._sentences(found[:_MOST_IN_WORDS], language)])
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return _document(status, key, words, {"errors": found}, language_headers(language))

    def _finding(self, item: Mapping[str, Any], language: Language) -> dict[str, str]:
        place: Sequence[Any] = item["loc"]
        if item["type"] == "extra_forbidden":
            place = (*place[:-1], "(unknown field)")  # the client chose that name
        rule = f"invalid.{item['type']}"
        # The context of these rules speaks of the schema alone; that of others may quote the value.
        text = (
            self._texts.text(rule, language, **item.get("ctx", {}))
            if rule in self._texts
            else self._texts.text("invalid.other", language)
        )
        return {"field": ".".join(map(str, place)), "rule": str(item["type"]), "message": text}

    def _sentences(self, found: Sequence[Mapping[str, str]], language: Language) -> Iterator[str]:
        """Say what is wrong with each field that has a name people know."""
        for item in found:
            name = f"field.{item['field'].rpartition('.')[2]}"
            if name in self._texts:
                facts = {"field": self._texts.text(name, language), "message": item["message"]}
                yield self._texts.text("invalid.finding", language, **facts)

    def _answer(
        self,
        language: Language,
        key: str,
        facts: Mapping[str, object],
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        words = self._words(key, language, facts)
        headers = {**(headers or {}), **language_headers(language)}
        return _document(self._statuses[key], key, words, facts, headers)

    def _words(self, key: str, language: Language, facts: Mapping[str, object]) -> dict[str, str]:
        """Return title and detail. A part of the detail that speaks of a fact that is not known (None) is left out."""
        parts = (
            self._texts.text(text, language, **facts)
            for text in (f"problem.{key}.means", f"problem.{key}.remedy")
            if text in self._texts and all(facts.get(name, "") is not None for name in self._texts.placeholders(text))
        )
        return {"title": self._texts.text(f"problem.{key}.happened", language), "detail": " ".join(parts)}


def _document(
    status: int, key: str, words: Mapping[str, str], extras: Mapping[str, object], headers: Mapping[str, str]
) -> Response:
    """Make a problem document. Extras are further members; dates among them become ISO 8601."""
    document = {**extras, "type": f"urn:onboarding:problem:{key}", **words, "status": int(status), "key": str(key)}
    return Response(orjson.dumps(document), status, headers, media_type=MEDIA_TYPE)
