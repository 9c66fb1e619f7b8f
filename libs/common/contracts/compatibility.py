"""Whether a changed schema may take the place of the one it was: schemas of events only grow.

Old records stay on their topic, so new code reads what old code wrote; and services are deployed one after the other,
so old code reads what new code writes. Both hold if fields are only ever added, each with a usable default.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

Schema = Mapping[str, Any]

_SAYS_NOTHING: Final = frozenset({"title", "description", "default", "examples", "deprecated"})
_WITHIN: Final = frozenset({"properties", "required", "items", "anyOf", "additionalProperties", "x-content"})


def breaks(old: Schema, new: Schema, at: str = "") -> Iterator[str]:
    """Name what of a change would break readers, old or new; nothing if the change is fine.

    Args:
        old: the JSON Schema as it was published, without references.
        new: the schema as it is to be.
        at: the dotted path of the field it describes.
    """
    where = at or "the event"
    if _own(old) != _own(new):
        yield f"{where} is of another type: was {_own(old)}, is {_own(new)}"
        return
    yield from _fields(old, new, at)
    for part in ("items", "additionalProperties", "x-content"):
        yield from _part(old.get(part), new.get(part), f"{at}[]" if part == "items" else at, where)
    before, after = old.get("anyOf", []), new.get("anyOf", [])
    if len(before) != len(after):
        yield f"{where} is of another type: was one of {len(before)}, is one of {len(after)}"
    for one, other in zip(before, after, strict=False):
        yield from breaks(one, other, at)


def _fields(old: Schema, new: Schema, at: str) -> Iterator[str]:
    before, after = old.get("properties", {}), new.get("properties", {})
    was, required = set(old.get("required", ())), set(new.get("required", ()))
    for name in before:
        path = f"{at}.{name}" if at else name
        if name not in after:
            yield f"{path} was removed or renamed"
            continue
        if name in required and name not in was:
            yield f"{path} lost its default: records without it are on the topic"
        yield from breaks(before[name], after[name], path)
    for name in required - set(before):
        yield f"{f'{at}.{name}' if at else name} is new and has no default: records without it are on the topic"


def _part(old: Any, new: Any, at: str, where: str) -> Iterator[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        yield from breaks(old, new, at)
    elif old != new:
        yield f"{where} is of another type in what it holds"


def _own(schema: Schema) -> dict[str, Any]:
    """Return what a schema says about its own type, apart from texts and from what is within."""
    return {name: value for name, value in schema.items() if name not in _SAYS_NOTHING | _WITHIN}
