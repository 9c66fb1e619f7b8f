"""Logs: one line of JSON per thing that happened, the same for our own records and those of libraries.

Take a logger with ``log = structlog.get_logger()`` and say what happened as a dotted name with fields:
``log.info("message.handled", topic=..., outcome=...)``. What is bound with ``structlog.contextvars`` (service,
request, journey) stands in every line. Redaction (`libs.common.redaction`) is the last step before a line is written.
"""

import logging
import sys
from typing import Any, Final, TextIO

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from libs.common.redaction import clean, clean_item

# Chatty below this level, and pymongo would write whole commands.
_LIBRARY_LEVELS: Final = {
    "pymongo": logging.WARNING,
    "aiokafka": logging.WARNING,
    "asyncio": logging.WARNING,
    "uvicorn.access": logging.WARNING,  # libs.common.http writes the request line, by route template
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
}
_SHARED: Final[tuple[Processor, ...]] = (
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
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(_formatter(service, json=json, colours=stream is None and sys.stdout.isatty()))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, least in _LIBRARY_LEVELS.items():
        logging.getLogger(name).setLevel(max(least, root.level))
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(root.level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def _formatter(service: str, *, json: bool, colours: bool) -> logging.Formatter:
    def name_service(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event.setdefault("service", service)
        return event

    render: Processor = _to_json if json else structlog.dev.ConsoleRenderer(colors=colours)
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_SHARED, structlog.stdlib.add_logger_name],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            name_service,
            structlog.processors.format_exc_info,
            redact,
            render,
        ],
    )


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask what is personal: known keys whole, and what looks like an IIN, a phone number or an e-mail in any text."""
    return {key: clean(value) if key in _OURS else clean_item(key, value) for key, value in event.items()}


_OURS: Final = frozenset({"event", "at", "level", "service", "exception"})


def _to_json(_logger: WrappedLogger, _method: str, event: EventDict) -> Any:
    return orjson.dumps(event, option=orjson.OPT_NON_STR_KEYS).decode()
