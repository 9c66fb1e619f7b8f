"""What the commands share: output, questions for secrets, explanations of errors, exit statuses."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import IntEnum
from os import environ
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from libs.citizen.errors import (
    AnswerUnusable,
    CitizenError,
    JourneyEnded,
    ProblemError,
    RequestsRefused,
    Unreachable,
    WaitedTooLong,
)
from libs.citizen.journey.progress import ProgressLine
from libs.citizen.texts import explain, text

T = TypeVar("T")

Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for keys, certificates and documents.", file_okay=False)]
PasswordFile = Annotated[
    Path | None,
    typer.Option(help="File with the key store's password; else CITIZEN_P12_PASSWORD, else you are asked."),
]
PinFile = Annotated[Path | None, typer.Option(help="File with the PIN; else CITIZEN_PIN, else you are asked.")]
IinOption = Annotated[str, typer.Option("--iin", prompt="IIN", help="Your individual identification number.")]


class Exit(IntEnum):
    """With which status a command ends; 2 is a wrong command line, as everywhere."""

    REFUSED = 1
    UNREACHABLE = 3
    HERE = 4
    ENDED = 5


def _status(error: CitizenError) -> Exit:
    match error:
        case ProblemError() | RequestsRefused():
            return Exit.REFUSED
        case Unreachable() | WaitedTooLong() | AnswerUnusable():
            return Exit.UNREACHABLE
        case JourneyEnded():
            return Exit.ENDED
        case _:
            return Exit.HERE


class Screen:
    """A live list of what happened, over a line that tells what is awaited."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        self._waiting = self.console.status("working")

    def report(self, progress: ProgressLine) -> None:
        """Show one line; a spinner runs beneath until the next."""
        self.console.print(Text(f"{progress.at.astimezone():%H:%M:%S}  {progress.text}"))

    def say(self, line: str) -> None:
        """Show a line of our own."""
        self.console.print(Text(line))

    @contextmanager
    def working(self) -> Iterator[None]:
        """Show that something goes on."""
        with self._waiting:
            yield

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Hold the spinner while the person types."""
        self._waiting.stop()
        try:
            yield
        finally:
            self._waiting.start()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Do asynchronous work; what goes wrong is explained, see `explained`."""
    with explained():
        return asyncio.run(work)


@contextmanager
def explained() -> Iterator[None]:
    """Turn errors meant for people into an explanation on stderr and the exit status of their kind."""
    try:
        yield
    except CitizenError as error:
        _show(error.key, error.detail, _readable(error.extras) if isinstance(error, ProblemError) else {})
        raise typer.Exit(_status(error)) from error
    except OSError as error:
        _show("file.unusable", f"The file {error.filename or ''} could not be used: {error.strerror}.", {})
        raise typer.Exit(Exit.HERE) from error


def _show(key: str, told: str, extras: dict[str, object]) -> None:
    explanation = explain(key, told, extras)
    body = Text(explanation.happened, style="bold")
    for line in (explanation.means, explanation.remedy):
        if line:
            body.append(f"\n{line}", style="not bold")
    for hint in _hints(extras):
        body.append(f"\n• {hint}", style="not bold")
    Console(stderr=True, highlight=False).print(Panel(body, title=key, title_align="left", border_style="red"))


def _readable(extras: dict[str, object]) -> dict[str, object]:
    """Put moments into local time."""
    return {name: _moment(value) if name.endswith("_at") else value for name, value in extras.items()}


def _moment(value: object) -> object:
    try:
        return f"{datetime.fromisoformat(str(value)).astimezone():%Y-%m-%d %H:%M:%S}"
    except ValueError:  # no moment after all: shown as it came
        return value


def _hints(extras: dict[str, object]) -> list[str]:
    """Return the guidance of a problem document in words."""
    guidance = extras.get("guidance")
    return [text(str(key)) for key in guidance] if isinstance(guidance, list) else []


def secret(prompt: str, variable: str, file: Path | None, *, confirm: bool = False) -> str:
    """Get a secret from a file, the environment, or the keyboard, in this order. Never from the command line."""
    if file is not None:
        with explained():
            return file.read_text("utf-8").strip("\r\n")
    if (given := environ.get(variable)) is not None:
        return given
    typed: str = typer.prompt(prompt, hide_input=True, confirmation_prompt=confirm)
    return typed
