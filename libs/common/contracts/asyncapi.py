"""The catalogue of events for downstream systems: a JSON Schema for each type, and AsyncAPI 3.0 for all topics.

    python -m libs.common.contracts.asyncapi           write docs/events/
    python -m libs.common.contracts.asyncapi --check   only say whether it is up to date

Both refuse a change that would break a reader (`libs.common.contracts.compatibility`). Such a change needs a new
version of the event beside the old one; a type that nobody reads and whose records are gone is removed by deleting
its file.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from libs.common.contracts.compatibility import breaks
from libs.common.contracts.events import SPEC_VERSION, Event, schema_of
from libs.common.contracts.topics import TOPICS, Topic

FOLDER: Final = Path(__file__).parents[3] / "docs" / "events"
ASYNCAPI: Final = "asyncapi.json"
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
KAFKA_BINDING: Final = "0.5.0"


def schemas(kinds: Iterable[type[Event]]) -> dict[str, dict[str, Any]]:
    """Return the JSON Schema of each kind of event by its CloudEvents type, without references."""
    return {kind.type(): {"$schema": DIALECT, **_inlined(schema_of(kind))} for kind in kinds}


def asyncapi(topics: Sequence[Topic] = TOPICS) -> dict[str, Any]:
    """Describe all topics with their messages, who sends and who receives them, as an AsyncAPI 3.0.0 document."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Onboarding: facts on Kafka",
            "version": "1.0.0",
            "description": f"CloudEvents {SPEC_VERSION} in Kafka's binary mode. The key is the subject. Fields are only"
            " ever added, with a default. Sealed fields are readable for holders of the key they name (x-audience).",
        },
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic) for topic in topics},
        "operations": {name: operation for topic in topics for name, operation in _operations(topic)},
        "components": {
            "messages": {topic.event.type(): _message(topic.event) for topic in topics},
            "schemas": {"CloudEventHeaders": _headers(), **schemas(topic.event for topic in topics)},
        },
    }


def files(topics: Sequence[Topic] = TOPICS) -> dict[str, str]:
    """Return the catalogue's files by name."""
    documents = {f"{type_}.json": schema for type_, schema in schemas(topic.event for topic in topics).items()}
    return {name: _text(document) for name, document in {**documents, ASYNCAPI: asyncapi(topics)}.items()}


def refusals(folder: Path, topics: Sequence[Topic] = TOPICS) -> Iterator[str]:
    """Name every change, against the files in a folder, that would break a reader."""
    now = schemas(topic.event for topic in topics)
    for file in sorted(folder.glob("*.json")):
        if file.name == ASYNCAPI:
            continue
        if file.stem not in now:
            yield f"{file.stem}: the type was removed or renamed; if nobody reads it any more, delete {file.name}"
            continue
        yield from (f"{file.stem}: {each}" for each in breaks(json.loads(file.read_text()), now[file.stem]))


def outdated(folder: Path, topics: Sequence[Topic] = TOPICS) -> list[str]:
    """Name the files in a folder that are not what they would be if written now."""
    written = {file.name: file.read_text() for file in folder.glob("*.json")}
    wanted = files(topics)
    return sorted(name for name in written.keys() | wanted.keys() if written.get(name) != wanted.get(name))


def _channel(topic: Topic) -> dict[str, Any]:
    configuration = {"retention.ms": int(topic.config["retention.ms"]), "cleanup.policy": ["delete"]}
    binding = {"topic": topic.name, "partitions": topic.partitions, "topicConfiguration": configuration}
    return {
        "address": topic.name,
        "description": _description(topic.event),
        "messages": {topic.event.type(): {"$ref": f"#/components/messages/{topic.event.type()}"}},
        "bindings": {"kafka": {**binding, "bindingVersion": KAFKA_BINDING}},
    }


def _operations(topic: Topic) -> Iterator[tuple[str, dict[str, Any]]]:
    channel = f"#/channels/{topic.name}"
    what = {"channel": {"$ref": channel}, "messages": [{"$ref": f"{channel}/messages/{topic.event.type()}"}]}
    yield f"{topic.producer}.sends.{topic.name}", {"action": "send", **what}
    for group in topic.consumers:
        binding = {"groupId": {"type": "string", "const": group}, "bindingVersion": KAFKA_BINDING}
        yield f"{group}.receives.{topic.name}", {"action": "receive", **what, "bindings": {"kafka": binding}}


def _message(kind: type[Event]) -> dict[str, Any]:
    return {
        "name": kind.type(),
        "title": kind.__name__,
        "summary": _description(kind),
        "contentType": "application/json",
        "headers": {"$ref": "#/components/schemas/CloudEventHeaders"},
        "payload": {"$ref": f"#/components/schemas/{kind.type()}"},
        "bindings": {"kafka": {"key": {"type": "string"}, "bindingVersion": KAFKA_BINDING}},
    }


def _headers() -> dict[str, Any]:
    text = {"type": "string"}
    required = ("ce_id", "ce_type", "ce_source", "ce_time", "ce_subject", "ce_signature")
    optional = ("ce_correlationid", "ce_causationid", "traceparent", "content-type")
    return {
        "type": "object",
        "description": "CloudEvents attributes, with correlation and causation as extensions, and W3C Trace Context.",
        "properties": {
            "ce_specversion": {**text, "const": SPEC_VERSION},
            **dict.fromkeys(required + optional, text),
            "ce_time": {**text, "format": "date-time"},
        },
        "required": ["ce_specversion", *required],
    }


def _description(kind: type[Event]) -> str:
    return " ".join((kind.__doc__ or "").split())


def _inlined(node: Any, definitions: Mapping[str, Any] | None = None) -> Any:
    """Put definitions in the place of references to them. No event holds itself, so there is an end to it."""
    if isinstance(node, list):
        return [_inlined(each, definitions) for each in node]
    if not isinstance(node, Mapping):
        return node
    definitions = node.get("$defs", definitions)
    rest = {name: _inlined(each, definitions) for name, each in node.items() if name not in {"$ref", "$defs"}}
    if "$ref" not in node:
        return rest
    return {**_inlined((definitions or {})[node["$ref"].rpartition("/")[2]], definitions), **rest}


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; give its exit status: 0, or 1 for a refused change or a catalogue that is out of date."""
    parser = argparse.ArgumentParser(
        prog="python -m libs.common.contracts.asyncapi", description="The catalogue of events."
    )
    parser.add_argument("--check", action="store_true", help="write nothing, only say whether it is up to date")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where it stands; docs/events unless given")
    parsed = parser.parse_args(arguments)
    if refused := list(refusals(parsed.folder)):
        _say("These changes would break readers. Give the event a new version beside the old one instead.", *refused)
        return 1
    if not parsed.check:
        parsed.folder.mkdir(parents=True, exist_ok=True)
        for name, text in files().items():
            (parsed.folder / name).write_text(text)
    elif stale := outdated(parsed.folder):
        _say("The catalogue is out of date. Run `python -m libs.common.contracts.asyncapi`.", *stale)
        return 1
    return 0


def _say(*lines: str) -> None:
    sys.stderr.writelines(f"{line}\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
