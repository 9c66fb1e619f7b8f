"""Schemas of events only grow: every change that would break a reader, old or new, is refused by name."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any, ClassVar, Literal

import pytest
from pydantic import BaseModel, create_model

from libs.common.contracts.asyncapi import schemas
from libs.common.contracts.compatibility import breaks
from libs.common.contracts.events import Event
from libs.common.core.sealing import Personal, Sealed


class Owner(BaseModel):
    name: str
    rank: int = 0


class Secret(Personal):
    audience: ClassVar[str] = "person"

    iin: str


class WiderSecret(Secret):
    middle: str | None = None


class OtherSecret(Personal):
    audience: ClassVar[str] = "person"

    number: str


class ElsewhereSecret(Secret):
    audience: ClassVar[str] = "contact"


FIELDS: dict[str, Any] = {
    "id": (str, ...),
    "count": (int, ...),
    "note": (str | None, None),
    "kind": (Literal["a", "b"], ...),
    "at": (datetime, ...),
    "owner": (Owner, ...),
    "owners": (tuple[Owner, ...], ()),
    "secret": (Sealed[Secret], ...),
    "labels": (dict[str, int], {}),
}


def schema(**changes: Any) -> dict[str, Any]:
    """Give the schema of the event with some fields other than they are; None takes one away."""
    fields = {name: each for name, each in {**FIELDS, **changes}.items() if each is not None}
    kind: type[Event] = create_model("Thing", __base__=Event, **fields)
    kind.topic = "thing.made"
    return schemas([kind])["thing.made.v1"]


def owner(**changes: Any) -> Any:
    fields: dict[str, Any] = {"name": (str, ...), "rank": (int, 0), **changes}
    return create_model("Owner", **{name: each for name, each in fields.items() if each is not None})


GROWS: dict[str, Callable[[], dict[str, Any]]] = {
    "nothing": schema,
    "a new field with a default": lambda: schema(colour=(str, "red")),
    "a new field that may be missing": lambda: schema(colour=(str | None, None)),
    "another default": lambda: schema(note=(str | None, "none")),
    "a default where there was none": lambda: schema(count=(int, 0)),
    "a new field within a field": lambda: schema(owner=(owner(colour=(str, "red")), ...)),
    "a new field within a list": lambda: schema(owners=(tuple[owner(colour=(str, "red")), ...], ())),  # type: ignore[misc]  # made at run time
    "a new field within what is sealed": lambda: schema(secret=(Sealed[WiderSecret], ...)),
}

BREAKS: dict[str, tuple[Callable[[], dict[str, Any]], str]] = {
    "a field removed": (lambda: schema(count=None), "count was removed or renamed"),
    "an optional field removed": (lambda: schema(note=None), "note was removed or renamed"),
    "a field renamed": (lambda: schema(count=None, number=(int, 0)), "count was removed or renamed"),
    "a field of another type": (lambda: schema(count=(str, ...)), "count is of another type"),
    "a field of another form": (lambda: schema(at=(date, ...)), "at is of another type"),
    "a field that may now be null": (lambda: schema(count=(int | None, ...)), "count is of another type"),
    "a field that may no longer be null": (lambda: schema(note=(str, "")), "note is of another type"),
    "a choice more": (lambda: schema(kind=(Literal["a", "b", "c"], ...)), "kind is of another type"),
    "a choice less": (lambda: schema(kind=(Literal["a"], ...)), "kind is of another type"),
    "a choice of another type": (lambda: schema(note=(int | None, None)), "note is of another type"),
    "a new field without a default": (lambda: schema(colour=(str, ...)), "colour is new and has no default"),
    "a default taken away": (lambda: schema(note=(str | None, ...)), "note lost its default"),
    "a field removed within a field": (lambda: schema(owner=(owner(rank=None), ...)), "owner.rank was removed"),
    "a field of another type within a list": (
        lambda: schema(owners=(tuple[owner(rank=(str, "0")), ...], ())),  # type: ignore[misc]  # made at run time
        "owners[].rank is of another type",
    ),
    "a new field without a default within a list": (
        lambda: schema(owners=(tuple[owner(colour=(str, ...)), ...], ())),  # type: ignore[misc]  # made at run time
        "owners[].colour is new and has no default",
    ),
    "a list that is none any more": (lambda: schema(owners=(Owner | None, None)), "owners is of another type"),
    "a list of something else": (lambda: schema(owners=(tuple[str, ...], ())), "owners[] is of another type"),
    "a map of something else": (lambda: schema(labels=(dict[str, str], {})), "labels is of another type"),
    "a field that is sealed no more": (lambda: schema(secret=(Secret, ...)), "secret is of another type"),
    "a field sealed for others": (lambda: schema(secret=(Sealed[ElsewhereSecret], ...)), "secret is of another type"),
    "another content of what is sealed": (
        lambda: schema(secret=(Sealed[OtherSecret], ...)),
        "secret.iin was removed or renamed",
    ),
}


@pytest.mark.parametrize("change", GROWS)
def test_a_schema_may_grow(change: str) -> None:
    assert list(breaks(schema(), GROWS[change]())) == []


@pytest.mark.parametrize("change", BREAKS)
def test_a_change_that_breaks_a_reader_is_refused_by_name(change: str) -> None:
    changed, said = BREAKS[change]
    assert any(each.startswith(said) for each in breaks(schema(), changed())), list(breaks(schema(), changed()))


def test_every_break_of_a_change_is_named_not_only_the_first() -> None:
    changed = schema(count=None, id=None, colour=(str, ...))
    assert len(list(breaks(schema(), changed))) == 3
