"""Face checks on real models and real photographs, in the midst of whole journeys.

Selfies and portraits are photographs of two public persons. The clips are puppets: one photograph animated. That a
puppet passes is a known limit (README of biometrics), not a merit.
"""

import asyncio
import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import pytest
import pytest_asyncio

from libs.citizen.api.answers import Upload
from libs.citizen.api.biometrics import Part
from libs.citizen.errors import JourneyEnded
from libs.citizen.journey.progress import wait_until
from libs.citizen.texts import explain
from libs.common.contracts.http.biometrics import ReviewCase
from libs.common.contracts.http.identity import JourneyTicket
from services.biometrics.liveness.challenge import Action
from services.biometrics.models import build
from services.biometrics.models.files import sha256, verify
from services.biometrics.models.model_card import DLIB_RESNET_V1
from tests.fixtures.media.make import make_media
from tests.fixtures.media.photos import Who
from tests.fixtures.people import Invented, upload_of
from tests.journey.actions import refused, serial_of
from tests.journey.harness import WAITING, OwnSystem, System, log_lines, own_system

MODELS = Path("var/models").resolve()
MODEL = DLIB_RESNET_V1.model(next(each.sha256 for each in build.manifest().files if each.name == "face-embedding"))
NOT_THE_SAME = "face.not_the_same_person"
CARD: Mapping[Part, str] = {Part.DOCUMENT_FRONT: "front.jpg", Part.DOCUMENT_BACK: "back.jpg"}
PASSPORT: Mapping[Part, str] = {Part.DOCUMENT_PAGE: "page.jpg"}
Spoil = Callable[[bytes], bytes]
"""What is done to a picture."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def faces(broker_kind: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OwnSystem]:
    """A system whose face checks look, with one worker."""
    verify(MODELS)  # what is missing, and how to make it, is told at once and not by a service that ends
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BIOMETRICS_WORKERS", "1")
        patch.setenv("BIOMETRICS_LOOK_S", "10")  # puppets have five times the bits of a clip as portals record it
        async with own_system(broker_kind, tmp_path_factory.mktemp("faces"), profile="development") as own:
            yield own
            await own.system.check()


@asynccontextmanager
async def biometrics_with(own: OwnSystem, **overrides: str) -> AsyncIterator[None]:
    """Let biometrics run with other settings for a while."""
    await own.running.stop("biometrics")
    await own.running.start("biometrics", overrides={f"BIOMETRICS_{name}": value for name, value in overrides.items()})
    try:
        yield
    finally:
        await own.running.stop("biometrics")
        await own.running.start("biometrics")


@dataclass
class CitizenCamera:
    """Takes pictures of whoever sits in front of it, for the document of one citizen.

    Attributes:
        citizen: whose document it is: the number and the names on it, and the face of person a.
        sitters: who sits there, try by try; the last one stays.
        spoilt: what is done to the selfie, try by try.
        document: the pictures of it, and their files.
    """

    citizen: Invented
    folder: Path
    sitters: list[Who] = field(default_factory=lambda: ["a"])
    spoilt: list[Spoil] = field(default_factory=list)
    document: Mapping[Part, str] = field(default_factory=lambda: CARD)
    sent: dict[Part, Upload] = field(default_factory=dict)
    takes: int = 0

    async def __call__(self, challenge: Sequence[str]) -> Mapping[Part, Upload]:
        sitter = self.sitters.pop(0) if len(self.sitters) > 1 else self.sitters[0]
        spoil = self.spoilt.pop(0) if self.spoilt else as_it_is
        self.takes += 1
        shown, card = await self._media(sitter, challenge), await self._media("a", challenge)
        selfie = Upload(spoil(shown[Part.SELFIE].data), "image/jpeg")
        self.sent = {**card, Part.SELFIE: selfie, Part.CLIP: shown[Part.CLIP]}
        return self.sent

    async def _media(self, who: Who, challenge: Sequence[str]) -> dict[Part, Upload]:
        folder = self.folder / f"{who}-{self.takes}"
        if not folder.exists():
            await asyncio.to_thread(
                make_media,
                folder,
                iin=self.citizen.iin,
                document_number=self.citizen.document_number,
                names=self.citizen.latin,
                challenge=cast("Sequence[Action]", challenge),
                birth_date=self.citizen.birth_date,
                who=who,
                models=MODELS,
            )
        return {
            Part.SELFIE: upload_of(folder / "selfie.jpg", "image/jpeg"),
            Part.CLIP: upload_of(folder / "clip.webm", "video/webm"),
            **{part: upload_of(folder / name, "image/jpeg") for part, name in self.document.items()},
        }


def as_it_is(picture: bytes) -> bytes:
    return picture


def blurred(picture: bytes) -> bytes:
    return _edited(picture, lambda pixels: cv2.GaussianBlur(pixels, (0, 0), 9))


def darkened(picture: bytes) -> bytes:
    return _edited(picture, lambda pixels: (pixels * 0.15).astype(np.uint8))


def of_nobody(picture: bytes) -> bytes:
    return _edited(picture, lambda pixels: np.full_like(pixels, 128))


def _edited(picture: bytes, edit: Callable[[np.ndarray], np.ndarray]) -> bytes:
    pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    return bytes(cv2.imencode(".jpg", edit(pixels))[1])


async def at_face(system: System, person: Invented) -> JourneyTicket:
    ticket = await system.begin(person)
    await system.way(person, ticket)._prove_phone()
    return ticket


async def test_a_stranger_does_not_match_the_card_and_its_holder_does(faces: OwnSystem, tmp_path: Path) -> None:
    system = faces.system
    person = system.person()
    camera = CitizenCamera(person, tmp_path, ["b", "a"])
    ticket = await at_face(system, person)
    await system.way(person, ticket, camera)._prove_face()
    facts = (await system.facts()).of(ticket.journey_id, "face.rejected", "face.matched")
    assert [(each.topic, each.value) for each in facts] == [
        ("face.rejected", {"reasons": [NOT_THE_SAME], "tries_left": 4, "final": False}),
        ("face.matched", {"model": MODEL, "reviewed": False}),
    ]
    # While the journey goes on its pictures are kept; in clear they stand nowhere.
    assert [path.name for path in system.installation.folder.rglob("*") if shows(path, camera.sent)] == []
    await system.services.identity.cancel(ticket)


def shows(path: Path, sent: Mapping[Part, Upload]) -> bool:
    """Whether a file holds a piece out of the middle of a picture that was sent."""
    if not path.is_file():
        return False
    content = path.read_bytes()
    return any(each.data[len(each.data) // 2 :][:32] in content for each in sent.values())


async def test_the_holder_of_a_passport_is_told_from_a_stranger_and_comes_to_certificates(
    faces: OwnSystem, tmp_path: Path
) -> None:
    system = faces.system
    person, other = system.person(), system.person()
    ticket = await system.begin(person)
    own = CitizenCamera(person, tmp_path / "own", ["b", "a"], document=PASSPORT)
    others = CitizenCamera(other, tmp_path / "other", document=PASSPORT)
    cameras = iter([own, others])

    async def camera(challenge: Sequence[str]) -> Mapping[Part, Upload]:
        """A stranger with the passport, its holder with another's, and then the holder with it."""
        return await next(cameras, own)(challenge)

    eds = await system.way(person, ticket, camera).complete()
    facts = await system.facts()
    assert [each.value.get("reasons") for each in facts.of(ticket.journey_id, "face.rejected", "face.matched")] == [
        [NOT_THE_SAME],
        ["document.of_another_person", "document.not_the_registered_one"],
        None,
    ]
    issued = facts.of(ticket.journey_id, "cert.issued")
    assert {each.value["serial"] for each in issued} == {serial_of(eds.sign), serial_of(eds.auth)}
    assert set(own.sent) == {Part.SELFIE, Part.CLIP, Part.DOCUMENT_PAGE}, "no side of a card was ever sent"


async def test_five_failed_tries_each_for_its_own_reason_lead_to_an_office(faces: OwnSystem, tmp_path: Path) -> None:
    system = faces.system
    person = system.person()
    spoilt: list[Spoil] = [as_it_is, blurred, darkened, of_nobody, blurred]
    camera = CitizenCamera(person, tmp_path, ["b", "a"], spoilt)
    ticket = await at_face(system, person)
    with pytest.raises(JourneyEnded) as ended:
        await system.way(person, ticket, camera).complete()
    facts = await system.facts()
    rejected = [each.value for each in facts.of(ticket.journey_id, "face.rejected")]
    assert [(each["reasons"][0], each["tries_left"], each["final"]) for each in rejected] == [
        (NOT_THE_SAME, 4, False),
        ("selfie.blurred", 3, False),
        ("selfie.too_dark", 2, False),
        ("selfie.no_face", 1, False),
        ("selfie.blurred", 0, True),
    ]
    (closed,) = facts.of(ticket.journey_id, "journey.closed")
    assert (closed.value["outcome"], closed.value["reason"]) == ("failed", "journey.face_rejected")
    assert facts.of(ticket.journey_id, "face.matched", "digital_id.created", "cert.issued") == []
    assert explain(ended.value).more
    with refused("capture.closed"):
        await system.services.biometrics.upload(ticket, Part.SELFIE, camera.sent[Part.SELFIE], "any")


def strict_models(folder: Path) -> Path:
    """Models whose card takes frames of one clip for one person, and photographs of different years for grey."""
    shutil.copytree(MODELS, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (entry,) = (each for each in manifest["files"] if each["name"] == "face-embedding-card")
    card = json.loads((folder / entry["file"]).read_text())
    content = json.dumps(card | {"match": 0.20, "review": 0.60}).encode()
    (folder / entry["file"]).write_bytes(content)
    entry["sha256"] = sha256(content)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


async def test_grey_numbers_go_to_two_clerks_whose_looks_are_on_record_and_who_let_the_citizen_pass(
    faces: OwnSystem, tmp_path: Path
) -> None:
    system, staff = faces.system, faces.system.installation.staff
    person = system.person()
    camera = CitizenCamera(person, tmp_path / "media")
    overrides = {"MODELS": str(strict_models(tmp_path / "models")), "RULES__REVIEWERS": "2"}
    async with biometrics_with(faces, **overrides):
        ticket = await at_face(system, person)
        going = asyncio.create_task(system.way(person, ticket, camera)._prove_face())
        clerks = [staff.clerk("clerk-1"), staff.clerk("clerk-2")]
        case = await opened(system, clerks[0], ticket)
        assert "review" in case.bands.values()
        seen = {link.part: await system.services.biometrics.picture(clerks[0], link) for link in case.links}
        assert seen == {part.value: upload.data for part, upload in camera.sent.items()}
        with refused("review.link_of_another"):
            await system.services.biometrics.picture(clerks[1], case.links[0])
        judge = system.services.biometrics.decide_review
        assert not await judge(clerks[0], ticket.journey_id, match=True, reason="the same person")
        with refused("review.another_clerk"):
            await judge(clerks[0], ticket.journey_id, match=True, reason="the same person")
        assert await judge(clerks[1], ticket.journey_id, match=True, reason="I think so too")
        async with asyncio.timeout(WAITING.machines):
            await going
    (matched,) = (await system.facts()).of(ticket.journey_id, "face.matched")
    assert matched.value == {"model": MODEL, "reviewed": True}
    views = [line for line in log_lines(system, "review.viewed") if line["subject"] == ticket.journey_id]
    assert {(line["clerk"], line["part"]) for line in views} == {("clerk-1", part.value) for part in camera.sent}
    await system.services.identity.cancel(ticket)


async def opened(system: System, clerk: str, ticket: JourneyTicket) -> ReviewCase:
    """Wait until a face check waits for a clerk, and open it."""
    await wait_until(
        lambda: system.services.biometrics.reviews(clerk),
        lambda queue: ticket.journey_id in {each.journey_id for each in queue},
        seconds=lambda _: WAITING.machines,
    )
    return await system.services.biometrics.review(clerk, ticket.journey_id)


async def test_a_worker_killed_in_the_middle_of_a_clip_costs_nobody_a_try(faces: OwnSystem, tmp_path: Path) -> None:
    system = faces.system
    person = system.person()
    ticket = await at_face(system, person)
    going = asyncio.create_task(system.way(person, ticket, CitizenCamera(person, tmp_path))._prove_face())
    async with asyncio.timeout(WAITING.machines):
        while (await stage_of(system, ticket)) != "clip":  # noqa: ASYNC110 - the service tells by its answers alone
            await asyncio.sleep(0.005)
    (worker,) = multiprocessing.active_children()
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGSTOP)  # held, so that it surely dies with the clip in its hands
    await asyncio.sleep(0.5)
    assert await stage_of(system, ticket) == "clip"
    os.kill(worker.pid, signal.SIGKILL)
    async with asyncio.timeout(WAITING.machines):
        await going
    broke = [line for line in log_lines(system, "analysis.broke") if line["subject"] == ticket.journey_id]
    assert [(line["failure"], line["times"]) for line in broke] == [("WorkerDied", 1)]
    facts = (await system.facts()).of(ticket.journey_id, "face.rejected", "face.matched")
    assert [each.topic for each in facts] == ["face.matched"]
    await system.services.identity.cancel(ticket)


async def stage_of(system: System, ticket: JourneyTicket) -> str | None:
    """What is being looked at, as the citizen is shown it."""
    view = await system.services.biometrics.capture(ticket)
    return view.progress.stage if view.progress else None
