"""Invented people who go their way by themselves: for the demo, the journey tests and the benchmark."""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import Final

from fpdf import FPDF

from libs.citizen.api.answers import Upload
from libs.citizen.api.biometrics import Part
from libs.citizen.cli.person import newest_code
from libs.citizen.journey import Applicant, CaptureTask
from libs.citizen.progress import DEFAULT_WAITING, Waiting, wait_until
from libs.citizen.services import Services
from libs.common.contracts.http.kandas import ApplicantForm, ApplicationForm, MemberForm, PersonForm
from libs.common.core.values import iin_check_digit
from services.biometrics.analysis.analyser import stub_picture
from services.biometrics.document.mrz import Mrz

REGION: Final = "KZ-75"
PIN: Final = "481592"
EXPIRY: Final = date(2034, 5, 6)

Camera = Callable[[Sequence[str]], Awaitable[Mapping[Part, Upload]]]
"""Gives all captures for a challenge."""


@dataclass(frozen=True)
class Invented:
    """Somebody who does not exist. Nothing of them is shown in a traceback."""

    iin: str = field(repr=False)
    phone: str = field(repr=False)
    email: str = field(repr=False)
    surname: str = field(repr=False)
    given_name: str = field(repr=False)
    latin: tuple[str, str] = field(repr=False)
    birth_date: date = field(repr=False)
    document_number: str = field(repr=False)

    @property
    def applicant(self) -> Applicant:
        """What they tell when they set out."""
        return Applicant(self.iin, self.phone, self.email)

    @property
    def planted(self) -> tuple[str, ...]:
        """Every value of theirs that must not be found in clear in an event or a log."""
        return (
            self.iin,
            self.phone,
            self.phone.removeprefix("+7"),
            self.email,
            self.surname,
            self.given_name,
            self.document_number,
        )


def invent(number: int) -> Invented:
    """Invent person ``number``, from 0: with an IIN whose check digit is right, and as a register would know them."""
    serial = number
    while True:
        birth = date(1970 + serial % 35, 1 + serial % 12, 1 + serial % 28)
        first = f"{birth:%y%m%d}3{serial % 10_000:04d}"
        digit = iin_check_digit(first)
        if digit is not None:
            break
        serial += 7919  # an unassignable number: take another, far away
    return Invented(
        iin=f"{first}{digit}",
        phone=f"+7700{number:07d}",
        email=f"citizen{number}@example.kz",
        surname=f"СЫНАҚБАЕВ{_letters(number)}",
        given_name=f"ҮЛГІ{_letters(number)}",
        latin=("SYNAKBAEV", "ULGI"),
        birth_date=birth,
        document_number=f"91{number:05d}77",
    )


def register_of(people: Sequence[Invented]) -> str:
    """Give the development register's file that knows these people. Their phones are not in the MCB yet."""
    rows = [
        {
            "iin": each.iin,
            "surname": each.surname,
            "given_name": each.given_name,
            "document_number": each.document_number,
            "birth_date": each.birth_date.isoformat(),
            "phones": [],
        }
        for each in people
    ]
    return json.dumps(rows, ensure_ascii=False)


@dataclass
class Volunteer:
    """A person in front of the program who does what is asked. Fulfils `libs.citizen.journey.CitizenPerson`."""

    services: Services
    camera: Camera
    pin_digits: str = field(default=PIN, repr=False)

    async def code(self, journey_id: str) -> str:
        """Read the code from the development inbox."""
        return await newest_code(self.services, journey_id)

    async def captures(self, task: CaptureTask) -> Mapping[Part, Upload]:
        """Do what the challenge asks, in front of the camera."""
        return await self.camera(task.challenge)

    async def pin(self) -> str:
        """Choose a PIN."""
        return self.pin_digits


def bench_camera(person: Invented) -> Camera:
    """Give what the bench profile takes in place of pictures: comments, and for the card what would be read off it."""
    zone = Mrz(
        layout="TD1",
        document_type="ID",
        issuer="KAZ",
        document_number=person.document_number,
        iin=person.iin,
        birth_date=person.birth_date,
        expiry_date=EXPIRY,
        sex="M",
        nationality="KAZ",
        surname=person.latin[0],
        given_names=person.latin[1],
    )
    card = {
        Part.DOCUMENT_FRONT: Upload(stub_picture(b"a stub looks at nothing"), "image/jpeg"),
        Part.DOCUMENT_BACK: Upload(stub_picture(zone.model_dump_json().encode()), "image/jpeg"),
    }

    async def captures(_challenge: Sequence[str]) -> Mapping[Part, Upload]:
        """Take selfie and clip, which are never the same twice."""
        once = secrets.token_bytes(16)
        clip = Upload(b"\x1a\x45\xdf\xa3 a stub looks at nothing" + once, "video/webm")
        return {Part.SELFIE: Upload(stub_picture(once), "image/jpeg"), Part.CLIP: clip, **card}

    return captures


async def grant_all(
    services: Services, officer_token: str, application_id: str, waiting: Waiting = DEFAULT_WAITING
) -> None:
    """Decide, as an officer, in favour of everybody in an application, once it has been checked."""
    queue = await wait_until(
        partial(services.kandas.queue, officer_token),
        lambda queue: any(item.application_id == application_id for item in queue),
        seconds=lambda _: waiting.machines,
        waiting=waiting,
    )
    item = next(each for each in queue if each.application_id == application_id)
    for person in item.undecided:
        await services.kandas.decide(officer_token, application_id, person, "granted")


def family_of(person: Invented) -> ApplicationForm:
    """Write an application for three: the applicant, who has come from abroad, with spouse and child."""
    common = {"citizenship": "CN", "origin_country": "CN", "nationality_in_document": True}
    return ApplicationForm(
        service="grant",
        region=REGION,
        applicant=ApplicantForm(
            iin=person.iin,
            surname=person.surname,
            given_name=person.given_name,
            birth_date=person.birth_date,
            document_number=person.document_number,
            **common,
        ),
        family=(
            MemberForm(
                surname=person.surname,
                given_name="ҚАРАКӨЗ",
                birth_date=date(1988, 3, 9),
                document_number=f"C{person.document_number}1",
                relation="spouse",
                **common,
            ),
            MemberForm(
                surname=person.surname,
                given_name="АҚЖОЛ",
                birth_date=date(2016, 9, 21),
                document_number=f"C{person.document_number}2",
                relation="child",
                **common,
            ),
        ),
    )


async def attach(person: PersonForm, kind: str) -> Upload:
    """Make the scan of a document that a person attaches: one page that says what it stands for."""
    return Upload(await asyncio.to_thread(_scan, person, kind), "application/pdf")


def _scan(person: PersonForm, kind: str) -> bytes:
    page = FPDF()
    page.add_page()
    page.set_font("Helvetica", size=16)
    page.cell(text=f"Specimen: {kind}, born {person.birth_date}")
    return bytes(page.output())


def _letters(number: int) -> str:
    return "".join("АБВГДЕЖЗИК"[int(digit)] for digit in str(number))


def upload_of(path: Path, media_type: str) -> Upload:
    """Read a file to be uploaded."""
    return Upload(path.read_bytes(), media_type)
