"""Options and arguments that several commands share. Their help is a text id, see `localised`."""

from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[Path, typer.Option("--out", "-o", help="option.out", file_okay=False)]
PasswordFile = Annotated[Path | None, typer.Option(help="option.password_file")]
PinFile = Annotated[Path | None, typer.Option(help="option.pin_file")]
TokenFile = Annotated[Path | None, typer.Option(help="option.token_file")]
IinOption = Annotated[str, typer.Option("--iin", prompt="prompt.iin", help="option.iin")]
PhoneOption = Annotated[str | None, typer.Option(help="option.phone")]
EmailOption = Annotated[str | None, typer.Option(help="option.email")]
SigningKeyOption = Annotated[Path, typer.Option("--p12", exists=True, dir_okay=False, help="option.p12_sign")]
DevInboxOption = Annotated[bool, typer.Option(help="option.dev_inbox")]
ResumeOption = Annotated[bool, typer.Option(help="option.resume")]
JourneyIdArgument = Annotated[str, typer.Argument(help="argument.journey")]
ApplicationIdArgument = Annotated[str, typer.Argument(help="argument.application")]
