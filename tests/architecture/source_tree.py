"""The sources that the architecture tests look at, each parsed once a run."""

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
TREES: Final = ("libs", "services", "deploy", "tests")


@dataclass(frozen=True)
class Module:
    """One source file by its dotted name."""

    name: str
    source: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source)

    @cached_property
    def classes(self) -> tuple[ast.ClassDef, ...]:
        """Every class that the module defines."""
        return tuple(node for node in ast.walk(self.tree) if isinstance(node, ast.ClassDef))

    @cached_property
    def imports(self) -> tuple[tuple[str, int], ...]:
        """Every imported module and name in full, with its line; `from a import b` gives `a` and `a.b`."""
        return tuple(self._imports())

    def _imports(self) -> Iterator[tuple[str, int]]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((alias.name, node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                package = self.name.split(".")[: -node.level] if node.level else []
                origin = ".".join([*package, *([node.module] if node.module else [])])
                yield origin, node.lineno
                yield from ((f"{origin}.{alias.name}", node.lineno) for alias in node.names)

    @property
    def service(self) -> str | None:
        """`services.X` for that package and the modules in it."""
        parts = self.name.split(".")
        return ".".join(parts[:2]) if parts[0] == "services" and len(parts) > 1 else None


Modules = Mapping[str, Module]
Rule = Callable[[Module, Modules], Iterator[tuple[int, str]]]


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def violations(rule: Rule, modules: Modules) -> list[str]:
    return [f"{m.name}:{line}: {what}" for m in modules.values() for line, what in rule(m, modules)]


def modules_of(sources: Mapping[str, str]) -> Modules:
    """Modules by dotted name, from sources by their path below the root."""
    named = {path.removesuffix(".py").removesuffix("/__init__").replace("/", "."): s for path, s in sources.items()}
    return {name: Module(name, source) for name, source in named.items()}


@cache
def read_repository() -> Modules:
    """Read every source of the repository."""
    files = [file for tree in TREES for file in (ROOT / tree).rglob("*.py")]
    return modules_of({file.relative_to(ROOT).as_posix(): file.read_text("utf-8") for file in files})
