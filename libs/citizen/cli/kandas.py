"""Commands for kandas status."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from libs.citizen.api.answers import Upload
from libs.citizen.api.services import Endpoints, Services
from libs.citizen.cli.eds import KeyStoreOption, open_store
from libs.citizen.cli.person import read_upload
from libs.citizen.cli.screen import IinOption, Out, PasswordFile, PinFile, Screen, explained, run, secret
from libs.citizen.errors import CitizenError
from libs.citizen.files import write_private
from libs.citizen.journey.kandas import KandasJourney, SignedApplication
from libs.citizen.keys.keystore import KeyEntry
from libs.citizen.signing.cms import DetachedSigner, signer
from libs.citizen.texts import text
from libs.common.contracts.http.identity import CabinetView
from libs.common.contracts.http.kandas import ApplicationForm, KandasApplicationView, PersonForm

T = TypeVar("T")
_HERE: Final = Path("kandas")
ApplicationIdArgument = Annotated[str, typer.Argument(help="Number of the application.")]
Yes = Annotated[bool, typer.Option("--yes", help="Sign without asking.")]

app = typer.Typer(help="Kandas status for you and your family.", no_args_is_help=True)


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
            CitizenError: ``form.invalid``, naming the fields.
        """
        try:
            content: dict[str, Any] = json.loads(path.read_text("utf-8"))
            named = [person.pop("attachments", {}) for person in (content["applicant"], *content.get("family", []))]
            form = ApplicationForm.model_validate(content)
        except ValidationError as error:
            fields = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
            raise CitizenError("form.invalid", f"The application in {path} can't be sent. {fields}.") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CitizenError(
                "form.invalid",
                f"{path} is not an application: it must be a JSON object with service, region, applicant and family.",
            ) from error
        people = (form.applicant, *form.family)
        folders = ({kind: path.parent / name for kind, name in one.items()} for one in named)
        return cls(form, dict(zip(people, folders, strict=True)))

    async def attachment(self, person: PersonForm, kind: str) -> Upload:
        """Return the document of a kind for one person.

        Raises:
            CitizenError: ``form.attachment_missing``.
        """
        path = self.paths[person].get(kind)
        if path is None or not path.is_file():
            wanted = f"There is no file {path}." if path else f'Name it under "attachments" as "{kind}".'
            raise CitizenError(
                "form.attachment_missing",
                f"The application asks for the document {kind} of {person.full_name}. {wanted}",
            )
        return read_upload(path)


@app.command()
def apply(  # noqa: PLR0917 - one parameter for each option of the command
    form: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The application (JSON).")],
    p12: KeyStoreOption,
    iin: IinOption,
    out: Out = _HERE,
    pin_file: PinFile = None,
    password_file: PasswordFile = None,
    yes: Yes = False,
    follow: Annotated[bool, typer.Option(help="Wait for the decision and fetch it.")] = False,
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
    p12: KeyStoreOption,
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
    person: Annotated[str, typer.Argument(help="The person within the application.")],
    kind: Annotated[str, typer.Argument(help="Which document, such as photo or identity_document.")],
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The document (pdf or jpg).")],
    iin: IinOption,
    pin_file: PinFile = None,
) -> None:
    """Attach a document that an application still lacks, or that was asked for anew."""
    screen, upload = Screen(), read_upload(file)

    async def go(journey: KandasJourney) -> None:
        await journey.services.kandas.attach(journey.session, application_id, person, kind, upload)

    _signed_in(iin, pin_file, screen, go)
    screen.say(f"Attached: {kind} of {person}.")


@app.command()
def status(
    iin: IinOption,
    application_id: Annotated[str | None, typer.Argument(help="Number of an application; else all.")] = None,
    pin_file: PinFile = None,
) -> None:
    """Show your applications, or one of them with its timeline."""
    console = Console(highlight=False)

    async def fetch(journey: KandasJourney) -> KandasApplicationView | CabinetView:
        if application_id is None:
            return await journey.services.identity.cabinet(journey.session)
        return await journey.services.kandas.application(journey.session, application_id)

    seen = _signed_in(iin, pin_file, Screen(), fetch)
    if isinstance(seen, CabinetView):
        for one in seen.applications:
            console.print(f"{one.application_id}  {one.status}  {one.updated_at.astimezone():%Y-%m-%d %H:%M}")
        return
    for entry in seen.timeline:
        console.print(f"{entry.at.astimezone():%Y-%m-%d %H:%M:%S}  {text(entry.key, entry.detail)}", markup=False)
    console.print(_persons(seen))
    for needed in seen.documents_needed:
        console.print(f"Still to attach: {needed.kind} of {needed.person}", markup=False)
    if seen.waits_for is not None:
        due = f", due on {seen.due_on:%Y-%m-%d}" if seen.due_on else ""
        console.print(f"Waits for {text(f'waits.{seen.waits_for}')}{due}.", markup=False)


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
    pin = secret("PIN", "CITIZEN_PIN", pin_file)

    async def go() -> T:
        async with Services.connect(Endpoints()) as services:
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
                typer.confirm("Sign this application?", abort=True)
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
    screen.say(f"{len(documents)} documents are in {out}." if documents else "There are no decisions yet.")


def _persons(view: KandasApplicationView) -> Table:
    table = Table("Person", "Name", "Decision", "Reasons")
    for one in view.persons:
        table.add_row(one.person, one.name or "", one.outcome or "open", "; ".join(text(key) for key in one.reasons))
    return table
