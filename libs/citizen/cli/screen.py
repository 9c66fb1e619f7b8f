"""What the commands share: output, questions for secrets, explanations of errors, exit statuses."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from datetime import date
from enum import IntEnum
from os import environ
from pathlib import Path
from typing import Any, TypeVar

import typer
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from libs.citizen.api.services import Endpoints
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
from libs.citizen.texts import chosen, explain, hint, line, words

T = TypeVar("T")


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
    """A live list of what happened, over a line that shows what is awaited."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        self._waiting = self.console.status(words("screen.working"))

    def report(self, progress: ProgressLine) -> None:
        """Show one line; a spinner runs beneath until the next."""
        self.console.print(Text(f"{progress.at.astimezone():%H:%M:%S}  {shown(progress)}"))

    def timeline(self, progress: ProgressLine) -> None:
        """Show one line with its day."""
        self.console.print(Text(f"{progress.at.astimezone():%Y-%m-%d %H:%M:%S}  {shown(progress)}"))

    def say(self, key: str, **facts: object) -> None:
        """Show a text of our own. Facts go in as they are: rich markup in them has no effect."""
        self.console.print(Text(words(key, **facts)))

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


def shown(progress: ProgressLine) -> str:
    """Return a line of progress in words."""
    return progress.text or line(progress.key, progress.detail)


def show_awaited(screen: Screen, whom: str, until: date | None) -> None:
    """Show whom the next step waits for, and until when if that is known."""
    if until is None:
        screen.say("status.waits", whom=line(f"waits.{whom}", {}))
    else:
        screen.say("status.waits_until", whom=line(f"waits.{whom}", {}), until=until)


def endpoints() -> Endpoints:
    """Return where the services are; they are asked to answer in the language that was chosen."""
    return Endpoints(language=chosen())


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
        _show(error)
        raise typer.Exit(_status(error)) from error
    except OSError as error:
        _show(CitizenError("file.unusable", file=error.filename or "", cause=error.strerror))
        raise typer.Exit(Exit.HERE) from error


def _show(error: CitizenError) -> None:
    """Show what happened, what it means, what to do, and the notes of who had more to say."""
    explanation = explain(error)
    body = Text(explanation.happened, style="bold")
    notes = getattr(error, "__notes__", ())
    for more in (*explanation.more, *(f"• {each}" for each in _hints(error)), *notes):
        body.append(f"\n{more}", style="not bold")
    body.append(f"\n{words('error.code', code=error.facts.get('reason', error.key))}", style="not bold dim")
    Console(stderr=True, highlight=False).print(Panel(body, border_style="red"))


def _hints(error: CitizenError) -> list[str]:
    """Return the guidance of a problem document in words."""
    guidance = error.extras.get("guidance") if isinstance(error, ProblemError) else None
    return [known for key in guidance if (known := hint(str(key)))] if isinstance(guidance, list) else []


def secret(prompt: str, variable: str, file: Path | None, *, confirm: bool = False) -> str:
    """Get a secret from a file, the environment, or the keyboard, in this order. Never from the command line.

    Args:
        prompt: what the person is asked, in words.
    """
    if file is not None:
        with explained():
            return file.read_text("utf-8").strip("\r\n")
    if (given := environ.get(variable)) is not None:
        return given
    typed: str = typer.prompt(prompt, hide_input=True, confirmation_prompt=confirm and words("prompt.repeat"))
    return typed
