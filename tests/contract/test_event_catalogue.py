"""The published catalogue of events is up to date, breaks no reader, and is a valid AsyncAPI document."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from faststream.specification.asyncapi.v3_0_0.schema import ApplicationSchema

from libs.common.contracts import asyncapi
from libs.common.contracts.events import Event
from libs.common.contracts.topics import TOPICS, Topic, is_dead_letter_topic, is_retry_topic, origin_of


class Announced(Event):
    topic: ClassVar[str] = "otp.sent"

    number: int


def test_the_committed_catalogue_breaks_no_reader_and_is_up_to_date() -> None:
    assert list(asyncapi.refusals(asyncapi.FOLDER)) == []
    assert asyncapi.outdated(asyncapi.FOLDER) == []
    assert asyncapi.main(["--check"]) == 0


def test_every_topic_has_its_schema_and_nothing_else_is_there() -> None:
    names = {file.stem for file in asyncapi.FOLDER.glob("*.json")}
    assert names == {topic.event.type() for topic in TOPICS} | {"asyncapi"}


def test_a_change_that_breaks_is_refused_and_leaves_the_files_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asyncapi.main(["--folder", str(tmp_path)]) == 0
    file = tmp_path / "otp.sent.v1.json"
    older = json.loads(file.read_text())
    older["properties"]["channel"] = {"type": "string"}
    file.write_text(json.dumps(older))
    for arguments in (["--check"], []):
        assert asyncapi.main([*arguments, "--folder", str(tmp_path)]) == 1
        assert "otp.sent.v1: channel was removed or renamed" in capsys.readouterr().err
        assert json.loads(file.read_text()) == older


def test_a_type_that_is_gone_is_refused_until_its_file_is_taken_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "otp.forgotten.v1.json"
    gone.write_text("{}")
    assert asyncapi.main(["--folder", str(tmp_path)]) == 1
    assert "otp.forgotten.v1: the type was removed" in capsys.readouterr().err
    gone.unlink()
    assert asyncapi.main(["--folder", str(tmp_path)]) == 0


def test_growth_is_only_out_of_date_and_written_when_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asyncapi.main(["--folder", str(tmp_path)])
    file = tmp_path / "otp.rejected.v1.json"
    older = json.loads(file.read_text())
    del older["properties"]["retry_at"]
    file.write_text(json.dumps(older))
    assert asyncapi.main(["--check", "--folder", str(tmp_path)]) == 1
    assert "out of date" in capsys.readouterr().err
    assert asyncapi.main(["--folder", str(tmp_path)]) == 0
    assert asyncapi.main(["--check", "--folder", str(tmp_path)]) == 0


def test_a_removed_class_of_the_code_is_refused(tmp_path: Path) -> None:
    asyncapi.main(["--folder", str(tmp_path)])
    fewer = (Topic(Announced, "otp", ()),)
    said = list(asyncapi.refusals(tmp_path, fewer))
    assert len([each for each in said if "the type was removed" in each]) == len(TOPICS) - 1
    assert "otp.sent.v1: expires_at was removed or renamed" in said


def test_the_asyncapi_document_names_every_topic_message_sender_and_receiver() -> None:
    document = asyncapi.asyncapi()
    ApplicationSchema.model_validate(document)
    assert document["asyncapi"] == "3.0.0"
    assert set(document["channels"]) == {topic.name for topic in TOPICS}
    receivers = {(topic.name, group) for topic in TOPICS for group in topic.consumers}
    operations = document["operations"].values()
    assert len([each for each in operations if each["action"] == "send"]) == len(TOPICS)
    assert len([each for each in operations if each["action"] == "receive"]) == len(receivers)


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for each in node.values():
            yield from references(each)
    elif isinstance(node, list):
        for each in node:
            yield from references(each)


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = asyncapi.asyncapi()
    found = set(references(document))
    assert found
    for reference in found:
        node: Any = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
        assert node


def test_what_must_be_sealed_is_described_as_a_box_and_who_may_open_it() -> None:
    started = asyncapi.schemas(topic.event for topic in TOPICS)["journey.started.v1"]
    person = started["properties"]["person"]
    assert set(person["properties"]) == {"kid", "box"}
    assert person["x-audience"] == "person"
    assert "iin" in person["x-content"]["properties"]


def test_no_topic_of_facts_looks_like_one_where_messages_are_parked() -> None:
    for topic in TOPICS:
        assert origin_of(topic.name) == topic.name
        assert not is_retry_topic(topic.name)
        assert not is_dead_letter_topic(topic.name)
