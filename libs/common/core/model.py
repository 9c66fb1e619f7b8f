"""The one base of values, states, forms and views, and the one way to make a state from another."""

from functools import lru_cache
from typing import Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

M = TypeVar("M", bound="Model")


class Model(BaseModel):
    """A value that never changes: a change makes another one, with `evolve`."""

    model_config = ConfigDict(frozen=True)


def evolve(state: Model, to: type[M], /, **changes: object) -> M:
    """Make a ``to`` from the fields that it shares with ``state``, and from what changes.

    The discriminator of a union (a field with one literal value) is never carried over. `evolve_plugin` lets mypy
    check each call: a misspelt or wrongly typed change fails, and so does a field that neither side gives.

    Raises:
        TypeError: no field has the name of a change.
        pydantic.ValidationError: a value breaks a constraint of its field.
    """
    if unknown := changes.keys() - to.model_fields.keys():
        raise TypeError(f"{to.__name__} has no field {', '.join(sorted(unknown))}")
    carried = {name: getattr(state, name) for name in _shared(type(state), to) if name not in changes}
    return to(**carried, **changes)


@lru_cache(maxsize=1024)
def _shared(source: type[Model], target: type[Model]) -> tuple[str, ...]:
    fields = target.model_fields
    return tuple(name for name in source.model_fields if name in fields and not _is_discriminator(fields[name]))


def _is_discriminator(field: FieldInfo) -> bool:
    return get_origin(field.annotation) is Literal and len(get_args(field.annotation)) == 1
