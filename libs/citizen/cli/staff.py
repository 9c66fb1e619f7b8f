"""Commands for clerks of public service centres and officers of local executive bodies."""

import mimetypes
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from pydantic import BaseModel
from rich.console import Console

from libs.citizen.api.services import Services
from libs.citizen.cli.options import ApplicationIdArgument, JourneyIdArgument, Out, TokenFile
from libs.citizen.cli.screen import Screen, endpoints, explained, run, secret
from libs.citizen.files import write_private
from libs.citizen.texts import words
from libs.common.contracts.http.kandas import DocumentPlace
from libs.common.contracts.kandas import DocumentKind, RefusalGround

T = TypeVar("T")

officer = typer.Typer(no_args_is_help=True)
clerk = typer.Typer(no_args_is_help=True)


class DecisionChoice(StrEnum):
    """What an officer may decide."""

    GRANTED = "granted"
    EXTENDED = "extended"
    REFUSED = "refused"


@officer.command()
def queue(status: Annotated[str, typer.Option(help="option.status")] = "checked", token_file: TokenFile = None) -> None:
    """List the applications of your region, one JSON object a line."""
    _print_lines(_with_token(token_file, lambda services, token: services.kandas.queue(token, status)))


@officer.command()
def show(application_id: ApplicationIdArgument, token_file: TokenFile = None) -> None:
    """Show an application."""
    seen = _with_token(token_file, lambda services, token: services.kandas.officer_view(token, application_id))
    Console(highlight=False).print_json(seen.model_dump_json())


@officer.command()
def attachments(
    application_id: ApplicationIdArgument, out: Out = Path("attachments"), token_file: TokenFile = None
) -> None:
    """Fetch all documents that are attached to an application."""

    async def fetch(services: Services, token: str) -> dict[str, bytes]:
        seen = await services.kandas.officer_view(token, application_id)
        fetched = {}
        for place in seen.attachments:
            got = await services.kandas.officer_attachment(token, application_id, place.person, place.kind)
            suffix = mimetypes.guess_extension(got.media_type.partition(";")[0]) or ""
            fetched[f"{place.person}-{place.kind}{suffix}"] = got.data
        return fetched

    _save(_with_token(token_file, fetch), out)


@officer.command("return")
def send_back(
    application_id: ApplicationIdArgument,
    documents: Annotated[list[str], typer.Argument(help="argument.documents")],
    token_file: TokenFile = None,
) -> None:
    """Send an application back to the applicant, to bring documents anew and sign again."""
    places = [_place(named) for named in documents]
    _with_token(token_file, lambda services, token: services.kandas.send_back(token, application_id, places))
    Screen().say("officer.sent_back", count=len(places))


@officer.command("decide")
def decide_application(
    application_id: ApplicationIdArgument,
    person: Annotated[str, typer.Argument(help="argument.person")],
    outcome: Annotated[DecisionChoice, typer.Argument(help="argument.decision")],
    reason: Annotated[list[RefusalGround] | None, typer.Option(help="option.ground")] = None,
    token_file: TokenFile = None,
) -> None:
    """Decide about one person. A decision is final."""
    _with_token(
        token_file,
        lambda services, token: services.kandas.decide(
            token, application_id, person, outcome.value, reasons=tuple(reason or ())
        ),
    )
    Screen().say("officer.decided", person=person)


@clerk.command()
def reviews(token_file: TokenFile = None) -> None:
    """List the face checks that wait for a clerk, one JSON object a line."""
    _print_lines(_with_token(token_file, lambda services, token: services.biometrics.reviews(token)))


@clerk.command()
def pictures(journey_id: JourneyIdArgument, out: Out = Path("review"), token_file: TokenFile = None) -> None:
    """Fetch the pictures of a face check, to compare them. Each look is recorded; delete them afterwards."""

    async def fetch(services: Services, token: str) -> dict[str, bytes]:
        case = await services.biometrics.review(token, journey_id)
        return {link.part: await services.biometrics.picture(token, link) for link in case.links}

    _save(_with_token(token_file, fetch), out)


@clerk.command("decide")
def decide_review(
    journey_id: JourneyIdArgument,
    match: Annotated[bool, typer.Option("--match/--no-match", help="option.match")],
    reason: Annotated[str, typer.Option(help="option.review_reason")],
    token_file: TokenFile = None,
) -> None:
    """Judge a face check."""
    ended = _with_token(
        token_file,
        lambda services, token: services.biometrics.decide_review(token, journey_id, match=match, reason=reason),
    )
    screen = Screen()
    screen.say("clerk.same_person" if match else "clerk.another_person")
    if not ended:
        screen.say("clerk.second_clerk")


def _place(named: str) -> DocumentPlace:
    person, _, kind = named.partition("/")
    if kind not in set(DocumentKind):
        raise typer.BadParameter(words("officer.no_document", named=named, kinds=", ".join(DocumentKind)))
    return DocumentPlace(person=person, kind=DocumentKind(kind))


def _with_token(token_file: Path | None, work: Callable[[Services, str], Awaitable[T]]) -> T:
    token = secret(words("prompt.staff_token"), "CITIZEN_STAFF_TOKEN", token_file)

    async def go() -> T:
        async with Services.connect(endpoints()) as services:
            return await work(services, token)

    return run(go())


def _save(files: Mapping[str, bytes], out: Path) -> None:
    with explained():
        for name, content in files.items():
            write_private(out / name, content)
    Screen().say("staff.files_in", count=len(files), folder=out)


def _print_lines(items: Sequence[BaseModel]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for item in items:
        console.print(item.model_dump_json(), markup=False)
