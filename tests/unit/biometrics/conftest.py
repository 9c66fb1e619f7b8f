"""Models and real photographs, fetched once; nothing of a person is committed.

Clips are puppets: one photograph animated. They show that the checks notice what they are meant to notice, not
that nobody can get past them.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import cv2
import httpx
import pytest

from libs.common.testing.harness import http_client
from services.biometrics.analysis import analyses
from services.biometrics.face.embedding import OnnxEmbedder
from services.biometrics.face.face import FaceFinder
from services.biometrics.liveness.challenge import Action
from services.biometrics.media import decode
from services.biometrics.media.decode import Picture
from services.biometrics.models import build
from services.biometrics.models.files import verify
from tests.fixtures.media import card
from tests.fixtures.media.make import MediaFiles, make_media
from tests.fixtures.media.photos import Who, photograph
from tests.fixtures.media.puppet import Puppet, portrait
from tests.unit.biometrics.harness import Harness, World

VAR = Path(__file__).parents[3] / "var"
CHALLENGE: tuple[Action, ...] = ("left", "blink", "right")
HOLDER = card.Holder(
    iin="900201300123",
    document_number="012345678",
    surname="SPECIMENOV",
    given_names="ASKAR TESTOVICH",
    birth_date=date(1990, 2, 1),
    expiry_date=date(2034, 5, 6),
)


@dataclass(frozen=True, slots=True)
class Tools:
    """The interpreters, for tests below the level of whole analyses."""

    finder: FaceFinder
    embedder: OnnxEmbedder


@pytest.fixture(scope="session")
def models() -> Path:
    build.build(VAR / "models")
    return VAR / "models"


@pytest.fixture(scope="session")
def tools(models: Path) -> Tools:
    verified = verify(models)
    return Tools(FaceFinder(verified), OnnxEmbedder(verified))


@pytest.fixture(scope="session")
def loaded(models: Path) -> None:
    analyses.load(models)


@pytest.fixture(scope="session")
def scenes(tools: Tools) -> dict[Who, Picture]:
    """Both persons as a webcam sees them: 640 by 480, the face in the middle."""
    files: dict[Who, str] = {"a": "obama.jpg", "b": "biden.jpg"}
    photos = {who: decode.picture(photograph(name, VAR / "photos"), 2400) for who, name in files.items()}
    return {
        who: portrait(photo, tools.finder, width=640, height=480, face_height=0.42) for who, photo in photos.items()
    }


@pytest.fixture(scope="session")
def puppets(tools: Tools, scenes: dict[Who, Picture]) -> dict[Who, Puppet]:
    return {who: Puppet(scene, tools.finder.faces(scene)[0]) for who, scene in scenes.items()}


@pytest.fixture(scope="session")
def media(models: Path, tmp_path_factory: pytest.TempPathFactory) -> MediaFiles:
    """Everything of person a: the card's portrait is another photograph than the selfie's."""
    return make_media(
        tmp_path_factory.mktemp("media"),
        iin=HOLDER.iin,
        document_number=HOLDER.document_number,
        names=(HOLDER.surname, HOLDER.given_names),
        challenge=CHALLENGE,
        birth_date=HOLDER.birth_date,
        expiry_date=HOLDER.expiry_date,
        models=models,
        photographs=VAR / "photos",
    )


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def harness(world: World) -> Harness:
    return Harness(world)


@pytest.fixture
async def http(world: World, harness: Harness) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that holds the token of `JOURNEY`."""
    async with http_client(harness.process.app.http, "http://biometrics") as client:
        client.headers.update(world.citizen())
        yield client


def jpeg(picture: Picture, quality: int = 92) -> bytes:
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return encoded.tobytes()
