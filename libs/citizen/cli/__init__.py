"""The command line `citizen`: everything a citizen, a clerk or an officer can do, from a terminal."""

import typer

from libs.citizen.cli import agent, eds, kandas, revoke, staff
from libs.citizen.cli.localised import LocalisedGroup

app = typer.Typer(
    name="citizen",
    cls=LocalisedGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # they would hold passwords
)
eds.app.command("revoke")(revoke.revoke)
app.add_typer(eds.app, name="eds")
app.command("status")(eds.status)
app.command("sign")(eds.sign)
app.command("inspect")(eds.inspect)
app.command("agent")(agent.agent)
app.add_typer(kandas.app, name="kandas")
app.add_typer(staff.officer, name="officer")
app.add_typer(staff.clerk, name="clerk")
