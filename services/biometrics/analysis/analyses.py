"""The analyses, as plain functions that a worker process runs.

Each takes bytes and gives a report. Hostile or hopeless input is an ordinary answer with guidance; an exception
means that something of ours is broken. `load` runs once in each worker and holds the interpreters, which cannot
be sent between processes.
"""

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Final, cast

import cv2
import numpy as np

from services.biometrics.analysis.reports import (
    ClipReport,
    DocumentReport,
    Embedded,
    MatchResult,
    Pair,
    SelfieReport,
)
from services.biometrics.document.card_detection import frame_around, is_document
from services.biometrics.document.document import DOCUMENT, DocumentReader, ReadDocument
from services.biometrics.face import quality
from services.biometrics.face.embedding import OnnxEmbedder, from_bytes, to_bytes
from services.biometrics.face.face import Face, FaceFinder
from services.biometrics.face.quality import SELFIE
from services.biometrics.liveness.challenge import actions_of
from services.biometrics.liveness.clip import LIVENESS, ClipVerdict, examine
from services.biometrics.liveness.observation import observe
from services.biometrics.liveness.pad import OnnxPad, PadModel
from services.biometrics.media import decode, pdf, video
from services.biometrics.media.decode import GuidanceKey, Picture, UndecodableError
from services.biometrics.media.kinds import HEAD_BYTES, kind_of
from services.biometrics.models.files import single_thread, verify
from services.biometrics.models.limits import Limit, Measures

# Longer sides in pixels to which media are scaled down: faces need no more, the small print of a card does.
_SELFIE_SIDE, _CLIP_SIDE, _DOCUMENT_SIDE = 1280, 640, 2000
# Frames a second that are sampled. A turn lasts, a blink does not.
_CLIP_RATE, _BLINK_RATE = 6.0, 8.0
_CERTAIN_FACE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Instruments:
    """The interpreters of one worker."""

    finder: FaceFinder
    embedder: OnnxEmbedder
    document: DocumentReader
    pad: PadModel | None = None


class ModelMismatchError(ValueError):
    """Embeddings of different models were to be compared, or of another model than the one loaded."""


_instruments: Instruments | None = None


def load(models: Path, pad_card: Path | None = None) -> None:
    """Verify the models and make this process ready to analyse.

    Args:
        models: The folder that `services.biometrics.models.build` made.
        pad_card: The card of a presentation-attack detector, if the operator mounts one.

    Raises:
        ModelsError: a model file is missing or not the one its manifest names.
        PadError: the detector is not the one its card names.
        OSError: the classifiers of glyphs are missing.
    """
    global _instruments  # noqa: PLW0603 - a process has one set of interpreters, made here and nowhere else
    single_thread()
    verified = verify(models)
    finder, embedder = FaceFinder(verified), OnnxEmbedder(verified)
    pad = None if pad_card is None else OnnxPad(pad_card)
    _instruments = Instruments(finder, embedder, DocumentReader(finder, embedder), pad)


def _loaded() -> Instruments:
    if _instruments is None:
        raise RuntimeError("This process cannot analyse yet: call load() first.")
    return _instruments


def analyse_selfie(data: bytes, any_quality: bool = False) -> SelfieReport:
    """Judge a selfie (JPEG, PNG or WebP) and, if it is good, embed its face.

    With ``any_quality`` a single face is enough: for evaluations, never for a decision.
    """
    return _judged_selfie(data, embed=True, any_quality=any_quality)


def precheck_selfie(data: bytes) -> SelfieReport:
    """Judge a selfie as `analyse_selfie` does, but embed nothing: for one frame of a camera, before an upload."""
    return _judged_selfie(data, embed=False)


def _judged_selfie(data: bytes, *, embed: bool, any_quality: bool = False) -> SelfieReport:
    tools = _loaded()
    try:
        picture = decode.picture(data, _SELFIE_SIDE)
    except UndecodableError as error:
        return _selfie([error.key], {})
    faces = [face for face in tools.finder.faces(picture) if face.presence >= _CERTAIN_FACE]
    if len(faces) != 1:
        return _selfie([_not_one_face(picture, len(faces))], {"SingleFacePresent": 0.0})
    measures = quality.measure(picture, faces[0])
    guidance = [] if any_quality else [*_not_a_person(picture, faces[0]), *quality.judge(measures)]
    if guidance or not embed:
        return _selfie(guidance, measures)
    chip = tools.embedder.align(picture, faces[0])
    return _selfie([], measures, to_bytes(tools.embedder.embed([chip])[0]))


def _selfie(guidance: list[GuidanceKey], measures: Measures, embedding: bytes | None = None) -> SelfieReport:
    return SelfieReport(
        guidance=tuple(guidance),
        measures=measures,
        profile=SELFIE.version,
        limits=dict(SELFIE.limits),
        model=_loaded().embedder.model,
        embedding=embedding,
        advice=() if guidance else tuple(quality.advise(measures)),
    )


def _not_a_person(picture: Picture, face: Face) -> list[GuidanceKey]:
    """Notice a card or a photograph held before the camera by its edges. One that fills the picture is not noticed."""
    frame = frame_around(picture, face.points[:, :2])
    if frame is None:
        return []
    return [
        GuidanceKey("selfie.is_a_document" if is_document(frame, face.points[:, :2]) else "selfie.photo_of_a_photo")
    ]


def _not_one_face(picture: Picture, faces: int) -> GuidanceKey:
    """Separate several faces from none, and from one too far away for the detector but seen in the middle part."""
    if faces > 1:
        return GuidanceKey("selfie.one_person_only")
    height, width = picture.shape[:2]
    middle = picture[height // 4 : -height // 4, width // 4 : -width // 4]
    seen = any(face.presence >= _CERTAIN_FACE for face in _loaded().finder.faces(middle))
    return GuidanceKey("selfie.come_closer" if seen else "selfie.no_face")


def analyse_clip(data: bytes, challenge: tuple[str, ...]) -> ClipReport:
    """Judge a clip (WebM or MP4) against the challenge it was recorded for.

    Args:
        data: The clip.
        challenge: See `actions_of`.

    Raises:
        ValueError: the challenge is no such thing.
    """
    actions = actions_of(challenge)
    tools = _loaded()
    rate = _BLINK_RATE if "blink" in actions else _CLIP_RATE
    try:
        frames = video.frames(data, rate, _CLIP_SIDE)
        observations = list(observe(frames, tools.finder, tools.embedder, tools.pad))
    except UndecodableError as error:
        return _clip(ClipVerdict([error.key], {}))
    return _clip(examine(observations, actions, tools.embedder, tools.pad))


def _clip(verdict: ClipVerdict) -> ClipReport:
    tools = _loaded()
    embedding = None if verdict.guidance or verdict.embedding is None else to_bytes(verdict.embedding)
    same_person = Limit(at_most=tools.embedder.card.match)
    return ClipReport(
        guidance=tuple(verdict.guidance),
        measures=verdict.measures,
        profile=LIVENESS.version,
        limits={**LIVENESS.limits, "IdentitySpread": same_person},
        model=tools.embedder.model,
        embedding=embedding,
        doubts=verdict.doubts,
        pad=verdict.pad,
    )


def analyse_document(pictures: list[bytes]) -> DocumentReport:
    """Read an identity document from one or two files: JPEG, PNG or WebP pictures, or PDF of at most two pages.

    They show both sides of a card, a passport's page, or all there is to see in one picture.
    """
    tools = _loaded()
    if len(pictures) not in {1, 2}:
        return _document(ReadDocument([GuidanceKey("document.one_or_two_pictures")], {}))
    try:
        decoded = [picture for data in pictures for picture in _shown(data)]
    except UndecodableError as error:
        return _document(ReadDocument([error.key], {}))
    return _document(tools.document.read(decoded))


def _shown(data: bytes) -> list[Picture]:
    if kind_of(data[:HEAD_BYTES]) == "application/pdf":
        return pdf.pages(data, _DOCUMENT_SIDE)
    return [decode.picture(data, _DOCUMENT_SIDE)]


def _document(reading: ReadDocument) -> DocumentReport:
    return DocumentReport(
        guidance=tuple(reading.guidance),
        measures=reading.measures,
        profile=DOCUMENT.version,
        limits=dict(DOCUMENT.limits),
        model=_loaded().embedder.model,
        embedding=None if reading.embedding is None else to_bytes(reading.embedding),
        portrait_jpeg=None if reading.portrait is None else _jpeg(reading.portrait),
        mrz=reading.mrz,
    )


def _jpeg(picture: Picture) -> bytes:
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 92])
    return encoded.tobytes()


def match(selfie: Embedded, clip: Embedded, document: Embedded) -> MatchResult:
    """Compare the three faces, each with each, by the card of the model that is loaded.

    Raises:
        ModelMismatchError: one of them was made by another model, or has no embedding.
    """
    card, model = _loaded().embedder.card, _loaded().embedder.model
    faces = {"selfie": selfie, "clip": clip, "document": document}
    vectors = {}
    for name, face in faces.items():
        if face.model != model or face.embedding is None:
            raise ModelMismatchError(f"The {name} has no embedding of the model {model} (it says {face.model}).")
        vectors[name] = from_bytes(face.embedding)
    pairs = combinations(vectors.items(), 2)
    distances = {cast("Pair", f"{a}-{b}"): card.distance(x, y) for (a, x), (b, y) in pairs}
    bands = {pair: card.band(distance) for pair, distance in distances.items()}
    return MatchResult(distances=distances, bands=bands, model=model)


def alike(face: Embedded, model: str, others: list[bytes]) -> int:
    """Count those of `others`, embeddings that `model` made, that match the face by the card of the model loaded.

    Raises:
        ModelMismatchError: the face or the others were made by another model.
    """
    card, loaded = _loaded().embedder.card, _loaded().embedder.model
    if face.model != loaded or model != loaded or face.embedding is None:
        raise ModelMismatchError(f"Faces of {face.model} and {model} are not compared by {loaded}.")
    if not others:
        return 0
    distances = card.distances(from_bytes(face.embedding)[None], np.stack([from_bytes(each) for each in others]))
    return int((distances <= card.match).sum())
