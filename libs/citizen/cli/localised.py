"""Commands whose help, prompts and texts are in the person's language.

Declarations name texts by their ids. When the program starts the language is known, and the ids are replaced by words.
"""

import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from os import environ
from typing import Annotated, Any, Final

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from libs.citizen.texts import choose, words
from libs.common.texts.languages import Language, from_locale

_OPTION: Final = "--lang"


class LocalisedGroup(TyperGroup):
    """The root of all commands."""

    def main(self, args: Sequence[str] | None = None, *rest: Any, **named: Any) -> Any:
        """Choose the language, by ``--lang`` or the locale, and run the command."""
        choose(_language(sys.argv[1:] if args is None else args, environ))
        _localise(self, "citizen")
        return super().main(args, *rest, **named)


def _language(arguments: Sequence[str], environment: Mapping[str, str]) -> Language:
    """Find the language. A value that is none is refused when the option is parsed."""
    given = [*arguments[: arguments.index("--")]] if "--" in arguments else [*arguments]
    joined = [each.removeprefix(f"{_OPTION}=") for each in given if each.startswith(f"{_OPTION}=")]
    apart = [value for name, value in pairwise(given) if name == _OPTION]
    wanted = next(iter(joined + apart), "").lower()
    return next((each for each in Language if each.lower() == wanted), from_locale(environment))


def _localise(command: TyperCommand | TyperGroup, path: str) -> None:
    command.help = words(f"command.{path}")
    command.rich_help_panel = words("help.commands")
    command.params.append(_language_option())
    for param in command.params:
        if isinstance(param, TyperOption | TyperArgument):
            param.rich_help_panel = words("help.options" if isinstance(param, TyperOption) else "help.arguments")
            param.help = words(param.help) if param.help else None
        if isinstance(param, TyperOption) and param.prompt:
            param.prompt = words(param.prompt)
    help_option = command.get_help_option(typer.Context(command))
    if help_option is not None:
        help_option.help = words("option.help")
        help_option.rich_help_panel = words("help.options")
    if isinstance(command, TyperGroup):
        for name, child in command.commands.items():
            if isinstance(child, TyperCommand | TyperGroup):
                _localise(child, f"{path}.{name}" if path != "citizen" else name)


def _language_option() -> TyperOption:
    """Make the option that every command has. Its value was found before: parsing only checks it."""

    def probe(
        language: Annotated[
            Language | None, typer.Option(_OPTION, help="option.lang", case_sensitive=False, expose_value=False)
        ] = None,
    ) -> None:
        del language

    app = typer.Typer(add_completion=False)
    app.command()(probe)
    [option] = typer.main.get_command(app).params
    if not isinstance(option, TyperOption):
        raise TypeError("the library made no option")
    return option
