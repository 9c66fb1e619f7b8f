"""Whole analyses on real photographs: who matches whom, and what each kind of trouble is called."""

from dataclasses import dataclass

import numpy as np
import pytest

from services.biometrics.analysis.analyses import (
    ModelMismatchError,
    alike,
    analyse_clip,
    analyse_document,
    analyse_selfie,
    match,
)
from services.biometrics.analysis.reports import ClipReport, DocumentReport, SelfieReport
from services.biometrics.face.embedding import to_bytes
from services.biometrics.media.decode import Picture
from tests.fixtures.media import card
from tests.fixtures.media.make import MediaFiles
from tests.fixtures.media.photos import Who
from tests.unit.biometrics.conftest import CHALLENGE, HOLDER, Tools, jpeg

pytestmark = pytest.mark.usefixtures("loaded")


@dataclass(frozen=True, slots=True)
class Kept:
    """What a service keeps of a report."""

    embedding: bytes | None
    model: str


@pytest.fixture(scope="module")
def reports(media: MediaFiles, loaded: None) -> tuple[SelfieReport, ClipReport, DocumentReport]:  # noqa: ARG001
    return (
        analyse_selfie(media.selfie.read_bytes()),
        analyse_clip(media.clip.read_bytes(), CHALLENGE),
        analyse_document([media.front.read_bytes(), media.back.read_bytes()]),
    )


def test_one_person_with_their_own_card_matches(reports: tuple[SelfieReport, ClipReport, DocumentReport]) -> None:
    selfie, clip, document = reports
    assert (selfie.guidance, clip.guidance, document.guidance) == ((), (), ())
    result = match(selfie, clip, document)
    assert result.band == "match"
    # The card shows another photograph, taken years later: really the same face, not the same picture.
    assert 0.2 < result.distances["selfie-document"] < 0.5


def test_another_persons_card_does_not_match(
    reports: tuple[SelfieReport, ClipReport, DocumentReport], scenes: dict[Who, Picture]
) -> None:
    selfie, clip, _ = reports
    strange = card.photographed(card.front(HOLDER, np.ascontiguousarray(scenes["b"][60:420, 180:464])), 9)
    document = analyse_document([jpeg(strange)])
    result = match(selfie, clip, document)
    assert result.band == "no_match"
    assert result.bands["selfie-clip"] == "match"
    assert result.distances["selfie-document"] > 0.7


def test_a_face_between_two_people_goes_to_a_clerk(
    reports: tuple[SelfieReport, ClipReport, DocumentReport], scenes: dict[Who, Picture], tools: Tools
) -> None:
    """The grey band by construction: one face is mixed with another until the distance falls into it."""
    selfie, clip, _ = reports
    chips = [tools.embedder.align(scenes[who], tools.finder.faces(scenes[who])[0]) for who in ("a", "b")]
    mixes = [(chips[0] * (1 - share) + chips[1] * share).astype(np.uint8) for share in np.linspace(0, 1, 21)]
    results = [match(selfie, clip, Kept(to_bytes(vector), selfie.model)) for vector in tools.embedder.embed(mixes)]
    bands = [result.band for result in results]
    assert bands[0] == "match"
    assert bands[-1] == "no_match"
    assert "review" in bands
    for result in results:
        assert (max(result.distances.values()) > 0.5) == (result.band != "match")
        assert (max(result.distances.values()) > 0.6) == (result.band == "no_match")


def test_embeddings_of_another_model_are_never_compared(
    reports: tuple[SelfieReport, ClipReport, DocumentReport],
) -> None:
    selfie, clip, document = reports
    with pytest.raises(ModelMismatchError, match="document has no embedding"):
        match(selfie, clip, Kept(document.embedding, "another-model"))
    with pytest.raises(ModelMismatchError, match="selfie has no embedding"):
        match(Kept(None, selfie.model), clip, document)


def test_a_face_is_found_again_among_others_by_the_loaded_models_card(
    reports: tuple[SelfieReport, ClipReport, DocumentReport], scenes: dict[Who, Picture], tools: Tools
) -> None:
    selfie, clip, document = reports
    chip = tools.embedder.align(scenes["b"], tools.finder.faces(scenes["b"])[0])
    stranger = to_bytes(tools.embedder.embed([chip])[0])
    own = [face for face in (clip.embedding, document.embedding) if face is not None]
    assert alike(selfie, selfie.model, [stranger, own[0], stranger, own[1]]) == 2
    assert alike(selfie, selfie.model, [stranger] * 3) == 0
    assert alike(selfie, selfie.model, []) == 0
    for face, model in ((Kept(selfie.embedding, "another-model"), selfie.model), (selfie, "another-model")):
        with pytest.raises(ModelMismatchError, match="another-model"):
            alike(face, model, own)


def test_the_same_clip_under_another_challenge_is_refused(media: MediaFiles) -> None:
    report = analyse_clip(media.clip.read_bytes(), ("right", "blink", "left"))
    assert report.guidance == ("clip.wrong_order",)
    assert report.embedding is None


def test_an_action_that_was_not_done_is_named(media: MediaFiles) -> None:
    assert analyse_clip(media.clip.read_bytes(), ("left", "closer", "right")).guidance == ("clip.no_closer",)


@pytest.mark.parametrize(
    "challenge", [(), ("blink", "closer"), ("left", "left"), ("left", "left_held"), ("left", "jump")]
)
def test_a_challenge_that_proves_nothing_is_a_mistake_of_ours(challenge: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="A challenge is different actions"):
        analyse_clip(b"", challenge)


@pytest.mark.parametrize("data", [b"", b"\x1a\x45\xdf\xa3", b"\xff\xd8\xff picture", bytes(20_000_001)])
def test_what_is_no_clip_gets_an_answer_and_no_exception(data: bytes) -> None:
    report = analyse_clip(data, CHALLENGE)
    assert report.guidance in {("clip.not_a_video",), ("clip.too_large",)}


def test_a_clip_cut_off_in_mid_upload_gets_an_answer(media: MediaFiles) -> None:
    data = media.clip.read_bytes()
    report = analyse_clip(data[: len(data) // 8], CHALLENGE)
    assert not report.ok
    assert all(key.startswith("clip.") for key in report.guidance)


def test_a_report_survives_being_written_as_json(
    reports: tuple[SelfieReport, ClipReport, DocumentReport],
) -> None:
    for report in reports:
        assert type(report).model_validate_json(report.model_dump_json()) == report
