"""The image of a service holds what the service imports of ours, and no room of libs/common beside it."""

import re
from collections.abc import Iterator

import pytest

from tests.architecture.arrows import room_of_common
from tests.architecture.source_tree import Modules, read_repository, within
from tests.unit.deploy.containers import DEPLOY, SETTINGS

COPIED = re.compile(r"^COPY libs/common/(\w+) libs/common/\1$", re.MULTILINE)


def reached(service: str, modules: Modules) -> set[str]:
    """Return the rooms of libs/common that the modules of a service import, and what these import."""
    queue = [module for name, module in modules.items() if within(name, f"services.{service}")]
    found = {module.name for module in queue}
    while queue:
        for name, _ in queue.pop().imports:
            if name in modules and name not in found:
                found.add(name)
                queue.append(modules[name])
    return {room for name in found if (room := room_of_common(name)) is not None}


def copied(service: str) -> set[str]:
    """Return the rooms that the stages of a service's image copy."""
    return {room for name, text in stages() if name in ("build", f"service-{service}") for room in COPIED.findall(text)}


def stages() -> Iterator[tuple[str, str]]:
    for stage in re.split(r"^FROM ", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE)[1:]:
        named = re.match(r"\S+ AS (\S+)", stage)
        yield (named[1] if named else ""), stage


@pytest.mark.parametrize("service", SETTINGS)
def test_an_image_holds_the_rooms_that_its_service_imports(service: str) -> None:
    assert copied(service) == reached(service, read_repository())
