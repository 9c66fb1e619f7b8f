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
from libs.citizen.cli.options import PasswordFile
from libs.citizen.cli.screen import endpoints, explained, run, secret
from libs.citizen.errors import CitizenError
from libs.citizen.keys.keystore import KeyEntry, purpose_of
from libs.citizen.texts import explain, words
from libs.common.core.values import utc_now

_PORTS: Final = {"https": "443", "http": "80"}
_ORIGIN: Final = re.compile(r"(https?)://([^/?#@:*\s]+)(?::(\d+))?/?")
_MARGIN: Final = "     | "
_FOLDER: Final = Path(typer.get_app_dir("citizen-agent"))

Stores = Annotated[list[Path], typer.Option("--p12", exists=True, dir_okay=False, help="option.p12_agent")]
Pages = Annotated[list[str], typer.Option("--allow", help="option.allow")]


def agent(  # noqa: PLR0917 - one parameter for each option of the command
    p12: Stores,
    allow: Pages,
    port: Annotated[int, typer.Option(help="option.port")] = PORT,
    folder: Annotated[Path, typer.Option(file_okay=False, help="option.folder")] = _FOLDER,
    tsa: Annotated[str | None, typer.Option(help="option.tsa")] = None,
    allow_hashes: Annotated[bool, typer.Option(help="option.allow_hashes")] = False,
    password_file: PasswordFile = None,
) -> None:
    """Sign for pages that were written for NCALayer. Shows what they want signed and asks, until Ctrl-C."""
    person = TerminalAsked(password_file)
    pages = {_origin(page) for page in allow}
    with explained():
        stores = [KeyStoreFile.read(path, _password(path, password_file)) for path in p12]
        tls = context(folder, utc_now())
    stamper = HttpStamper(tsa or f"{endpoints().ca}/pki/tsa")
    ours = Agent(stores, person, utc_now, stamper, allow_digests=allow_hashes)

    async def go() -> None:
        async with listening(ours, tls, pages, port) as server:
            person.say(words("agent.waiting", pages=", ".join(sorted(pages)), address=f"wss://{HOST}:{port}"))
            person.say(words("agent.trust", file=folder / CERTIFICATE))
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
            self.say("\n" + words("agent.sign", page=page, count=len(request.documents), form=request.form.upper()))
            for number, preview in enumerate(previews(request), start=1):
                self._show(number, preview)
        else:
            self.say("\n" + words("agent.show_certificate", page=page))
        for number, store in enumerate(stores, start=1):
            self.say(f"  [{number}] {_named(store)}")
        answer = await _typed(typer.prompt, words("prompt.key_number"), "", show_default=False)
        if not str(answer).strip().isdecimal() or not 1 <= int(answer) <= len(stores):
            self.say(words("agent.not_done"))
            raise Cancelled
        return stores[int(answer) - 1]

    async def unlock(self, store: KeyStoreFile) -> KeyEntry:
        """Ask for the password, and open the store."""
        password = await _typed(_password, store.path, self._password_file)
        if not password:
            raise Cancelled
        try:
            return store.open(password)
        except CitizenError as error:
            self.say(f"{words('agent.not_done')} {explain(error).text}")
            raise

    def _show(self, number: int, preview: Preview) -> None:
        self.say(f"  {number}. {preview.title}")
        for line in preview.lines:
            for part in self._broken(line):
                self.say(f"{_MARGIN}{part}")
        if not preview.whole:
            self.say("     " + words("agent.not_all"))

    def _broken(self, line: str) -> list[str]:
        """Break a line where the screen does, so that no part of it stands where the agent's own words do."""
        return chop_cells(line.expandtabs(), max(self._console.width - len(_MARGIN), 2)) or [""]


def _password(store: Path, file: Path | None) -> str:
    return secret(words("prompt.password_of", file=store), "CITIZEN_P12_PASSWORD", file)


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
        raise typer.BadParameter(words("agent.no_origin", page=page))
    scheme, host, port = found.groups()
    return f"{scheme}://{host}" + ("" if port in {None, _PORTS[scheme]} else f":{port}")


def _named(store: KeyStoreFile) -> str:
    purpose = words(f"purpose.{purpose_of(store.certificate)}")
    until = store.certificate.not_valid_after_utc.astimezone().date()
    name = str(store.info()["subjectCn"])
    return words("agent.key", name=name, purpose=purpose, until=until, file=store.path.name)
