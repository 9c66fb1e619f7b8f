"""A face as a vector: the port, and its implementation for any ONNX network that comes with a card."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.biometrics.face.face import Face, patch, similarity
from services.biometrics.media.decode import Picture
from services.biometrics.models.files import Models, ModelsError, OnnxNetwork
from services.biometrics.models.model_card import ModelCard

Embedding = NDArray[np.float32]


class Embedder(Protocol):
    """Turns aligned faces into vectors that are close for the same person.

    Embeddings of different `model` are never compared.
    """

    @property
    def card(self) -> ModelCard:
        """What its operator states about the model."""

    @property
    def model(self) -> str:
        """What `ModelCard.model` names it."""

    def align(self, picture: Picture, face: Face) -> Picture:
        """Return the chip the network wants: the face upright, in its place and size."""

    def embed(self, chips: list[Picture]) -> Embedding:
        """Return one embedding a chip, n × `card.dimensions`."""  # noqa: RUF002 - a product of sizes


class OnnxEmbedder:
    """An embedding network in ONNX: input float32 [n, 3, size, size], output float32 [n, dimensions]."""

    def __init__(self, models: Models) -> None:
        """Load the network and try it, so that one which is not its card's stops the start and not the citizens.

        Raises:
            ModelsError: card and network do not fit.
        """
        self._card = ModelCard.model_validate_json(models.path("face-embedding-card").read_bytes())
        network = models.path("face-embedding")
        self._model = self._card.model(models.sha256("face-embedding"))
        self._network = OnnxNetwork(network)
        self._template = np.array([[anchor.x, anchor.y] for anchor in self._card.anchors])
        blank = np.zeros((self._card.size, self._card.size, 3), np.uint8)
        if self.embed([blank]).shape != (1, self._card.dimensions):
            raise ModelsError(network, "does not answer in the form that its card states")

    @property
    def card(self) -> ModelCard:
        """The card mounted beside the network."""
        return self._card

    @property
    def model(self) -> str:
        """The card's id and a hash, see `ModelCard.model`."""
        return self._model

    def align(self, picture: Picture, face: Face) -> Picture:
        """Cut the chip by the similarity that brings the card's template onto the face's points."""
        points = np.array([face.at(*anchor.landmarks) for anchor in self._card.anchors])
        return patch(picture, similarity(self._template, points), (self._card.size, self._card.size))

    def embed(self, chips: list[Picture]) -> Embedding:
        """Run the network on all `chips` at once."""
        return self._network(self._card.batch(chips))


def to_bytes(embedding: Embedding) -> bytes:
    """Return the embedding as it is kept: little-endian float32."""
    return embedding.astype("<f4").tobytes()


def from_bytes(data: bytes) -> Embedding:
    """Return the embedding that `to_bytes` wrote."""
    return np.frombuffer(data, "<f4").astype(np.float32)
