"""Everything that strangers send instead of what was asked for, through real workers: each has its own answer."""

import asyncio
import io
import os
import signal
import struct
import time
import zipfile
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from libs.common.core.sealing import Sealed
from libs.common.media.pdf import PROGRAMS
from services.biometrics.analysis import analyses
from services.biometrics.analysis.analyser import WorkerAnalyser
from services.biometrics.analysis.workers import AnalysisTimeout, Workers
from services.biometrics.check.parts import Part
from services.biometrics.check.states import Challenge
from services.biometrics.media import pdf
from services.biometrics.media.decode import Picture, UndecodableError
from tests.fixtures.media import card
from tests.fixtures.media.make import MediaFiles
from tests.fixtures.media.photos import Who
from tests.unit.biometrics.analysis import hanging_decoders
from tests.unit.biometrics.conftest import CHALLENGE, HOLDER, jpeg
from tests.unit.biometrics.factories import PERSON, RULES, STARTED, VERIFIED
from tests.unit.biometrics.harness import Harness, World
from tests.waiting import PATIENCE_S

SECONDS: Final = 2.0
REGISTERED: Final = {"iin": HOLDER.iin, "birth_date": HOLDER.birth_date, "document_number": HOLDER.document_number}


@pytest.fixture(scope="module")
def scene(scenes: dict[Who, Picture]) -> Picture:
    return np.asarray(cv2.resize(scenes["a"], None, fx=2, fy=2), np.uint8)


@pytest.fixture
async def workers(models: Path) -> AsyncIterator[Workers]:
    pool = Workers(1, analyses.load, models, timeout=SECONDS)
    await pool.start()
    yield pool
    await pool.stop()


def pid(workers: Workers) -> int:
    (slot,) = workers._slots
    assert slot._process is not None
    assert slot._process.pid is not None
    return slot._process.pid


def cpu_seconds(process: int) -> float:
    """What a process and those that it started took so far; the clock would measure other tests too."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    own = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return own + sum(map(cpu_seconds, children(process)))


def children(process: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def png_of(width: int, height: int, depth: int = 8, colour: int = 2, body: bytes = b"") -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    data = zlib.compress(body or bytes(2_000_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def lying(scene: Picture) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(Image.fromarray(np.rot90(scene)), "JPEG", exif=exif, quality=92)


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("payload.html", "<script>alert(1)</script>")
    return out.getvalue()


def held_up(picture: Picture, scene: Picture, share: float) -> Picture:
    """A print held before the camera: it covers `share` of the height of what is behind it."""
    height, width = scene.shape[:2]
    blurred = np.asarray(cv2.GaussianBlur(np.full_like(scene, (90, 110, 100)), (0, 0), 9), np.uint8)
    tall = round(height * share)
    wide = round(tall * picture.shape[1] / picture.shape[0])
    small = cv2.resize(picture, (wide, tall), interpolation=cv2.INTER_AREA)
    bordered = cv2.copyMakeBorder(small, 14, 14, 14, 14, cv2.BORDER_CONSTANT, value=(245, 245, 245))
    top, left = (height - bordered.shape[0]) // 2, (width - bordered.shape[1]) // 2
    blurred[top : top + bordered.shape[0], left : left + bordered.shape[1]] = bordered
    return blurred


def far_away(scene: Picture, factor: float) -> Picture:
    height, width = scene.shape[:2]
    place = np.array([[factor, 0, width * (1 - factor) / 2], [0, factor, height * (1 - factor) / 2]])
    return np.asarray(cv2.warpAffine(scene, place, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8)


def portrait_of(scene: Picture) -> Picture:
    return np.ascontiguousarray(scene[120:840, 360:928])


SELFIES: Mapping[str, tuple[Callable[[Picture], bytes], str | None]] = {
    "nothing": (lambda _: b"", "picture.not_an_image"),
    "text": (lambda _: b"I am a selfie.", "picture.not_an_image"),
    "a program": (lambda _: b"MZ" + bytes(5_000), "picture.not_an_image"),
    "a drawing with a script": (lambda _: b"<svg onload='alert(1)'/>", "picture.not_an_image"),
    "a PDF": (lambda scene: saved(Image.fromarray(scene), "PDF"), "picture.not_an_image"),
    "20,000 by 20,000": (lambda _: png_of(20_000, 20_000), "picture.too_many_pixels"),
    "a bomb of many pixels in few bytes": (lambda _: png_of(11_000, 11_000), "picture.too_many_pixels"),
    "a size beyond counting": (lambda _: png_of(2**31 - 1, 2**31 - 1), "picture.too_many_pixels"),
    "a stamp": (lambda _: png_of(60, 60), "picture.too_small"),
    "an animation": (
        lambda scene: saved(
            Image.fromarray(scene), "WEBP", save_all=True, append_images=[Image.new("RGB", scene.shape[1::-1])]
        ),
        "picture.animated",
    ),
    "half a file": (lambda scene: (data := jpeg(scene))[: len(data) // 2], "picture.damaged"),
    "a head and then nothing": (lambda _: b"\xff\xd8\xff" + b"<html><script>" * 99, "picture.damaged"),
    "CMYK": (lambda scene: saved(Image.fromarray(scene).convert("CMYK"), "JPEG", quality=92), None),
    "grey": (lambda scene: saved(Image.fromarray(scene).convert("L"), "PNG"), None),
    "16 bits": (
        lambda scene: saved(
            Image.fromarray(np.asarray(cv2.cvtColor(scene, cv2.COLOR_RGB2GRAY), np.uint16) * 257), "PNG"
        ),
        None,
    ),
    "lying on its side by EXIF": (lying, None),
    "a picture that is an archive too": (lambda scene: jpeg(scene) + zipped(), None),
    "a picture that is a PDF too": (lambda scene: jpeg(scene) + b"\n%PDF-1.7\n1 0 obj<<>>endobj", None),
    "a PDF in front of a picture": (lambda scene: b"%PDF-1.7\n" + jpeg(scene), "picture.not_an_image"),
    "no face": (lambda _: jpeg(np.full((720, 960, 3), 128, np.uint8)), "selfie.no_face"),
    "two faces": (lambda scene: jpeg(np.hstack([scene, scene])), "selfie.one_person_only"),
    "a tiny face": (lambda scene: jpeg(far_away(scene, 0.22)), "selfie.come_closer"),
    "a face cut off": (lambda scene: jpeg(np.ascontiguousarray(scene[:, 560:])), "selfie.face_cut_off"),
    "a photo of a photo": (lambda scene: jpeg(held_up(portrait_of(scene), scene, 0.8)), "selfie.photo_of_a_photo"),
    "the card as a selfie": (
        lambda scene: jpeg(card.photographed(card.front(HOLDER, portrait_of(scene)), 3)),
        "selfie.is_a_document",
    ),
}


async def test_every_bad_selfie_gets_its_own_answer_in_time(workers: Workers, scene: Picture) -> None:
    analyser, process = WorkerAnalyser(workers), pid(workers)
    answers, slow = {}, {}
    for what, (make, _) in SELFIES.items():
        data = make(scene)
        before = cpu_seconds(process)
        report = await analyser.selfie(data)
        if (seconds := cpu_seconds(process) - before) > SECONDS:
            slow[what] = seconds
        answers[what] = next(iter(report.guidance), None)
        assert (report.embedding is None) is bool(report.guidance)
    assert answers == {what: expected for what, (_, expected) in SELFIES.items()}
    assert slow == {}
    assert pid(workers) == process, "no process was lost"


def spaces(megabytes: int) -> Iterator[bytes]:
    for _ in range(megabytes):
        yield b" " * 1_000_000


def pdf_page(content: bytes | Iterable[bytes], box: bytes = b"[0 0 600 400]") -> bytes:
    packing = zlib.compressobj(1)
    chunks = [content] if isinstance(content, bytes) else content
    packed = b"".join(map(packing.compress, chunks)) + packing.flush()
    parts = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox" + box + b"/Contents 4 0 R/Resources<<>>>>",
        b"<</Length %d/Filter/FlateDecode>>stream\n" % len(packed) + packed + b"\nendstream",
    ]
    out, places = b"%PDF-1.7\n", []
    for number, part in enumerate(parts, 1):
        places.append(len(out))
        out += b"%d 0 obj" % number + part + b"endobj\n"
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(out)
    return out + b"xref\n0 5\n0000000000 65535 f \n" + table + b"trailer<</Size 5/Root 1 0 R>>\nstartxref\n%d\n" % start


DOCUMENTS: Mapping[str, tuple[Callable[[], bytes], str]] = {
    "a PDF of nothing": (lambda: b"%PDF-1.7", "document.pdf_damaged"),
    "a PDF of noise": (lambda: b"%PDF-1.7\n" + bytes(range(256)) * 400, "document.pdf_damaged"),
    "a PDF of three pages": (
        lambda: saved(
            Image.new("RGB", (300, 200)), "PDF", save_all=True, append_images=[Image.new("RGB", (300, 200))] * 2
        ),
        "document.pdf_too_many_pages",
    ),
    "a PDF of too many things": (lambda: pdf_page(b"0 0 m 9 9 l S " * 9_000), "document.pdf_too_complex"),
    "a PDF of one endless line": (
        lambda: pdf_page(b"0 0 m " + b"9 9 l " * 90_000 + b"S"),
        "document.pdf_too_complex",
    ),
    "a PDF that takes for ever to draw": (
        lambda: pdf_page(b"0 0 600 400 re f " * 2_900, b"[0 0 600 400]"),
        "document.pdf_too_complex",
    ),
    "a PDF that unpacks to more than its drawing may have": (
        lambda: pdf_page(spaces(1_500)),
        "document.pdf_too_complex",
    ),
    "a PDF that is a mere strip": (lambda: pdf_page(b"0 0 m 1 1 l S", b"[0 0 14400 1]"), "picture.too_small"),
    "an animation": (
        lambda: saved(
            Image.new("RGB", (300, 200)), "PNG", save_all=True, append_images=[Image.new("RGB", (300, 200), "red")]
        ),
        "picture.animated",
    ),
    "a table without a card": (
        lambda: jpeg(np.random.default_rng(1).integers(80, 120, (900, 1200, 3), np.uint8)),
        "document.no_portrait",
    ),
}


async def test_every_bad_document_gets_its_own_answer_in_time(workers: Workers, media: MediaFiles) -> None:
    analyser, process = WorkerAnalyser(workers), pid(workers)
    answers, slow = {}, {}
    for what, (make, _) in DOCUMENTS.items():
        data = make()
        before = cpu_seconds(process)
        report = await analyser.document([data])
        if (seconds := cpu_seconds(process) - before) > SECONDS:
            slow[what] = seconds
        answers[what] = next(iter(report.guidance), None)
    assert answers == {what: expected for what, (_, expected) in DOCUMENTS.items()}
    assert slow == {}
    assert pid(workers) == process, "no process was lost"
    assert (await analyser.selfie(media.selfie.read_bytes())).ok


async def test_a_card_scanned_into_one_pdf_is_read(workers: Workers, media: MediaFiles) -> None:
    front, back = (Image.open(path) for path in (media.front, media.back))
    report = await WorkerAnalyser(workers).document([saved(front, "PDF", save_all=True, append_images=[back])])
    assert report.ok
    assert report.mrz is not None
    assert report.mrz.iin == HOLDER.iin


async def test_a_decoder_that_sleeps_costs_one_try_of_one_picture_and_is_answered_within_two_seconds(
    models: Path, media: MediaFiles
) -> None:
    pool = Workers(1, hanging_decoders.load_with_sleeping_png, models, timeout=SECONDS)
    await pool.start()
    asleep = pid(pool)
    eyes, world, good = WorkerAnalyser(pool), World(), real(media)
    world.analyser = eyes
    world.new_challenge = lambda: Challenge(actions=CHALLENGE, nonce="n-1")  # type: ignore[method-assign]  # the clip's
    harness, asleep_by = Harness(world), saved(Image.open(media.selfie), "PNG")
    await harness.deliver(STARTED.model_copy(update={"person": Sealed(PERSON.model_copy(update=REGISTERED))}))
    await harness.deliver(VERIFIED)
    await harness.send({**good, "selfie": asleep_by})
    began = time.monotonic()
    with pytest.raises(AnalysisTimeout):
        await eyes.selfie(asleep_by)
    assert time.monotonic() - began < 15 * SECONDS, "on a machine that has much else to do; it would sleep ten minutes"
    assert gone(asleep)
    await harness.wake_due()
    session = await harness.session()
    assert (session.guidance, session.tries_left) == (("selfie.takes_too_long",), RULES.tries - 1)
    assert set(session.captures) == {"clip", "document-front", "document-back"}
    assert set(session.templates) == {"clip", "document"}, "the rest was looked at by the process that came after"
    await pool.stop()


def real(media: MediaFiles) -> dict[Part, bytes]:
    return {
        "selfie": media.selfie.read_bytes(),
        "clip": media.clip.read_bytes(),
        "document-front": media.front.read_bytes(),
        "document-back": media.back.read_bytes(),
    }


def gone(process: int) -> bool:
    """Whether a process has ended; whoever inherits it may be slow to reap it."""
    stat = Path(f"/proc/{process}/stat")
    return not stat.exists() or stat.read_text().rpartition(") ")[2][0] == "Z"


async def test_a_drawing_that_stands_still_is_ended_with_the_worker_that_waits_for_it(models: Path) -> None:
    pool = Workers(1, hanging_decoders.load_with_stopped_drawing, models, timeout=SECONDS)
    await pool.start()
    (drawing,) = children(pid(pool))
    with pytest.raises(AnalysisTimeout):
        await WorkerAnalyser(pool).document([pdf_page(b"0 0 m 9 9 l S")])
    async with asyncio.timeout(PATIENCE_S):
        while not gone(drawing):  # noqa: ASYNC110 - the kernel ends it, and whoever inherits it reaps it
            await asyncio.sleep(0.05)
    await pool.stop()


def test_a_drawing_program_that_was_killed_is_replaced(media: MediaFiles) -> None:
    page = saved(Image.open(media.front), "PDF")
    assert len(pdf.pages(page, 400)) == 1
    before = PROGRAMS.running
    assert before is not None
    os.kill(before.process.pid, signal.SIGKILL)
    assert len(pdf.pages(page, 400)) == 1
    assert PROGRAMS.running is not before


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_a_pdf_changed_anywhere_gives_pages_or_a_key_and_nothing_else(data: st.DataObject) -> None:
    damaged = bytearray(saved(Image.linear_gradient("L").resize((300, 200)).convert("RGB"), "PDF"))
    for _ in range(data.draw(st.integers(1, 20))):
        damaged[data.draw(st.integers(5, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        outcome = f"{len(pdf.pages(bytes(damaged), 400))} pages"
    except UndecodableError as error:
        outcome = error.key
    assert outcome == "1 pages" or outcome.startswith(("document.pdf_", "picture.too_"))
