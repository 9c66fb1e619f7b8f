"""Commands for the electronic signature itself."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer
from cryptography import x509
from cryptography.x509.oid import NameOID
from rich.console import Console
from rich.table import Table

from libs.citizen.api.biometrics import Part
from libs.citizen.api.services import Endpoints, Services
from libs.citizen.cli.person import TerminalPerson
from libs.citizen.cli.screen import Out, PasswordFile, PinFile, Screen, explained, run, secret
from libs.citizen.files import write_private
from libs.citizen.journey.eds import EdsApplicant, EdsJourney, start
from libs.citizen.journey.folder import FolderPendingKeys, check_unused, keep_ticket, read_ticket
from libs.citizen.keys.keystore import KeyEntry, certificate_of, iin_of, purpose_of, unpack
from libs.citizen.keys.passwords import check_password, new_password
from libs.citizen.keys.private_keys import KeyAlgorithm
from libs.citizen.signing.cms import DetachedSigner, sign_detached, signer
from libs.citizen.texts import text
from libs.common.contracts.http.identity import JourneyTicket, JourneyView
from libs.common.core.values import utc_now

_HERE, _RENEWED = Path("eds"), Path("eds-renewed")
app = typer.Typer(invoke_without_command=True)
Capture = Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Picture or clip; else you are asked.")]
KeyStoreOption = Annotated[Path, typer.Option("--p12", exists=True, dir_okay=False, help="Your key store for signing.")]


@app.callback()
def get_eds(  # noqa: PLR0917 - one parameter for each option of the command
    context: typer.Context,
    out: Out = _HERE,
    iin: Annotated[str | None, typer.Option(help="Your IIN; else you are asked.")] = None,
    phone: Annotated[str | None, typer.Option(help="Your phone number; else you are asked.")] = None,
    email: Annotated[str | None, typer.Option(help="Where notices about your certificates go.")] = None,
    selfie: Capture = None,
    clip: Capture = None,
    front: Capture = None,
    back: Capture = None,
    page: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A passport's, instead of a card.")
    ] = None,
    key: Annotated[KeyAlgorithm, typer.Option(help="Kind of keys.")] = KeyAlgorithm.EC_P256,
    pin_file: PinFile = None,
    password_file: PasswordFile = None,
    generate_password: Annotated[bool, typer.Option(help="Make a password and put it into password.txt.")] = False,
    resume: Annotated[bool, typer.Option(help="Go on with the journey begun in the folder.")] = False,
    dev_inbox: Annotated[bool, typer.Option(help="Read the code from the development profile's inbox.")] = False,
) -> None:
    """Get an electronic signature: code, face, PIN, keys, certificates."""
    if context.invoked_subcommand is not None:
        return
    screen, begin = Screen(), None
    if not resume:
        with explained():
            check_unused(out)
        applicant = EdsApplicant(iin or typer.prompt("IIN"), phone or typer.prompt("Phone"), email)
        begin = partial(start, applicant=applicant, report=screen.report)
    pending = FolderPendingKeys(out, _store_password(out, password_file, generate=generate_password, screen=screen))
    captures = {
        Part.SELFIE: selfie,
        Part.CLIP: clip,
        Part.DOCUMENT_FRONT: front,
        Part.DOCUMENT_BACK: back,
        Part.DOCUMENT_PAGE: page,
    }
    files = {part: path for part, path in captures.items() if path is not None}
    person = TerminalPerson(screen, files, pin_file, passport=page is not None)
    _go(begin, screen, person, pending, key, dev_inbox=dev_inbox)
    screen.say("Keep a copy of both, and the password apart.")


@app.command("renew")
def renew(  # noqa: PLR0917 - one parameter for each option of the command
    p12: KeyStoreOption,
    out: Out = _RENEWED,
    phone: Annotated[str | None, typer.Option(help="The phone registered as yours; else you are asked.")] = None,
    email: Annotated[str | None, typer.Option(help="Where notices about your certificates go.")] = None,
    key: Annotated[KeyAlgorithm, typer.Option(help="Kind of the new keys.")] = KeyAlgorithm.EC_P256,
    pin_file: PinFile = None,
    password_file: PasswordFile = None,
    resume: Annotated[bool, typer.Option(help="Go on with the renewal begun in the folder.")] = False,
    dev_inbox: Annotated[bool, typer.Option(help="Read the code from the development profile's inbox.")] = False,
) -> None:
    """Renew a signature that is still good: PIN, code, and a signature with the present key; no face check.

    The new key stores get the password of the present one. The present certificates end when the new ones come.
    """
    screen, password = Screen(), secret("Password of the key store", "CITIZEN_P12_PASSWORD", password_file)
    with explained():
        entry = unpack(p12.read_bytes(), password)
        iin = iin_of(certificate_of(entry))
        if not resume:
            check_unused(out)
    begin = None
    if not resume:
        number, pin = phone or typer.prompt("Phone"), secret("Your PIN", "CITIZEN_PIN", pin_file)
        begin = partial(_begin_renewal, applicant=EdsApplicant(iin, number, email), pin=pin)
    person, pending = TerminalPerson(screen), FolderPendingKeys(out, password)
    _go(begin, screen, person, pending, key, dev_inbox=dev_inbox, present=signer(entry))
    screen.say("The old key store is of no more use.")


async def _begin_renewal(services: Services, applicant: EdsApplicant, pin: str) -> JourneyTicket:
    session = await services.identity.sign_in(applicant.iin, pin)
    return await services.identity.renew(session, applicant.phone, applicant.email, str(uuid4()))


def _go(
    begin: Callable[[Services], Awaitable[JourneyTicket]] | None,
    screen: Screen,
    person: TerminalPerson,
    pending: FolderPendingKeys,
    key: KeyAlgorithm,
    *,
    dev_inbox: bool,
    present: DetachedSigner | None = None,
) -> None:
    """Complete a journey, and say where the key stores are.

    Args:
        begin: begins a journey; None: the journey begun in the folder of the pending keys goes on.
        present: signs with the key that a renewal replaces.
    """

    async def whole() -> tuple[Path, Path]:
        async with Services.connect(Endpoints()) as services:
            person.inbox = services if dev_inbox else None
            with screen.working():
                if begin is None:
                    ticket = read_ticket(pending.folder)
                else:
                    ticket = await begin(services)
                    keep_ticket(pending.folder, ticket)
                way = EdsJourney(services, ticket, person, screen.report, pending, key, present=present)
                return await asyncio.to_thread(pending.finish, await way.complete())

    sign_store, auth_store = run(whole())
    screen.say(f"\nTo sign:    {sign_store}\nTo sign in: {auth_store}")


def _store_password(out: Path, file: Path | None, *, generate: bool, screen: Screen) -> str:
    """Get the password before the journey, so that a refused one costs no way that was already gone."""
    if generate and not (kept := out / "password.txt").exists():
        password = new_password()
        write_private(kept, password.encode() + b"\n")
        screen.say(f"The password of your key stores is in {kept}.")
        return password
    file = out / "password.txt" if generate else file
    password = secret("Password for your key stores", "CITIZEN_P12_PASSWORD", file, confirm=True)
    with explained():
        return check_password(password)


def status(out: Out = _HERE) -> None:
    """Show where the journey begun in the folder stands, and whom it waits for."""
    with explained():
        ticket = read_ticket(out)

    async def fetch() -> JourneyView:
        async with Services.connect(Endpoints()) as services:
            return await services.identity.journey(ticket)

    view = run(fetch())
    console = Console(highlight=False)
    for entry in view.timeline:
        console.print(f"{entry.at.astimezone():%Y-%m-%d %H:%M:%S}  {text(entry.key, entry.detail)}", markup=False)
    if view.outcome is not None:
        console.print(f"Closed: {view.outcome}. {text(view.reason or '')}", markup=False)
    elif view.waits_for is not None:
        until = f", until {view.waits_until.astimezone():%Y-%m-%d %H:%M}" if view.waits_until else ""
        console.print(f"Waits for {text(f'waits.{view.waits_for}')}{until}.", markup=False)


def sign(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The document to sign.")],
    p12: KeyStoreOption,
    signature: Annotated[Path | None, typer.Option(help="Where to put the signature; else beside the file.")] = None,
    password_file: PasswordFile = None,
) -> None:
    """Sign a file: makes a detached CMS signature (CAdES-BES) in FILE.p7s."""
    entry = open_store(p12, password_file)
    target = signature or file.with_name(file.name + ".p7s")
    der = run(sign_detached(file.read_bytes(), entry, utc_now()))
    with explained():
        target.write_bytes(der)
    Console(highlight=False).print(f"Signature: {target}", markup=False)


def inspect(
    p12: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A key store (PKCS#12).")],
    password_file: PasswordFile = None,
) -> None:
    """Show whose key store this is, what it is for, and how long it is good. Shows no key."""
    entry = open_store(p12, password_file)
    with explained():
        certificate = certificate_of(entry)
        purpose = {"SIGN": "to sign documents", "AUTH": "to sign in"}[purpose_of(certificate)]
    table = Table(show_header=False, box=None)
    rows = {
        "Holder": _name(certificate.subject),
        "Purpose": purpose,
        "Good from": _day(certificate.not_valid_before_utc),
        "Good until": _day(certificate.not_valid_after_utc) + _expired(certificate),
        "Serial number": f"{certificate.serial_number:x}",
        "Key": _key(entry),
        "Key identifier": entry.key_id,
        "Issued by": " < ".join(_name(issuer.subject) for issuer in entry.chain) or _name(certificate.issuer),
    }
    for name, value in rows.items():
        table.add_row(name, value)
    Console(highlight=False).print(table)


def open_store(path: Path, password_file: Path | None) -> KeyEntry:
    """Open a key store with a password from file, environment or keyboard."""
    password = secret("Password of the key store", "CITIZEN_P12_PASSWORD", password_file)
    with explained():
        return unpack(path.read_bytes(), password)


def _name(name: x509.Name) -> str:
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(common[0].value) if common else name.rfc4514_string()


def _day(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"


def _expired(certificate: x509.Certificate) -> str:
    return " (run out)" if certificate.not_valid_after_utc < utc_now() else ""


def _key(entry: KeyEntry) -> str:
    kind = "RSA" if type(entry.key).__name__.startswith("RSA") else "elliptic curve"
    return f"{kind}, {entry.key.key_size} bits"
