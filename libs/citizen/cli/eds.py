"""Commands for the electronic signature itself."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Final
from uuid import uuid4

import typer
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.x509.oid import NameOID
from rich.console import Console
from rich.table import Table
from rich.text import Text

from libs.citizen.api.biometrics import Part
from libs.citizen.api.services import Services
from libs.citizen.cli.options import (
    DevInboxOption,
    EmailOption,
    Out,
    PasswordFile,
    PhoneOption,
    PinFile,
    ResumeOption,
    SigningKeyOption,
    checked_iin,
)
from libs.citizen.cli.person import TerminalPerson
from libs.citizen.cli.screen import Screen, endpoints, explained, run, secret, show_awaited
from libs.citizen.errors import CitizenError, JourneyEnded
from libs.citizen.files import write_private
from libs.citizen.journey.eds import EdsApplicant, EdsJourney, start
from libs.citizen.journey.folder import FolderPendingKeys, check_unused, keep_ticket, read_ticket
from libs.citizen.journey.progress import ProgressLine
from libs.citizen.keys.keystore import KeyEntry, certificate_of, iin_of, purpose_of, unpack
from libs.citizen.keys.passwords import check_password, new_password
from libs.citizen.keys.private_keys import KeyAlgorithm
from libs.citizen.signing.cms import DetachedSigner, sign_detached, signer
from libs.citizen.texts import line, words
from libs.common.contracts.http.identity import JourneyTicket, JourneyView
from libs.common.core.values import utc_now
from libs.common.pki.names import subject_of
from libs.common.pki.oids import FULL_NAME

_HERE, _RENEWED = Path("eds"), Path("eds-renewed")
app = typer.Typer(invoke_without_command=True)
Capture = Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="option.capture")]
CompatibleOption = Annotated[bool, typer.Option("--compatible", help="option.compatible")]
_PASSWORD: Final = "CITIZEN_P12_PASSWORD"  # noqa: S105 - a variable's name


@app.callback()
def get_eds(  # noqa: PLR0917 - one parameter for each option of the command
    context: typer.Context,
    out: Out = _HERE,
    iin: Annotated[str | None, typer.Option(help="option.iin_or_asked", callback=checked_iin)] = None,
    phone: PhoneOption = None,
    email: EmailOption = None,
    selfie: Capture = None,
    clip: Capture = None,
    front: Capture = None,
    back: Capture = None,
    page: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="option.page")] = None,
    key: Annotated[KeyAlgorithm, typer.Option(help="option.key")] = KeyAlgorithm.EC_P256,
    pin_file: PinFile = None,
    password_file: PasswordFile = None,
    generate_password: Annotated[bool, typer.Option(help="option.generate_password")] = False,
    compatible: CompatibleOption = False,
    resume: ResumeOption = False,
    dev_inbox: DevInboxOption = False,
) -> None:
    """Get an electronic signature: code, face, PIN, keys, certificates."""
    if context.invoked_subcommand is not None:
        return
    screen, begin = Screen(), None
    if not resume:
        with explained():
            check_unused(out)
        applicant = EdsApplicant(
            iin or typer.prompt(words("prompt.iin"), value_proc=checked_iin),
            phone or typer.prompt(words("prompt.phone")),
            email,
        )
        begin = partial(start, applicant=applicant, report=screen.report)
    password = _store_password(out, password_file, generate=generate_password, screen=screen)
    pending = FolderPendingKeys(out, password, compatible=compatible)
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
    screen.say("eds.keep_a_copy")


@app.command("renew")
def renew(  # noqa: PLR0917 - one parameter for each option of the command
    p12: SigningKeyOption,
    out: Out = _RENEWED,
    phone: Annotated[str | None, typer.Option(help="option.registered_phone")] = None,
    email: EmailOption = None,
    key: Annotated[KeyAlgorithm, typer.Option(help="option.key")] = KeyAlgorithm.EC_P256,
    pin_file: PinFile = None,
    password_file: PasswordFile = None,
    compatible: CompatibleOption = False,
    resume: ResumeOption = False,
    dev_inbox: DevInboxOption = False,
) -> None:
    """Renew a signature that is still good: PIN, code, and a signature with the present key; no face check.

    The new key stores get the password of the present one. The present certificates end when the new ones come.
    """
    screen, password = Screen(), secret(words("prompt.p12_password"), _PASSWORD, password_file)
    with explained():
        entry = unpack(p12.read_bytes(), password)
        iin = iin_of(certificate_of(entry))
        if not resume:
            check_unused(out)
    begin = None
    if not resume:
        number, pin = phone or _asked("prompt.phone"), secret(words("prompt.pin"), "CITIZEN_PIN", pin_file)
        begin = partial(_begin_renewal, applicant=EdsApplicant(iin, number, email), pin=pin)
    person, pending = TerminalPerson(screen), FolderPendingKeys(out, password, compatible=compatible)
    _go(begin, screen, person, pending, key, dev_inbox=dev_inbox, present=signer(entry))
    screen.say("eds.old_key_store")


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
        async with Services.connect(endpoints()) as services:
            person.inbox = services if dev_inbox else None
            with screen.working():
                if begin is None:
                    ticket = read_ticket(pending.folder)
                else:
                    ticket = await begin(services)
                    keep_ticket(pending.folder, ticket)
                way = EdsJourney(services, ticket, person, screen.report, pending, key, present=present)
                with _resumable(pending.folder):
                    return await asyncio.to_thread(pending.finish, await way.complete())

    sign_store, auth_store = run(whole())
    screen.say("eds.key_to_sign", file=sign_store)
    screen.say("eds.key_to_sign_in", file=auth_store)


@contextmanager
def _resumable(folder: Path) -> Iterator[None]:
    """Add to an error that the journey can go on, unless the journey has ended."""
    try:
        yield
    except JourneyEnded:
        raise
    except CitizenError as error:
        error.add_note(words("eds.go_on", folder=folder))
        raise


def _asked(prompt: str) -> str:
    answer: str = typer.prompt(words(prompt))
    return answer


def _store_password(out: Path, file: Path | None, *, generate: bool, screen: Screen) -> str:
    """Get the password before the journey, so that a refused one costs no way that was already gone."""
    if generate and not (kept := out / "password.txt").exists():
        password = new_password()
        write_private(kept, password.encode() + b"\n")
        screen.say("eds.password_kept", file=kept)
        return password
    file = out / "password.txt" if generate else file
    password = secret(words("prompt.new_p12_password"), _PASSWORD, file, confirm=True)
    with explained():
        return check_password(password)


def status(out: Out = _HERE) -> None:
    """Show where the journey begun in the folder stands, and whom it waits for."""
    with explained():
        ticket = read_ticket(out)

    async def fetch() -> JourneyView:
        async with Services.connect(endpoints()) as services:
            return await services.identity.journey(ticket)

    view, screen = run(fetch()), Screen()
    for entry in view.timeline:
        screen.timeline(ProgressLine(entry.at, entry.key, entry.detail, entry.text))
    if view.outcome is not None:
        screen.say(f"journey.{view.outcome}")
        if view.reason is not None and view.reason != f"journey.{view.outcome}":
            screen.console.print(line(view.reason, {}), markup=False)
    elif view.waits_for is not None:
        show_awaited(screen, view.waits_for, view.waits_until)


def sign(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="argument.document")],
    p12: SigningKeyOption,
    signature: Annotated[Path | None, typer.Option(help="option.signature")] = None,
    password_file: PasswordFile = None,
) -> None:
    """Sign a file: makes a detached CMS signature (CAdES-BES) in FILE.p7s."""
    entry = open_store(p12, password_file)
    target = signature or file.with_name(file.name + ".p7s")
    der = run(sign_detached(file.read_bytes(), entry, utc_now()))
    with explained():
        target.write_bytes(der)
    Screen().say("sign.done", file=target)


def inspect(
    p12: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="argument.key_store")],
    password_file: PasswordFile = None,
) -> None:
    """Show whose key store this is, what it is for, and how long it is good. Shows no key."""
    entry = open_store(p12, password_file)
    with explained():
        certificate = certificate_of(entry)
        purpose = purpose_of(certificate)
    table = Table(show_header=False, box=None)
    rows = {
        "holder": _name(subject_of(certificate)),
        "purpose": words(f"purpose.{purpose}"),
        "good_from": _moment(certificate.not_valid_before_utc),
        "good_until": _moment(certificate.not_valid_after_utc) + _expired(certificate),
        "serial": f"{certificate.serial_number:x}",
        "key": _key(entry),
        "key_id": entry.key_id,
        "issuer": " < ".join(_name(issuer.subject) for issuer in entry.chain) or _name(certificate.issuer),
    }
    for name, value in rows.items():
        table.add_row(words(f"inspect.{name}"), Text(value))
    Console(highlight=False).print(table)


def open_store(path: Path, password_file: Path | None) -> KeyEntry:
    """Open a key store with a password from file, environment or keyboard."""
    password = secret(words("prompt.p12_password"), _PASSWORD, password_file)
    with explained():
        return unpack(path.read_bytes(), password)


def _name(name: x509.Name) -> str:
    """Return the whole name, the common name where it is the whole, or all attributes where there is neither."""
    shown = [*name.get_attributes_for_oid(FULL_NAME), *name.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return str(shown[0].value) if shown else name.rfc4514_string()


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"


def _expired(certificate: x509.Certificate) -> str:
    return f" ({words('inspect.run_out')})" if certificate.not_valid_after_utc < utc_now() else ""


def _key(entry: KeyEntry) -> str:
    kind = "rsa" if isinstance(entry.key, RSAPrivateKey) else "ec"
    return words(f"key.{kind}", bits=str(entry.key.key_size))
