"""A plugin for mypy that checks calls of `evolve` (`libs.common.core.model`) field by field.

The fields of the new state become named arguments, each with its type. One is required where the old state has no
field of that name and a fitting type, and the new state no default.
"""

from collections.abc import Callable
from typing import Final

from mypy.nodes import ARG_NAMED, ARG_NAMED_OPT, ARG_POS, TypeInfo, Var
from mypy.plugin import FunctionSigContext, Plugin
from mypy.subtypes import is_subtype
from mypy.types import (
    CallableType,
    FunctionLike,
    Instance,
    LiteralType,
    ProperType,
    Type,
    TypeType,
    TypeVarType,
    UnionType,
    get_proper_type,
)
from typing_extensions import override

EVOLVE: Final = "libs.common.core.model.evolve"
_STATE_AND_TARGET: Final = 2
_PYDANTIC: Final = "pydantic-mypy-metadata"


class EvolvePlugin(Plugin):
    """Gives `evolve` a signature for each call."""

    @override
    def get_function_signature_hook(self, fullname: str) -> Callable[[FunctionSigContext], FunctionLike] | None:
        return _signature if fullname == EVOLVE else None


def plugin(_version: str) -> type[Plugin]:
    """Return the plugin; mypy calls this."""
    return EvolvePlugin


def _signature(ctx: FunctionSigContext) -> FunctionLike:
    """Return the signature of one call; the declared one where the types are not known."""
    signature = ctx.default_signature
    if len(ctx.args) < _STATE_AND_TARGET or not (ctx.args[0] and ctx.args[1]):
        return signature
    sources = _instances(get_proper_type(ctx.api.get_expression_type(ctx.args[0][0])))
    targets = _instances(_constructed(get_proper_type(ctx.api.get_expression_type(ctx.args[1][0]))))
    if not sources or not targets:
        return signature
    arguments = _arguments(sources, targets)
    return signature.copy_modified(
        arg_names=[*signature.arg_names[:_STATE_AND_TARGET], *arguments],
        arg_kinds=[ARG_POS, ARG_POS, *(ARG_NAMED if needed else ARG_NAMED_OPT for _, needed in arguments.values())],
        arg_types=[*signature.arg_types[:_STATE_AND_TARGET], *(kind for kind, _ in arguments.values())],
    )


def _arguments(sources: list[Instance], targets: list[Instance]) -> dict[str, tuple[Type, bool]]:
    """Return the type of each field that all targets have, and whether it must be given."""
    first, *others = targets
    arguments: dict[str, tuple[Type, bool]] = {}
    for name, defaulted in _fields(first.type).items():
        kind = _type_of(first.type, name)
        if kind is None or isinstance(get_proper_type(kind), LiteralType):
            continue
        if all(_type_of(other.type, name) == kind for other in others):
            carried = all(_carries(source.type, name, kind) for source in sources)
            arguments[name] = kind, not (defaulted or carried)
    return arguments


def _carries(source: TypeInfo, name: str, wanted: Type) -> bool:
    held = _type_of(source, name) if name in _fields(source) else None
    return held is not None and is_subtype(held, wanted)


def _fields(info: TypeInfo) -> dict[str, bool]:
    """Return the fields of a pydantic model, and whether each has a default."""
    found: dict[str, bool] = {}
    for base in reversed(info.mro):
        for name, data in base.metadata.get(_PYDANTIC, {}).get("fields", {}).items():
            found[name] = bool(data["has_default"])
    return found


def _type_of(info: TypeInfo, name: str) -> Type | None:
    symbol = info.get(name)
    return symbol.node.type if symbol is not None and isinstance(symbol.node, Var) else None


def _constructed(target: ProperType) -> ProperType:
    """Return what a class given as an argument makes."""
    if isinstance(target, TypeType):
        return get_proper_type(target.item)
    if isinstance(target, CallableType) and target.is_type_obj():
        return get_proper_type(target.ret_type)
    if isinstance(target, UnionType):
        return UnionType([_constructed(get_proper_type(item)) for item in target.items])
    return target


def _instances(found: ProperType) -> list[Instance]:
    """Return the classes of a type that is one or a union of them; none where any is not known."""
    match found:
        case TypeVarType(upper_bound=bound):
            return _instances(get_proper_type(bound))
        case UnionType():
            each = [_instances(get_proper_type(item)) for item in found.items]
            return [instance for part in each for instance in part] if all(each) else []
        case Instance() if _fields(found.type):
            return [found]
        case _:
            return []
