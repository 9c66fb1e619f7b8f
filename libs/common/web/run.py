"""Running one service as a process: read the settings, set up logs, serve until told to stop."""

import sys
from collections.abc import Callable
from typing import TypeVar

import uvloop
from pydantic import ValidationError

from libs.common.core import logging
from libs.common.core.settings import ServiceSettings, explain
from libs.common.web.http import server
from libs.common.web.service import App

S = TypeVar("S", bound=ServiceSettings)


def main(name: str, settings: type[S], build: Callable[[S], App]) -> None:
    """Serve one service. Exits with status 1 and a sentence for each wrong setting."""
    try:
        read = settings()
    except ValidationError as error:
        sys.exit(f"{name}: {explain(error)}")
    logging.configure(name, json=read.log_json, level=read.log_level.upper())
    uvloop.run(_serve(read, build))


async def _serve(settings: S, build: Callable[[S], App]) -> None:
    # Built inside the loop: the store's driver takes hold of the one it finds.
    app = build(settings)
    await server(app.http, app.host, app.port).serve()
