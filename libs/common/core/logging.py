"""Logs: one line of JSON per thing that happened, the same for our own records and those of libraries.

Take a logger with ``log = structlog.get_logger()`` and say what happened as a dotted name with fields:
``log.info("message.handled", topic=..., outcome=...)``. What is bound with ``structlog.contextvars`` (service,
request, journey) stands in every line. Redaction (`libs.common.core.redaction`) is the last step before a line is
written.
"""

import logging
import sys
from collections.abc import Iterator
from traceback import format_tb
from typing import Any, Final, TextIO

import orjson
import pydantic
import structlog
from fastapi.exceptions import ValidationException
from structlog.typing import EventDict, Processor, WrappedLogger

from libs.common.core.redaction import clean, clean_item

# Chatty below this level, and pymongo would write whole commands.
_LIBRARY_LEVELS: Final = {
    "pymongo": logging.WARNING,
    "aiokafka": logging.WARNING,
    "asyncio": logging.WARNING,
    "uvicorn.access": logging.WARNING,  # libs.common.web.http writes the request line, by route template
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
}
_BEGINNING: Final[tuple[Processor, ...]] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
)


def configure(service: str, *, json: bool, level: int | str = logging.INFO, stream: TextIO | None = None) -> None:
    """Set up logging for the whole process; a second call replaces the first.

    Args:
        service: stands in every line, unless a context has bound another one.
        json: one JSON object a line for machines, or aligned and coloured text for people.
        level: the least level to be written.
        stream: where to; standard output unless given.
    """
    stream = stream or sys.stdout
    ending = _ending(service, json=json, colours=stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_BEGINNING, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, least in _LIBRARY_LEVELS.items():
        logging.getLogger(name).setLevel(max(least, root.level))
    logging.captureWarnings(capture=True)  # a text that is missing warns, for one
    structlog.configure(
        # Our own records take the same steps without the detour over the standard library, at half the cost.
        processors=[*_BEGINNING, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(root.level),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,  # a logger made at import time must follow a second configuration
    )


def _ending(service: str, *, json: bool, colours: bool) -> list[Processor]:
    def name_service(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event.setdefault("service", service)
        return event

    render: Processor = _to_json if json else structlog.dev.ConsoleRenderer(colors=colours)
    return [name_service, describe_error, redact, render]


def describe_error(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Put the traceback of ``exc_info`` under ``exception``, without messages that quote what somebody sent."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event["exception"] = "".join(_traceback(error, set()))
    return event


def _traceback(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if earlier is not None and id(earlier) not in seen:
        yield from _traceback(earlier, seen)
        yield "\nThis led to:\n"
    yield from format_tb(error.__traceback__)
    # A validation error's text repeats the input; its places and rules do not.
    quiet = isinstance(error, pydantic.ValidationError | ValidationException)
    yield f"{type(error).__name__}: {_places(error) if quiet else error}\n"
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            yield from _traceback(member, seen)


def _places(error: Any) -> str:
    return ", ".join(f"{'.'.join(map(str, item['loc']))} ({item['type']})" for item in error.errors())


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask what is personal: known keys whole, and what looks like an IIN, a phone number or an e-mail in any text."""
    return {key: clean(value) if key in _OURS else clean_item(key, value) for key, value in event.items()}


_OURS: Final = frozenset({"event", "at", "level", "service", "exception"})


def _to_json(_logger: WrappedLogger, _method: str, event: EventDict) -> Any:
    return orjson.dumps(event, option=orjson.OPT_NON_STR_KEYS).decode()
