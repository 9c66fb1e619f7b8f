"""The folders of a service depend on each other in one direction (docs/adr/0014-capabilities-have-folders.md)."""

from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.architecture.test_imports import ROOT, Module

SERVICES = sorted(path.name for path in (ROOT / "services").iterdir() if (path / "app.py").exists())


def folder(name: str) -> str | None:
    """`services.X.Y` for what lies in that folder; None for what lies at the top of a service."""
    parts = name.split(".")
    return ".".join(parts[:3]) if len(parts) > 3 and parts[0] == "services" else None


def dependencies(modules: Iterable[Module]) -> dict[str, set[str]]:
    graph: dict[str, set[str]] = {}
    for module in modules:
        if (here := folder(module.name)) is not None:
            graph.setdefault(here, set()).update(folder(name) or here for name, _ in module.imports)
    return {here: others - {here} for here, others in graph.items()}


def modules_of(service: str) -> Iterator[Module]:
    for path in (ROOT / "services" / service).rglob("*.py"):
        yield Module(".".join(path.relative_to(ROOT).with_suffix("").parts), path.read_text("utf-8"))


@pytest.mark.parametrize("service", SERVICES)
def test_no_folder_depends_on_itself_by_way_of_others(service: str) -> None:
    TopologicalSorter(dependencies(modules_of(service))).prepare()


def test_a_circle_of_folders_is_found() -> None:
    keys = Module("services.ca.keys.store", "from services.ca.ceremony.config import CeremonyConfig")
    ceremony = Module("services.ca.ceremony.steps", "from services.ca.keys.store import KeyStore")
    with pytest.raises(CycleError, match=r"services\.ca\.keys"):
        TopologicalSorter(dependencies([keys, ceremony])).prepare()
