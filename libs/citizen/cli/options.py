"""Options and arguments that several commands share. Their help is a text id, see `localised`."""

from pathlib import Path
from typing import Annotated, Final

import typer
from pydantic import TypeAdapter, ValidationError

from libs.citizen.errors import CitizenError
from libs.citizen.texts import explain
from libs.common.core.values import Iin

_IIN: Final[TypeAdapter[str]] = TypeAdapter(Iin)


def checked_iin(typed: str | None) -> str | None:
    """Return a number in its normal form, and None as None. A wrong one is refused before anything else is asked."""
    try:
        return None if typed is None else _IIN.validate_python(typed)
    except ValidationError:
        raise typer.BadParameter(explain(CitizenError("iin.malformed")).text) from None


Out = Annotated[Path, typer.Option("--out", "-o", help="option.out", file_okay=False)]
PasswordFile = Annotated[Path | None, typer.Option(help="option.password_file")]
PinFile = Annotated[Path | None, typer.Option(help="option.pin_file")]
TokenFile = Annotated[Path | None, typer.Option(help="option.token_file")]
IinOption = Annotated[str, typer.Option("--iin", prompt="prompt.iin", help="option.iin", callback=checked_iin)]
PhoneOption = Annotated[str | None, typer.Option(help="option.phone")]
EmailOption = Annotated[str | None, typer.Option(help="option.email")]
SigningKeyOption = Annotated[Path, typer.Option("--p12", exists=True, dir_okay=False, help="option.p12_sign")]
DevInboxOption = Annotated[bool, typer.Option(help="option.dev_inbox")]
ResumeOption = Annotated[bool, typer.Option(help="option.resume")]
JourneyIdArgument = Annotated[str, typer.Argument(help="argument.journey")]
ApplicationIdArgument = Annotated[str, typer.Argument(help="argument.application")]
