"""``citizen agent``: sign for pages that were written for NCALayer."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.text import Text

from libs.citizen.agent.agent import Agent
from libs.citizen.agent.asks import ShowKey, Sign
from libs.citizen.agent.certificate import CERTIFICATE, context
from libs.citizen.agent.errors import Cancelled
from libs.citizen.agent.previews import Preview, previews
from libs.citizen.agent.server import HOST, PORT, listening
from libs.citizen.agent.stamper import HttpStamper
from libs.citizen.agent.stores import Store
from libs.citizen.cli.screen import PasswordFile, explained, run, secret
from libs.citizen.keystore import Holding, purpose_of
from libs.citizen.services import Endpoints
from libs.common.values import utc_now

_PASSWORD_VARIABLE: Final = "CITIZEN_P12_PASSWORD"  # noqa: S105 - a variable's name
_FOLDER: Final = Path(typer.get_app_dir("citizen-agent"))

Stores = Annotated[list[Path], typer.Option("--p12", exists=True, dir_okay=False, help="A key store; may be repeated.")]
Pages = Annotated[list[str], typer.Option("--allow", help="A page that may ask, such as https://portal.example.")]


def agent(  # noqa: PLR0917 - one parameter for each option of the command
    p12: Stores,
    allow: Pages,
    port: Annotated[int, typer.Option(help="Pages look for NCALayer at this port.")] = PORT,
    folder: Annotated[Path, typer.Option(file_okay=False, help="Where this machine's TLS certificate lies.")] = _FOLDER,
    tsa: Annotated[str | None, typer.Option(help="Time-stamp authority; else that of the services.")] = None,
    allow_hashes: Annotated[
        bool, typer.Option(help="Also sign documents of which a page sends only the hash.")
    ] = False,
    password_file: PasswordFile = None,
) -> None:
    """Sign for pages that were written for NCALayer. Shows what they want signed and asks, until Ctrl-C."""
    person = TerminalAsked(password_file)
    with explained():
        stores = [Store.read(path, secret(f"Password of {path}", _PASSWORD_VARIABLE, password_file)) for path in p12]
        tls = context(folder, utc_now())
    stamper = HttpStamper(tsa or f"{Endpoints().ca}/pki/tsa")
    ours = Agent(stores, person, utc_now, stamper, allow_digests=allow_hashes)

    async def go() -> None:
        async with listening(ours, tls, {page.rstrip("/") for page in allow}, port) as server:
            person.say(f"Waiting for {', '.join(allow)} at wss://{HOST}:{port}. Stop with Ctrl-C.")
            person.say(f"The browser must trust {folder / CERTIFICATE} (once; it is for this machine alone).")
            await server.serve_forever()

    run(go())


class TerminalAsked:
    """Asks at the terminal."""

    def __init__(self, password_file: Path | None) -> None:
        self._password_file = password_file
        self._console = Console(highlight=False)

    def say(self, line: str) -> None:
        """Show a line, without obeying anything in it."""
        self._console.print(Text(line))

    async def choose(self, page: str, ask: Sign | ShowKey, stores: Sequence[Store]) -> Store:
        """Show what the page wants, and ask.

        Raises:
            Cancelled: the person said no.
        """
        if isinstance(ask, Sign):
            self.say(f"\n{page} asks you to sign {len(ask.documents)} document(s) as {ask.form.upper()}:")
            for number, preview in enumerate(previews(ask), start=1):
                self._show(number, preview)
        else:
            self.say(f"\n{page} asks for your certificate: your name and number are in it.")
        for number, store in enumerate(stores, start=1):
            self.say(f"  [{number}] {_named(store)}")
        answer = await asyncio.to_thread(typer.prompt, "Number of the key to use (nothing: no)", "", show_default=False)
        if not str(answer).strip().isdecimal() or not 1 <= int(answer) <= len(stores):
            self.say("Not done.")
            raise Cancelled
        return stores[int(answer) - 1]

    async def unlock(self, store: Store) -> Holding:
        """Ask for the password, and open the store."""
        asked = f"Password of {store.path.name}"
        password = await asyncio.to_thread(secret, asked, _PASSWORD_VARIABLE, self._password_file)
        if not password:
            raise Cancelled
        return store.open(password)

    def _show(self, number: int, preview: Preview) -> None:
        self.say(f"  {number}. {preview.title}")
        for line in preview.lines:
            self.say(f"     | {line}")
        if not preview.whole:
            self.say("     This is not all of it. Sign only if you know the document, or trust the page.")


def _named(store: Store) -> str:
    info = store.info()
    purpose = {"SIGN": "to sign", "AUTH": "to sign in"}[purpose_of(store.certificate)]
    return f"{info['subjectCn']}, {purpose}, until {str(info['certNotAfter'])[:10]} ({store.path.name})"
