"""Log lines as they leave the process."""

import io
import json
import logging as stdlib
from collections.abc import Callable, Iterator
from typing import Any

import pydantic
import pytest
import structlog

from libs.common.core import logging
from libs.common.core.redaction import MASK

IIN, PHONE, EMAIL = "850101300123", "+77011234567", "aigerim@mail.example"

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def root() -> Iterator[stdlib.Logger]:
    root = stdlib.getLogger()
    handlers, level, configuration = root.handlers[:], root.level, structlog.get_config()
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**configuration)
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def lines(root: stdlib.Logger) -> Lines:
    stream = io.StringIO()
    logging.configure("otp", json=True, stream=stream)
    assert len(root.handlers) == 1
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_our_own_record_is_one_line_of_json_with_service_level_and_time(lines: Lines) -> None:
    structlog.get_logger().info("message.handled", topic="otp.sent", attempt=1)
    (line,) = lines()
    assert line.pop("at").endswith("Z")
    assert line == {
        "event": "message.handled",
        "topic": "otp.sent",
        "attempt": 1,
        "level": "info",
        "service": "otp",
    }


def test_a_record_of_a_library_looks_the_same_and_names_the_library(lines: Lines) -> None:
    stdlib.getLogger("aiokafka.consumer").warning("no answer from %s", "broker-1")
    (line,) = lines()
    assert (line["event"], line["logger"], line["level"], line["service"]) == (
        "no answer from broker-1",
        "aiokafka.consumer",
        "warning",
        "otp",
    )


def test_what_the_context_holds_stands_in_the_lines_of_both_and_may_name_another_service(lines: Lines) -> None:
    with structlog.contextvars.bound_contextvars(service="ca", request="r-1"):
        structlog.get_logger().info("ours")
        stdlib.getLogger("theirs").warning("theirs")
    assert [(line["service"], line["request"]) for line in lines()] == [("ca", "r-1")] * 2


def test_personal_data_is_masked_in_fields_texts_and_records_of_libraries(lines: Lines) -> None:
    sentence = f"sent to {PHONE}"
    structlog.get_logger().info(sentence, iin=IIN, note=f"mail {EMAIL}", nested={"given_name": "Айгерім", "at": [IIN]})
    stdlib.getLogger("driver").error("cannot store %r", {"iin": IIN, "phone": PHONE})
    text = json.dumps(lines(), ensure_ascii=False)
    assert not [value for value in (IIN, PHONE, EMAIL, "Айгерім") if value in text]
    assert text.count(MASK) == 7


def test_a_traceback_is_kept_and_what_looks_personal_in_its_message_is_masked(lines: Lines) -> None:
    try:
        raise RuntimeError(f"no such person {IIN}")  # noqa: TRY301 - the point is the traceback
    except RuntimeError:
        structlog.get_logger().exception("failed")
        stdlib.getLogger("driver").exception("failed too")
    for line in lines():
        assert line["exception"].endswith(f"RuntimeError: no such person {MASK}\n")
        assert "test_logging.py" in line["exception"]


class Form(pydantic.BaseModel):
    surname: int


def test_a_validation_error_is_logged_by_place_and_rule_and_never_with_its_input(lines: Lines) -> None:
    surname = "Серік" + "қызы"  # in two pieces, for the traceback shows this very line
    with pytest.raises(pydantic.ValidationError) as caught:
        Form.model_validate({"surname": surname})
    outer = RuntimeError("outer")
    outer.__cause__ = caught.value
    structlog.get_logger().error("failed", exc_info=outer)
    (line,) = lines()
    assert "surname (int_parsing)" in line["exception"]
    assert "This led to" in line["exception"]
    assert surname not in line["exception"]


def test_all_members_of_an_exception_group_are_described(lines: Lines) -> None:
    group = ExceptionGroup("two", [ValueError("first"), KeyError("second")])
    structlog.get_logger().error("failed", exc_info=group)
    (line,) = lines()
    assert "ValueError: first" in line["exception"]
    assert "KeyError: 'second'" in line["exception"]


def test_values_that_are_not_json_are_described_instead_of_breaking_the_line(lines: Lines) -> None:
    structlog.get_logger().info("odd", what=object(), key={1: {2}}, raw=b"\x00\xff")
    (line,) = lines()
    assert line["what"].startswith("<object object")
    assert line["key"] == {"1": [2]}
    assert line["raw"] == "<2 bytes>"


def test_levels_below_the_chosen_one_are_silent_and_drivers_never_write_their_commands(root: stdlib.Logger) -> None:
    stream = io.StringIO()
    logging.configure("otp", json=True, level="DEBUG", stream=stream)
    stdlib.getLogger("pymongo.command").debug("insert {...}")
    stdlib.getLogger("uvicorn.access").info("GET /v1/journeys/...")
    assert stream.getvalue() == ""
    logging.configure("otp", json=True, level="WARNING", stream=stream)
    structlog.get_logger().info("silent")
    assert stream.getvalue() == ""
    assert root.level == stdlib.WARNING


def test_a_logger_made_before_a_second_configuration_follows_it(root: stdlib.Logger) -> None:
    log, first, second = structlog.get_logger(), io.StringIO(), io.StringIO()
    logging.configure("otp", json=True, stream=first)
    log.info("one")
    logging.configure("otp", json=False, stream=second)
    log.info("two", iin=IIN)
    assert "one" in first.getvalue()
    assert "two" not in first.getvalue()
    assert "two" in second.getvalue()
    assert IIN not in second.getvalue()
    assert len(root.handlers) == 1
