"""Names say what the field says (docs/glossary.md): retired words do not come back, and one name is one class."""

import ast
import re
from collections.abc import Iterator
from typing import Final

import pytest

from tests.architecture.source_tree import Module, Modules, Rule, modules_of, violations

RETIRED: Final = frozenset(
    [
        "told",
        "tell",
        "tells",
        "telling",
        "town",
        "towns",
        "desk",
        "booth",
        "together",
        "vouching",
        "vigil",
        "recollection",
        "aftercare",
        "stepping",
        "verdicts",
        "drawer",
        "recent",
        "look",
        "looks",
        "looked",
        "looking",
    ]
)
"""In no identifier."""
RETIRED_CLASSES: Final = frozenset({"Frozen", "Holding", "Press", "Ask"})
RETIRED_FILES: Final = frozenset(
    [
        "line",
        "ink",
        "quad",
        "uses",
        "direct",
        "reading",
        "counter",
        "intake",
        "ends",
        "slips",
        "situations",
        "saga",
        "examination",
        "originals",
        "endings",
        "holdings",
        "platform",
        "patience",
    ]
)
KEPT: Final = frozenset({"look_s"})
"""Settings keep their names: operators have them in their files (`BIOMETRICS_LOOK_S`)."""
ONE_A_SERVICE: Final = frozenset({"Handlers", "Settings", "Refusal"})
"""Classes of which each service has its own."""


def words_of(name: str) -> list[str]:
    """Split an identifier: `wake_at`, `WakeAt` and `WAKE_AT` are "wake" and "at"."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", re.sub("(?i)look_?alike", "", name))]


def defined_names(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Every name that a module gives to something; the sentences that name tests are none."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if not node.name.startswith("test_"):
                yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, node.lineno


def no_identifier_has_a_retired_word(module: Module, _: Modules) -> Iterator[tuple[int, str]]:
    for name, line in defined_names(module.tree):
        if name not in KEPT and (RETIRED & set(words_of(name)) or name in RETIRED_CLASSES):
            yield line, f"gives something the name {name}"


def no_file_has_a_retired_name(module: Module, _: Modules) -> Iterator[tuple[int, str]]:
    name = module.name.split(".")[-1]
    if name in RETIRED_FILES or RETIRED & set(words_of(name.removeprefix("test_"))):
        yield 1, f"is called {name}"


def one_name_is_one_class(module: Module, modules: Modules) -> Iterator[tuple[int, str]]:
    for name, line in public_classes(module):
        others = [other.name for other in modules.values() if name in dict(public_classes(other)) and other != module]
        if others and name not in ONE_A_SERVICE:
            yield line, f"defines {name}, as does {others[0]}"


def public_classes(module: Module) -> list[tuple[str, int]]:
    """The public classes of a module that is no test."""
    if module.name.split(".")[0] == "tests":
        return []
    return [(n.name, n.lineno) for n in module.classes if not n.name.startswith("_")]


RULES: tuple[Rule, ...] = (no_identifier_has_a_retired_word, no_file_has_a_retired_name, one_name_is_one_class)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_repository_keeps_the_rule(rule: Rule, repository: Modules) -> None:
    assert violations(rule, repository) == []


PLANTED = [
    *(
        (no_identifier_has_a_retired_word, "services/kandas/domain.py", code)
        for code in (
            "def tell(): ...",
            "class TownHall: ...",
            "def run(told): ...",
            "LOOKS_AT_ONCE = 1",
            "class A:\n    def f(self):\n        self._desk = 1",
            "class Press: ...",
        )
    ),
    (no_file_has_a_retired_name, "services/kandas/slips.py", ""),
    (no_file_has_a_retired_name, "tests/unit/deploy/test_vigil.py", ""),
    (one_name_is_one_class, "services/kandas/states.py", "class Receipt: ..."),
]
AROUND = {"libs/common/core/model.py": "def test_nobody_is_told(): ...\nLOOK_ALIKE = 1\nclass _Receipt: ..."}


@pytest.mark.parametrize(("rule", "path", "code"), PLANTED)
def test_a_planted_violation_is_found(rule: Rule, path: str, code: str) -> None:
    other = {"libs/common/core/values.py": "class Receipt: ...\nclass Settings: ..."}
    sources = {**AROUND, "services/kandas/settings.py": "class Settings: ...", path: code}
    found = violations(rule, modules_of(sources | (other if rule is one_name_is_one_class else {})))
    assert path.removesuffix(".py").replace("/", ".") in {each.split(":")[0] for each in found}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_what_the_design_allows_is_let_through(rule: Rule) -> None:
    assert violations(rule, modules_of(AROUND)) == []
