"""Revoking a certificate from the terminal."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509
from rich.table import Table
from rich.text import Text

from libs.citizen.api.services import Services
from libs.citizen.cli.eds import open_store
from libs.citizen.cli.options import DevInboxOption, PasswordFile, PinFile, checked_iin
from libs.citizen.cli.person import TerminalPerson
from libs.citizen.cli.screen import Screen, endpoints, explained, run, secret
from libs.citizen.errors import CitizenError
from libs.citizen.journey.revocation import revoke_by_code, signed_request
from libs.citizen.keys.keystore import certificate_of, purpose_of
from libs.citizen.texts import words
from libs.common.contracts.http.identity import CabinetCertificate, CitizenSession, HolderReason
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
    yes: Annotated[bool, typer.Option("--yes", help="option.revoke_unasked")] = False,
    dev_inbox: DevInboxOption = False,
) -> None:
    """Revoke a certificate: with either key of its pair, or with your PIN and a code by SMS. It can't be undone."""
    screen = Screen()
    if p12 is not None:
        _with_key(p12, password_file, serial, reason, screen, yes=yes)
    elif iin is not None:
        _with_code(iin, pin_file, serial, reason, TerminalPerson(screen), yes=yes, dev_inbox=dev_inbox)
    else:
        raise typer.BadParameter(words("revoke.give_one"))
    screen.say("revoke.done")


def _with_key(
    p12: Path, password_file: Path | None, serial: str | None, reason: HolderReason, screen: Screen, *, yes: bool
) -> None:
    entry = open_store(p12, password_file)
    with explained():
        own = _listed(certificate_of(entry))
    named = serial or own.serial
    _show(screen, [own])
    _confirm(named, yes=yes)

    async def go() -> None:
        signed = await signed_request(named, reason, entry, utc_now())
        async with Services.connect(endpoints()) as services:
            await services.ca.revoke_signed(signed.request, signed.signature)

    run(go())


def _with_code(
    iin: str,
    pin_file: Path | None,
    serial: str | None,
    reason: HolderReason,
    person: TerminalPerson,
    *,
    yes: bool,
    dev_inbox: bool,
) -> None:
    pin = secret(words("prompt.pin"), "CITIZEN_PIN", pin_file)
    session, good = run(_good_certificates(iin, pin))
    _show(person.screen, good)
    named = serial or _chosen(good)
    _confirm(named, yes=yes)

    async def go() -> None:
        async with Services.connect(endpoints()) as services:
            person.inbox = services if dev_inbox else None
            await revoke_by_code(services, session, named, reason, person)

    run(go())


async def _good_certificates(iin: str, pin: str) -> tuple[CitizenSession, list[CabinetCertificate]]:
    """Sign in, and fetch the certificates that can be revoked.

    Raises:
        CitizenError: ``revoke.none_good``; see `Caller.send`.
    """
    async with Services.connect(endpoints()) as services:
        session = await services.identity.sign_in(iin, pin)
        cabinet = await services.identity.cabinet(session)
    good = [each for each in cabinet.certificates if not each.revoked and each.not_after > utc_now()]
    if not good:
        raise CitizenError("revoke.none_good")
    return session, good


def _listed(certificate: x509.Certificate) -> CabinetCertificate:
    return CabinetCertificate(
        serial=serial_text(certificate.serial_number),
        profile=purpose_of(certificate),
        not_after=certificate.not_valid_after_utc,
    )


def _show(screen: Screen, certificates: Sequence[CabinetCertificate]) -> None:
    """List certificates with the numbers by which they are chosen."""
    table = Table("", *(words(f"inspect.{name}") for name in ("purpose", "good_until", "serial")), box=None)
    for number, each in enumerate(certificates, start=1):
        until = f"{each.not_after.astimezone():%Y-%m-%d %H:%M}"
        table.add_row(str(number), words(f"purpose.{each.profile}"), until, Text(each.serial, overflow="fold"))
    screen.console.print(table)


def _chosen(certificates: Sequence[CabinetCertificate]) -> str:
    """Ask which certificate is meant, where there are several; return its serial number."""
    if len(certificates) == 1:
        return certificates[0].serial
    numbers = {str(number): each.serial for number, each in enumerate(certificates, start=1)}

    def serial(typed: str) -> str:
        if typed.strip() not in numbers:
            raise typer.BadParameter(words("revoke.no_such_number", most=len(numbers)))
        return numbers[typed.strip()]

    answer: str = typer.prompt(words("prompt.certificate_number"), value_proc=serial)
    return answer


def _confirm(serial: str, *, yes: bool) -> None:
    """Ask before what can't be undone; a no ends the command."""
    if not yes:
        typer.confirm(words("prompt.revoke", serial=serial), abort=True)
