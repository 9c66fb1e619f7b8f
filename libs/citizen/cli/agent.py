"""``citizen agent``: sign for pages that were written for NCALayer."""

import asyncio
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.cells import chop_cells
from rich.console import Console
from rich.text import Text

from libs.citizen.agent.agent import Agent
from libs.citizen.agent.certificate import CERTIFICATE, context
from libs.citizen.agent.errors import Cancelled
from libs.citizen.agent.keystores import KeyStoreFile
from libs.citizen.agent.previews import Preview, previews
from libs.citizen.agent.requests import ShowKey, SignDocuments
from libs.citizen.agent.server import HOST, PORT, listening
from libs.citizen.agent.stamper import HttpStamper
from libs.citizen.api.services import Endpoints
from libs.citizen.cli.screen import PasswordFile, explained, run, secret
from libs.citizen.errors import CitizenError
from libs.citizen.keys.keystore import KeyEntry, purpose_of
from libs.common.core.values import utc_now

_PASSWORD_VARIABLE: Final = "CITIZEN_P12_PASSWORD"  # noqa: S105 - a variable's name
_PORTS: Final = {"https": "443", "http": "80"}
_ORIGIN: Final = re.compile(r"(https?)://([^/?#@:*\s]+)(?::(\d+))?/?")
_MARGIN: Final = "     | "
_FOLDER: Final = Path(typer.get_app_dir("citizen-agent"))

Stores = Annotated[list[Path], typer.Option("--p12", exists=True, dir_okay=False, help="A key store; may be repeated.")]
Pages = Annotated[list[str], typer.Option("--allow", help="A page that may request, such as https://portal.example.")]


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
    pages = {_origin(page) for page in allow}
    with explained():
        stores = [
            KeyStoreFile.read(path, secret(f"Password of {path}", _PASSWORD_VARIABLE, password_file)) for path in p12
        ]
        tls = context(folder, utc_now())
    stamper = HttpStamper(tsa or f"{Endpoints().ca}/pki/tsa")
    ours = Agent(stores, person, utc_now, stamper, allow_digests=allow_hashes)

    async def go() -> None:
        async with listening(ours, tls, pages, port) as server:
            person.say(f"Waiting for {', '.join(sorted(pages))} at wss://{HOST}:{port}. Stop with Ctrl-C.")
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

    async def choose(self, page: str, request: SignDocuments | ShowKey, stores: Sequence[KeyStoreFile]) -> KeyStoreFile:
        """Show what the page wants, and request.

        Raises:
            Cancelled: the person said no.
        """
        if isinstance(request, SignDocuments):
            self.say(f"\n{page} asks you to sign {len(request.documents)} document(s) as {request.form.upper()}:")
            for number, preview in enumerate(previews(request), start=1):
                self._show(number, preview)
        else:
            self.say(f"\n{page} asks for your certificate: your name and number are in it.")
        for number, store in enumerate(stores, start=1):
            self.say(f"  [{number}] {_named(store)}")
        answer = await _typed(typer.prompt, "Number of the key to use (nothing: no)", "", show_default=False)
        if not str(answer).strip().isdecimal() or not 1 <= int(answer) <= len(stores):
            self.say("Not done.")
            raise Cancelled
        return stores[int(answer) - 1]

    async def unlock(self, store: KeyStoreFile) -> KeyEntry:
        """Ask for the password, and open the store."""
        asked = f"Password of {store.path.name}"
        password = await _typed(secret, asked, _PASSWORD_VARIABLE, self._password_file)
        if not password:
            raise Cancelled
        try:
            return store.open(password)
        except CitizenError as error:
            self.say(f"Not done. {error.detail}")
            raise

    def _show(self, number: int, preview: Preview) -> None:
        self.say(f"  {number}. {preview.title}")
        for line in preview.lines:
            for part in self._broken(line):
                self.say(f"{_MARGIN}{part}")
        if not preview.whole:
            self.say("     This is not all of it. Sign only if you know the document, or trust the page.")

    def _broken(self, line: str) -> list[str]:
        """Break a line where the screen does, so that no part of it stands where the agent's own words do."""
        return chop_cells(line.expandtabs(), max(self._console.width - len(_MARGIN), 2)) or [""]


async def _typed(ask: Callable[..., str], *args: object, **kwargs: object) -> str:
    """Wait for what the person types. Cancelled if the keyboard was closed (Ctrl-D) instead."""
    try:
        return await asyncio.to_thread(ask, *args, **kwargs)
    except typer.Abort as error:
        raise Cancelled from error


def _origin(page: str) -> str:
    """Return a page's origin as browsers write it (RFC 6454, 6.2)."""
    found = _ORIGIN.fullmatch(page.lower())
    if found is None:
        raise typer.BadParameter(f"--allow takes where a page comes from, such as https://portal.example, not {page}")
    scheme, host, port = found.groups()
    return f"{scheme}://{host}" + ("" if port in {None, _PORTS[scheme]} else f":{port}")


def _named(store: KeyStoreFile) -> str:
    purpose = {"SIGN": "to sign", "AUTH": "to sign in"}[purpose_of(store.certificate)]
    until = store.certificate.not_valid_after_utc.astimezone().date()
    return f"{store.info()['subjectCn']}, {purpose}, until {until} ({store.path.name})"
