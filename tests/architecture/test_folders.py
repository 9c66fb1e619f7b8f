"""The parts of a service depend on each other in one direction (docs/adr/0014-capabilities-have-folders.md).

A part is a folder, or a module at the top. So no folder imports what is wired from it, such as `app` and `handlers`;
and what they all import (`settings`, `refusals`) imports none of them.
"""

from collections import Counter
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.architecture.arrows import arrows, part_of_service
from tests.architecture.source_tree import ROOT, Modules, modules_of

SERVICES = sorted(path.name for path in (ROOT / "services").iterdir() if (path / "app.py").exists())


def graph(found: Counter[tuple[str, str]]) -> dict[str, set[str]]:
    """Return what each part imports."""
    imported: dict[str, set[str]] = {}
    for here, there in found:
        imported.setdefault(here, set()).add(there)
    return imported


@pytest.mark.parametrize("service", SERVICES)
def test_no_part_depends_on_itself_by_way_of_others(service: str, repository: Modules) -> None:
    TopologicalSorter(graph(arrows(repository, part_of_service(service)))).prepare()


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("services/ca/keys/store.py", "from services.ca.ceremony.config import CeremonyConfig"),
        ("services/ca/keys/store.py", "from services.ca import app"),
        ("services/ca/settings.py", "from services.ca.ceremony.steps import perform"),
    ],
)
def test_a_circle_is_found(path: str, code: str) -> None:
    sources = {
        "services/ca/ceremony/steps.py": "from services.ca.keys.store import KeyStore",
        "services/ca/keys/store.py": "from services.ca.settings import Settings",
        "services/ca/settings.py": "",
        "services/ca/app.py": "from services.ca.keys.store import KeyStore",
    }
    with pytest.raises(CycleError):
        TopologicalSorter(graph(arrows(modules_of(sources | {path: code}), part_of_service("ca")))).prepare()
