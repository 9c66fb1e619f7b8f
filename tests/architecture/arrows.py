"""Counts imports between rooms and folders: ``python -m tests.architecture.arrows`` prints them (`make arrows`)."""

import sys
from collections import Counter
from collections.abc import Callable

from tests.architecture.source_tree import ROOT, Modules, read_repository, within

PartOf = Callable[[str], str | None]
"""Names the part a module belongs to; None: it is outside of what is counted."""


def part_of_service(service: str) -> PartOf:
    """Return what names the folder, or the top-level module, of a service."""
    root = f"services.{service}"
    return lambda name: name.removeprefix(f"{root}.").split(".")[0] if name != root and within(name, root) else None


def room_of_common(name: str) -> str | None:
    """Name the room of libs/common that a module lies in."""
    root = "libs.common"
    return name.removeprefix(f"{root}.").split(".")[0] if name != root and within(name, root) else None


def arrows(modules: Modules, part_of: PartOf) -> Counter[tuple[str, str]]:
    """Return how many modules of one part import another part."""
    found: Counter[tuple[str, str]] = Counter()
    for module in modules.values():
        here = part_of(module.name)
        if here is not None:
            others = {there for name, _ in module.imports if (there := part_of(name)) not in (None, here)}
            found.update((here, str(there)) for there in others)
    return found


def main() -> None:
    """Print the arrows of libs/common and of each service, the most used part last."""
    modules = read_repository()
    services = sorted(path.parent.name for path in (ROOT / "services").glob("*/app.py"))
    for title, part_of in (("libs/common", room_of_common), *((f"services/{s}", part_of_service(s)) for s in services)):
        found = arrows(modules, part_of)
        sys.stdout.write(f"{title}: {sum(found.values())} arrows\n")
        for here in sorted({here for here, _ in found}):
            to = ", ".join(f"{there} {n}" for (each, there), n in sorted(found.items()) if each == here)
            sys.stdout.write(f"  {here:14} -> {to}\n")


if __name__ == "__main__":
    main()
