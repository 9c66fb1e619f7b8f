"""``python -m libs.citizen``."""

from libs.citizen.cli import app

app(prog_name="citizen")
