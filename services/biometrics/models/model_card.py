"""What an operator states about a model: its card; above all that of the face embedding.

The network behind an embedding can be exchanged for a better one. Everything that depends on the network is
data on its card, thresholds above all: a distance means something only for the model that made it.
"""

import hashlib
from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, model_validator

from libs.common.contracts.http.biometrics import Band
from libs.common.core.model import Model


class Anchor(Model):
    """A point of the face and where alignment puts it.

    Attributes:
        landmarks: Indices into the 468 points of the face mesh; their mean is the point.
        x: Pixels from the left of the network's input picture.
        y: Pixels from its top.
    """

    model_config = ConfigDict(extra="forbid")

    landmarks: tuple[int, ...] = Field(min_length=1)
    x: float
    y: float


class NetworkCard(Model):
    """How to feed a network that looks at pictures: float32 [n, 3, size, size].

    Attributes:
        id: Names the model wherever a result of it is kept.
        size: Side of the square input, pixels.
        colour: Order of the input's channels.
        mean: Subtracted per channel from values 0 to 255.
        scale: Multiplied after that.
    """

    model_config = ConfigDict(extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,63}$")
    size: int = Field(gt=0, le=1024)
    colour: Literal["rgb", "bgr"]
    mean: tuple[float, float, float]
    scale: float

    def batch(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Turn RGB pictures of the card's size into one input."""
        values = np.stack(pictures).astype(np.float32)
        if self.colour == "bgr":
            values = values[..., ::-1]
        values = (values - np.array(self.mean, np.float32)) * np.float32(self.scale)
        return np.ascontiguousarray(values.transpose(0, 3, 1, 2))


class ModelCard(NetworkCard):
    """How to feed a face-embedding network and how to read its answer.

    Attributes:
        anchors: The alignment template, at least two points.
        metric: How two embeddings are compared; both measures are smaller for more alike faces.
        dimensions: Length of an embedding.
        match: Largest distance that counts as the same person.
        review: Largest distance a clerk is asked about; beyond it, different persons.
    """

    anchors: tuple[Anchor, ...] = Field(min_length=2)
    metric: Literal["euclidean", "cosine"]
    dimensions: int = Field(gt=0, le=4096)
    match: float = Field(gt=0)
    review: float

    @model_validator(mode="after")
    def _bands_in_order(self) -> "ModelCard":
        if self.review < self.match:
            raise ValueError("review has to be at or above match")
        return self

    def model(self, network: str) -> str:
        """Name the model whose embeddings may be compared: its id, and a hash of what an embedding depends on.

        That is the network, given by its hash, and how it is fed. Under another file, or fed otherwise, it is another
        model, even if its operator left the id as it was. Thresholds may change.
        """
        fed = self.model_dump_json(exclude={"id", "match", "review"})
        return f"{self.id}@{hashlib.sha256(f'{network}|{fed}'.encode()).hexdigest()[:12]}"

    def distance(self, one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
        """Return how far two embeddings of this model are from each other."""
        return float(self.distances(one[None], other[None])[0, 0])

    def distances(self, ones: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return how far each of n embeddings is from each of m, as n rows of m."""
        left, right = ones.astype(np.float64), others.astype(np.float64)
        if self.metric == "cosine":
            left, right = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (left, right))
            angles: NDArray[np.float64] = 1 - left @ right.T
            return angles
        squared = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)[None] - 2 * left @ right.T
        lengths: NDArray[np.float64] = np.sqrt(np.maximum(squared, 0))
        return lengths

    def band(self, distance: float) -> Band:
        """Return what `distance` means under this card."""
        if distance <= self.match:
            return "match"
        return "review" if distance <= self.review else "no_match"


def _dlib_anchors() -> tuple[Anchor, ...]:
    """The five points of dlib's face chips (`get_face_chip_details`), at 150 pixels with a padding of 0.25."""
    template = (
        (263, 0.8595674595992, 0.2134981538014),  # outer corner of the subject's left eye
        (362, 0.6460604764104, 0.2289674387677),  # its inner corner
        (33, 0.1205750620789, 0.2137274526848),  # outer corner of the right eye
        (133, 0.3340850613712, 0.2290642403242),  # its inner corner
        (2, 0.4901123135679, 0.6277975316475),  # below the nose
    )
    return tuple(
        # dlib measures from a pixel's corner, we from its centre: half a pixel less.
        Anchor(landmarks=(landmark,), x=100 * (x + 0.25) - 0.5, y=100 * (y + 0.25) - 0.5)
        for landmark, x, y in template
    )


DLIB_RESNET_V1: Final = ModelCard(
    id="dlib-resnet-v1",
    size=150,
    colour="rgb",
    mean=(122.782, 117.001, 104.298),
    scale=1 / 256,
    anchors=_dlib_anchors(),
    metric="euclidean",
    dimensions=128,
    # Measured on few photographs: genuine pairs 0.24-0.42, impostors from 0.50. dlib itself advises 0.6.
    match=0.50,
    review=0.60,
)
"""The network that comes with the service."""
