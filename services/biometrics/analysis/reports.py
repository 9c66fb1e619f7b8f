"""Reports of analyses: frozen, picklable, and as JSON fit to be sealed and kept.

Guidance keys name texts of the portal, sorted by what they speak of:

| begins with | speaks of | raised by |
|---|---|---|
| `picture.` | the file of a picture: `not_an_image`, `heic`, `too_large`, `too_many_pixels`, `too_small`, `animated`, `damaged` | `decode` |
| `clip.` | the file of a clip: `not_a_video`, `no_picture`, `unknown_coding`, `unknown_rotation`, `too_large`, `too_many_pixels`, `too_many_frames`, `too_long`, `too_short`, `changing_size`, `damaged` | `video` |
| `clip.` | the recording: `face_lost`, `one_person_only`, `interrupted`, `frozen`, `looped`, `start_facing_camera` | `liveness` |
| `clip.` | the challenge: `no_left`, `no_right`, `no_blink`, `no_closer`, `wrong_order`, `too_slow` | `challenge`, `liveness` |
| `clip.` | doubt that it is a live head: `looks_flat`, `move_slowly`; for a clerk: `pad_doubt` | `liveness` |
| `selfie.` | `no_face`, `one_person_only`, `face_cut_off`, `photo_of_a_photo`, `is_a_document`, `come_closer`, `move_back`, `centre_face`, `too_dark`, `too_bright`, `low_contrast`, `uneven_light`, `blurred`, `look_straight` | `quality`, `analyses` |
| `document.` | `no_portrait`, `come_closer`, `mrz_unreadable`, `no_iin`, `print_differs`, `print_unreadable`, `blurred`, `glare`, `one_or_two_pictures` | `document`, `analyses` |
| `selfie.`, `clip.`, `document.` | its analysis: `takes_too_long` | `pipeline` |
| `document.` | the file: `pdf_locked`, `pdf_damaged`, `pdf_too_many_pages`, `pdf_too_complex` | `pdf` |
"""  # noqa: E501 - a table

from typing import Literal, Protocol

from pydantic import ConfigDict, Field, computed_field

from libs.common.contracts.http.biometrics import Band
from libs.common.core.model import Model
from services.biometrics.document.mrz import Mrz
from services.biometrics.liveness.pad_result import PadResult
from services.biometrics.media.decode import GuidanceKey
from services.biometrics.models.limits import Limit

Pair = Literal["selfie-clip", "selfie-document", "clip-document"]


class Embedded(Protocol):
    """Anything that holds an embedding and says which model made it."""

    @property
    def embedding(self) -> bytes | None:
        """Little-endian float32."""

    @property
    def model(self) -> str:
        """See `ModelCard.model`."""


class AnalysisReport(Model):
    """What every analysis reports.

    Attributes:
        guidance: What to change, the most useful first. Empty: it passed.
        measures: Every measure that was reached, under its field's name.
        profile: The version of the thresholds it was judged by.
        model: The embedding's model, as `ModelCard.model` names it.
        embedding: Little-endian float32; of a selfie or clip only if it passed, of a document if it has a face.
        doubts: Text keys of what neither passes nor fails, and is for a clerk to judge.
        limits: The thresholds of the profile, by the name of the measure.
    """

    model_config = ConfigDict(extra="forbid", ser_json_bytes="base64", val_json_bytes="base64")

    guidance: tuple[GuidanceKey, ...]
    measures: dict[str, float]
    profile: str
    model: str
    embedding: bytes | None = None
    doubts: tuple[GuidanceKey, ...] = ()
    limits: dict[str, Limit] = Field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Nothing has to be changed."""
        return not self.guidance


class SelfieReport(AnalysisReport):
    """Of one picture of the citizen's face.

    Attributes:
        advice: What would be better still; nothing is refused for it.
    """

    advice: tuple[GuidanceKey, ...] = ()


class ClipReport(AnalysisReport):
    """Of the clip in which the citizen does what the challenge asks; the embedding is that of straight frames.

    Attributes:
        pad: The answer of the presentation-attack detector, or that there is none.
    """

    pad: PadResult = PadResult()


class DocumentReport(AnalysisReport):
    """Of the pictures of the identity document.

    Attributes:
        portrait_jpeg: The portrait cut out of the card.
        mrz: The machine-readable zone, if every check digit agreed.
    """

    portrait_jpeg: bytes | None = None
    mrz: Mrz | None = None


class MatchResult(Model):
    """How alike selfie, clip and document are.

    Attributes:
        distances: Of each pair, in the model's metric: smaller is more alike.
        bands: What each distance means under the model's card.
        model: The model that made all three embeddings.
    """

    model_config = ConfigDict(extra="forbid")

    distances: dict[Pair, float]
    bands: dict[Pair, Band]
    model: str

    @computed_field  # type: ignore[prop-decorator] # mypy knows no decorator upon a property
    @property
    def band(self) -> Band:
        """The worst of the three: one stranger among them is enough."""
        worst: tuple[Band, ...] = ("no_match", "review", "match")
        return next(band for band in worst if band in self.bands.values())
