"""Commands for kandas status."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer
from pydantic import ValidationError
from rich.table import Table

from libs.citizen.api.answers import Upload
from libs.citizen.api.services import Services
from libs.citizen.cli.eds import open_store
from libs.citizen.cli.options import ApplicationIdArgument, IinOption, Out, PasswordFile, PinFile, SigningKeyOption
from libs.citizen.cli.person import read_upload
from libs.citizen.cli.screen import Screen, endpoints, explained, run, secret, show_awaited
from libs.citizen.errors import CitizenError
from libs.citizen.files import write_private
from libs.citizen.journey.kandas import KandasJourney, SignedApplication, timeline_of
from libs.citizen.keys.keystore import KeyEntry
from libs.citizen.signing.cms import DetachedSigner, signer
from libs.citizen.texts import line, words
from libs.common.contracts.http.identity import CabinetView
from libs.common.contracts.http.kandas import ApplicationForm, DocumentNeeded, KandasApplicationView, PersonForm
from libs.common.contracts.kandas import DocumentKind

T = TypeVar("T")
_HERE: Final = Path("kandas")
Yes = Annotated[bool, typer.Option("--yes", help="option.yes")]

app = typer.Typer(no_args_is_help=True)


@dataclass(frozen=True)
class ApplicationFile:
    """An application as the citizen writes it down: a form whose persons also name their attachments.

    ``{"service": "grant", "region": ..., "applicant": {..., "attachments": {"photo": "me.jpg"}}, "family": [...]}``;
    paths are taken from the file's own folder.
    """

    form: ApplicationForm
    paths: dict[PersonForm, dict[str, Path]]

    @classmethod
    def read(cls, path: Path) -> "ApplicationFile":
        """Read and check the file.

        Raises:
            CitizenError: ``form.invalid``, naming the fields, or ``form.not_an_application``.
        """
        try:
            content: dict[str, Any] = json.loads(path.read_text("utf-8"))
            named = [person.pop("attachments", {}) for person in (content["applicant"], *content.get("family", []))]
            form = ApplicationForm.model_validate(content)
        except ValidationError as error:
            fields = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
            raise CitizenError("form.invalid", file=path, fields=fields) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CitizenError("form.not_an_application", file=path) from error
        people = (form.applicant, *form.family)
        folders = ({kind: path.parent / name for kind, name in one.items()} for one in named)
        return cls(form, dict(zip(people, folders, strict=True)))

    async def attachment(self, person: PersonForm, needed: DocumentNeeded) -> Upload:
        """Return a document that is needed for one person.

        Raises:
            CitizenError: ``form.attachment_not_named`` or ``form.attachment_missing``.
        """
        path, whom, kind = self.paths[person].get(needed.kind), person.full_name, needed.kind_text
        if path is None:
            raise CitizenError("form.attachment_not_named", kind=kind, person=whom, name=needed.kind)
        if not path.is_file():
            raise CitizenError("form.attachment_missing", kind=kind, person=whom, file=path)
        return read_upload(path)


@app.command()
def apply(  # noqa: PLR0917 - one parameter for each option of the command
    form: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="argument.form")],
    p12: SigningKeyOption,
    iin: IinOption,
    out: Out = _HERE,
    pin_file: PinFile = None,
    password_file: PasswordFile = None,
    yes: Yes = False,
    follow: Annotated[bool, typer.Option(help="option.follow")] = False,
) -> None:
    """Apply for yourself and your family: fill in, attach, sign, submit."""
    with explained():
        file = ApplicationFile.read(form)
    entry, screen = open_store(p12, password_file), Screen()

    async def go(journey: KandasJourney) -> None:
        submitted = await journey.apply(file.form, file.attachment, _asking(entry, screen, yes=yes))
        _write(submitted, out)
        if follow:
            await _fetch(journey, await journey.follow(submitted.application_id), out, screen)

    _signed_in(iin, pin_file, screen, go)


@app.command("sign")
def sign_again(  # noqa: PLR0917 - one parameter for each option of the command
    application_id: ApplicationIdArgument,
    p12: SigningKeyOption,
    iin: IinOption,
    out: Out = _HERE,
    pin_file: PinFile = None,
    password_file: PasswordFile = None,
    yes: Yes = False,
) -> None:
    """Sign an application that is a draft still, or came back to be signed again."""
    entry, screen = open_store(p12, password_file), Screen()

    async def go(journey: KandasJourney) -> None:
        _write(await journey.submit(application_id, _asking(entry, screen, yes=yes)), out)

    _signed_in(iin, pin_file, screen, go)


@app.command()
def attach(  # noqa: PLR0917 - one parameter for each option of the command
    application_id: ApplicationIdArgument,
    person: Annotated[str, typer.Argument(help="argument.person")],
    kind: Annotated[DocumentKind, typer.Argument(help="argument.kind")],
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="argument.attachment")],
    iin: IinOption,
    pin_file: PinFile = None,
) -> None:
    """Attach a document that an application still lacks, or that was asked for anew."""
    screen, upload = Screen(), read_upload(file)

    async def go(journey: KandasJourney) -> None:
        await journey.services.kandas.attach(journey.session, application_id, person, kind, upload)

    _signed_in(iin, pin_file, screen, go)
    screen.say("kandas.attached", file=file)


@app.command()
def status(
    iin: IinOption,
    application_id: Annotated[str | None, typer.Argument(help="argument.application_or_all")] = None,
    pin_file: PinFile = None,
) -> None:
    """Show your applications, or one of them with its timeline."""
    screen = Screen()

    async def view(journey: KandasJourney) -> KandasApplicationView | CabinetView:
        if application_id is None:
            return await journey.services.identity.cabinet(journey.session)
        return await journey.services.kandas.application(journey.session, application_id)

    seen = _signed_in(iin, pin_file, screen, view)
    if isinstance(seen, CabinetView):
        for one in seen.applications:
            status = line(f"application_status.{one.status}", {})
            screen.console.print(f"{one.application_id}  {one.updated_at.astimezone():%Y-%m-%d %H:%M}  {status}")
        return
    for progress in timeline_of(seen):
        screen.timeline(progress)
    screen.console.print(_persons(seen))
    for needed in seen.documents_needed:
        place = f"{needed.person} {needed.kind}"
        screen.say("kandas.still_to_attach", kind=needed.kind_text, person=needed.person_text, place=place)
    if seen.waits_for is not None:
        show_awaited(screen, seen.waits_for, seen.due_on)


@app.command()
def fetch(application_id: ApplicationIdArgument, iin: IinOption, out: Out = _HERE, pin_file: PinFile = None) -> None:
    """Fetch the sealed documents of the decisions."""
    screen = Screen()

    async def go(journey: KandasJourney) -> None:
        view = await journey.services.kandas.application(journey.session, application_id)
        await _fetch(journey, view, out, screen)

    _signed_in(iin, pin_file, screen, go)


def _signed_in(iin: str, pin_file: Path | None, screen: Screen, work: Callable[[KandasJourney], Awaitable[T]]) -> T:
    """Sign in with IIN and PIN, and do the work in that session."""
    pin = secret(words("prompt.pin"), "CITIZEN_PIN", pin_file)

    async def go() -> T:
        async with Services.connect(endpoints()) as services:
            with screen.working():
                session = await services.identity.sign_in(iin, pin)
                return await work(KandasJourney(services, session, screen.report))

    return run(go())


def _asking(entry: KeyEntry, screen: Screen, *, yes: bool) -> DetachedSigner:
    """Make a signer that first shows what is to be signed: nobody should sign what they have not seen."""
    make = signer(entry)

    async def sign(document: bytes) -> bytes:
        if not yes:
            with screen.asking():
                screen.console.print_json(document.decode("utf-8"))
                typer.confirm(words("prompt.sign_application"), abort=True)
        return await make(document)

    return sign


def _write(submitted: SignedApplication, out: Path) -> None:
    write_private(out / "application.json", submitted.document)
    write_private(out / "application.p7s", submitted.signature)


async def _fetch(journey: KandasJourney, view: KandasApplicationView, out: Path, screen: Screen) -> None:
    documents = await journey.documents(view)
    for person, pdf in documents.items():
        write_private(out / f"kandas-{person}.pdf", pdf)
    screen.console.print(_persons(view))
    if documents:
        screen.say("kandas.documents_in", count=len(documents), folder=out)
    else:
        screen.say("kandas.no_decisions")


def _persons(view: KandasApplicationView) -> Table:
    table = Table(*(words(f"kandas.column.{each}") for each in ("person", "name", "decision", "reasons")))
    for one in view.persons:
        table.add_row(one.person, one.name or one.role_text, one.outcome_text, "; ".join(one.reasons_text))
    return table
