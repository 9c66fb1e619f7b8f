"""``python -m deploy.embedded demo`` shows one citizen's whole way; ``run`` keeps the system up until Ctrl-C.

``ca-check`` looks at everything the authority of a running system issued; what stands behind it goes to
``services.ca.tools.check``.
"""

import argparse
import sys
from pathlib import Path

import uvloop
from rich.console import Console

from deploy.embedded import demo, run


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for and give the exit status."""
    parser = argparse.ArgumentParser(prog="python -m deploy.embedded", description=__doc__)
    parser.add_argument("what", choices=("demo", "run", "ca-check"))
    parser.add_argument("--models", type=Path, default=Path("var/models"), help="face models (make models)")
    parser.add_argument("--folder", type=Path, default=run.Place().folder, help="where `run` keeps everything")
    parser.add_argument("--port-base", type=int, help="`run` listens from the next port on; unless given: 8001 and up")
    given, rest = parser.parse_known_args(arguments)
    place = run.Place(given.folder, given.port_base)
    if given.what == "ca-check":
        return run.check(place, rest)
    if rest:
        parser.error(f"unknown: {' '.join(rest)}")
    console = Console(highlight=False, soft_wrap=True)
    if given.what == "demo":
        return demo.main(demo.OUT, given.models, console)
    return uvloop.run(run.until_interrupted(place, given.models, console))


if __name__ == "__main__":
    sys.exit(main())
