"""Revoking a certificate from the terminal."""

from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509

from libs.citizen.api.services import Services
from libs.citizen.cli.eds import open_store
from libs.citizen.cli.options import DevInboxOption, PasswordFile, PinFile, checked_iin
from libs.citizen.cli.person import TerminalPerson
from libs.citizen.cli.screen import Screen, endpoints, explained, run, secret
from libs.citizen.journey.revocation import revoke_by_code, signed_request
from libs.citizen.keys.keystore import certificate_of
from libs.citizen.texts import words
from libs.common.contracts.http.identity import HolderReason
from libs.common.core.values import utc_now
from libs.common.pki.der import serial_text

ReasonOption = Annotated[HolderReason, typer.Option(help="option.reason")]


def revoke(  # noqa: PLR0917 - one parameter for each option of the command
    p12: Annotated[
        Path | None,
        typer.Option("--p12", exists=True, dir_okay=False, help="option.p12_pair"),
    ] = None,
    serial: Annotated[str | None, typer.Option(help="option.serial")] = None,
    reason: ReasonOption = "unspecified",
    password_file: PasswordFile = None,
    iin: Annotated[str | None, typer.Option(help="option.iin_lost_keys", callback=checked_iin)] = None,
    pin_file: PinFile = None,
    dev_inbox: DevInboxOption = False,
) -> None:
    """Revoke a certificate: with either key of its pair, or with your PIN and a code by SMS. It can't be undone."""
    screen = Screen()
    if p12 is not None:
        _with_key(p12, password_file, serial, reason)
    elif iin is not None and serial is not None:
        _with_code(iin, pin_file, serial, reason, TerminalPerson(screen), dev_inbox=dev_inbox)
    else:
        raise typer.BadParameter(words("revoke.give_one"))
    screen.say("revoke.done")


def _with_key(p12: Path, password_file: Path | None, serial: str | None, reason: HolderReason) -> None:
    entry = open_store(p12, password_file)
    with explained():
        certificate: x509.Certificate = certificate_of(entry)

    async def go() -> None:
        named = serial or serial_text(certificate.serial_number)
        signed = await signed_request(named, reason, entry, utc_now())
        async with Services.connect(endpoints()) as services:
            await services.ca.revoke_signed(signed.request, signed.signature)

    run(go())


def _with_code(
    iin: str, pin_file: Path | None, serial: str, reason: HolderReason, person: TerminalPerson, *, dev_inbox: bool
) -> None:
    pin = secret(words("prompt.pin"), "CITIZEN_PIN", pin_file)

    async def go() -> None:
        async with Services.connect(endpoints()) as services:
            person.inbox = services if dev_inbox else None
            session = await services.identity.sign_in(iin, pin)
            await revoke_by_code(services, session, serial, reason, person)

    run(go())
