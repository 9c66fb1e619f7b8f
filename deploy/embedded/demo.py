"""One citizen's whole way, on real parts: from an IIN and a phone to sealed documents in the cabinet.

Leaves everything in ``out/demo/`` for outside judges to look at (openssl, keytool, pdfsig, a text editor).
"""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

import uvloop
from cryptography.hazmat.primitives.serialization import Encoding
from rich.console import Console

from deploy.embedded.installation import SERVICES, Installation
from deploy.embedded.observer import Observer
from deploy.embedded.process import Server, free_port
from deploy.embedded.services import in_one_process
from deploy.embedded.stack import Broker, Store
from libs.citizen.api.answers import Upload
from libs.citizen.api.biometrics import Part
from libs.citizen.api.services import Services
from libs.citizen.cli.screen import shown
from libs.citizen.files import write_private
from libs.citizen.journey.eds import EdsJourney, start
from libs.citizen.journey.enrolment import Eds
from libs.citizen.journey.kandas import KandasJourney, SignedApplication
from libs.citizen.journey.progress import ProgressLine
from libs.citizen.keys.keystore import pack
from libs.citizen.keys.passwords import new_password
from libs.citizen.signing.cms import signer
from libs.citizen.texts import choose
from libs.common.contracts.http.identity import CitizenSession
from libs.common.contracts.http.kandas import KandasApplicationView
from libs.common.core import logging
from libs.common.core.kafka_access import KafkaAccess
from libs.common.delivery.topic_admin import create_topics
from libs.common.texts.languages import Language
from services.biometrics.liveness.challenge import Action
from tests.fixtures.media.make import MediaFiles, make_media
from tests.fixtures.people import (
    REGION,
    Invented,
    Volunteer,
    attach,
    family_of,
    grant_all,
    invent,
    register_of,
    upload_of,
)

OUT: Final = Path("out/demo")
PARTITIONS: Final = 2
CITIZEN: Final = 1


class DemoFailed(Exception):
    """A step did not go as it must."""


@dataclass
class Demo:
    """The run of one demo: what the citizen was shown, and the files it leaves.

    Args:
        out: where the files go.
        models: the face models.
        broker: makes the broker, which logs into the folder it is given.
        idempotence: whether that broker speaks idempotent producing; the embedded one does not.
    """

    out: Path
    models: Path
    console: Console
    broker: Callable[[Path], Server] = Broker
    idempotence: bool = False
    citizen: Invented = field(default_factory=lambda: invent(CITIZEN))
    password: str = field(default_factory=new_password)
    began: float = field(default_factory=time.monotonic)
    step_name: str = "starting"
    lines: list[str] = field(default_factory=list)

    async def run(self) -> None:
        """Go the whole way.

        Raises:
            Exception: whatever went wrong; `step_name` says where.
        """
        async with self._system() as (installation, observer), Services.connect(installation.endpoints) as services:
            eds = await self._get_eds(services)
            with self.step("signing in to the cabinet"):
                session = await services.identity.sign_in(
                    self.citizen.iin, Volunteer(services, self._camera).pin_digits
                )
            view = await self._get_kandas(services, session, eds, installation)
            with self.step("fetching the sealed documents and the revocation list"):
                await self._fetch(services, session, view)
            with self.step("waiting until the topics are quiet"):
                await observer.settle()
        with self.step("looking for personal data in events and logs"):
            self._search()

    @asynccontextmanager
    async def _system(self) -> AsyncIterator[tuple[Installation, Observer]]:
        folder = self.out / ".run"
        folder.mkdir(parents=True)
        with self.step("starting broker and store"):
            broker, store = self.broker(folder), Store(folder)
            await asyncio.gather(broker.start(), store.start())
        observer = Observer(broker.address, self.out / "events.jsonl")
        try:
            with self.step("making topics, keys and the certification authority"):
                await create_topics(KafkaAccess(broker.address), partitions=PARTITIONS)
                ports = {service: free_port() for service in SERVICES}
                installation = Installation(
                    folder,
                    broker.address,
                    store.uri,
                    ports,
                    idempotence=self.idempotence,
                    models=self.models,
                    people=folder / "register.json",
                )
                installation.prepare()
                (folder / "register.json").write_text(register_of([self.citizen]), encoding="utf-8")
            with self.step("starting five services"):
                await observer.start()
                running = in_one_process(installation)
                await running.__aenter__()
            try:
                yield installation, observer
            finally:
                self.step_name = self.step_name or "stopping"
                await running.__aexit__(None, None, None)
        finally:
            await observer.stop()
            await asyncio.gather(broker.stop(), store.stop())

    async def _get_eds(self, services: Services) -> Eds:
        with self.step("an electronic signature: code, face, PIN, keys, certificates"):
            ticket = await start(services, self.citizen.applicant, self.report)
            eds = await EdsJourney(services, ticket, Volunteer(services, self._camera), self.report).complete()
        with self.step("writing keys and certificates"):
            chain = await services.ca.chain()
            self._write("issuing.pem", b"".join(each.public_bytes(Encoding.PEM) for each in chain[:-1]))
            self._write("root.pem", chain[-1].public_bytes(Encoding.PEM))
            for name, entry in (("sign", eds.sign), ("auth", eds.auth)):
                if entry.certificate is None:
                    raise DemoFailed(f"there is no {name} certificate")
                self._write(f"{name}.pem", entry.certificate.public_bytes(Encoding.PEM))
                write_private(self.out / f"{name}.p12", pack(entry, self.password))
            write_private(self.out / "password.txt", f"{self.password}\n".encode())
        return eds

    async def _get_kandas(
        self, services: Services, session: CitizenSession, eds: Eds, installation: Installation
    ) -> KandasApplicationView:
        journey = KandasJourney(services, session, self.report)
        with self.step("kandas status for a family of three: application, attachments, signature"):
            submitted: SignedApplication = await journey.apply(family_of(self.citizen), attach, signer(eds.sign))
            self._write("application.json", submitted.document)
            self._write("application.p7s", submitted.signature)
        with self.step("the ministry's check and the officer's decision"):
            async with asyncio.TaskGroup() as both:
                both.create_task(grant_all(services, installation.staff.officer(REGION), submitted.application_id))
                following = both.create_task(journey.follow(submitted.application_id))
            view = following.result()
        if not all(person.document for person in view.persons):
            raise DemoFailed(f"the application is {view.status}, not decided")
        return view

    async def _fetch(self, services: Services, session: CitizenSession, view: KandasApplicationView) -> None:
        documents = await KandasJourney(services, session, self.report).documents(view)
        for person, document in documents.items():
            self._write(f"kandas-{person}.pdf", document)
        self._write("crl.pem", await services.ca.crl("issuing", 0))
        cabinet = await services.identity.cabinet(session)
        self.console.print(
            f"   cabinet: {len(cabinet.certificates)} certificates, {len(cabinet.applications)} application",
            markup=False,
        )

    async def _camera(self, challenge: Sequence[str]) -> Mapping[Part, Upload]:
        files: MediaFiles = await asyncio.to_thread(
            make_media,
            self.out / ".run" / "media",
            iin=self.citizen.iin,
            document_number=self.citizen.document_number,
            names=self.citizen.latin,
            challenge=cast("Sequence[Action]", challenge),
            birth_date=self.citizen.birth_date,
            models=self.models,
        )
        return {
            Part.SELFIE: upload_of(files.selfie, "image/jpeg"),
            Part.CLIP: upload_of(files.clip, "video/webm"),
            Part.DOCUMENT_FRONT: upload_of(files.front, "image/jpeg"),
            Part.DOCUMENT_BACK: upload_of(files.back, "image/jpeg"),
        }

    def report(self, progress: ProgressLine) -> None:
        """Show the citizen one line of progress, and keep it for `timeline.txt`."""
        self.lines.append(f"{progress.at.isoformat()}  {progress.key}  {shown(progress)}")
        self.console.print(f"   {progress.at.astimezone():%H:%M:%S}  {shown(progress)}", markup=False)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Show a step with the time it took."""
        self.step_name = name
        at = time.monotonic()
        self.console.print(f"[bold]{at - self.began:6.1f} s[/bold]  {name}")
        yield
        self.step_name = ""

    def _search(self) -> None:
        (self.out / "timeline.txt").write_text("\n".join(self.lines) + "\n", encoding="utf-8")
        for name in ("events.jsonl", "services.log"):
            text = (self.out / name).read_text(encoding="utf-8")
            found = [kind for kind, value in enumerate(self.citizen.planted) if value in text]
            if found:
                raise DemoFailed(f"{name} holds personal data of the citizen in clear ({len(found)} kinds)")

    def _write(self, name: str, content: bytes) -> None:
        (self.out / name).write_bytes(content)


def main(out: Path, models: Path, console: Console) -> int:
    """Run the demo; give its exit status."""
    choose(Language.ENGLISH)  # as everything else that the demo says
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    demo = Demo(out.resolve(), models, console)
    with (out / "services.log").open("w", encoding="utf-8") as log:
        logging.configure("demo", json=True, stream=log)
        try:
            uvloop.run(demo.run())
        except Exception as error:  # noqa: BLE001 - whatever it was, the person at the terminal is told in one place
            console.print(f"\n[bold red]Failed[/bold red] at: {demo.step_name}", highlight=False)
            for each in _causes(error):
                console.print(f"   {type(each).__name__}: {each}", markup=False)
            console.print(f"   Look at {out}/services.log, {out}/events.jsonl and {out}/.run/*.log.", markup=False)
            return 1
    _summarise(demo)
    return 0


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Give what went wrong, of things done side by side each one."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _causes(each)
    else:
        yield error


def _summarise(demo: Demo) -> None:
    files = sorted(path.name for path in demo.out.iterdir() if not path.name.startswith("."))
    demo.console.print(f"\n[bold green]Done[/bold green] in {time.monotonic() - demo.began:.0f} s. In {OUT}:")
    for name in files:
        demo.console.print(f"   {name:24} {(demo.out / name).stat().st_size:>9,} bytes", markup=False)
    demo.console.print(f"   The password of both key stores: {demo.password}", markup=False)
    demo.console.print("   No IIN, name, phone, e-mail or document number was found in events or logs.", markup=False)
