"""Presentation-attack detection by a network of the operator's choice: the port, and its implementation in ONNX.

No network comes with the service. Where none is mounted every result says so; where one is, its doubts go to a
clerk. How well a network detects which attacks is for its operator to measure; nothing here claims it.
"""

import hmac
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from pydantic import Field, ValidationError

from services.biometrics.face.face import Face, patch
from services.biometrics.liveness.pad_result import NOT_CONFIGURED, PadResult
from services.biometrics.media.decode import Picture
from services.biometrics.models.files import OnnxNetwork, sha256
from services.biometrics.models.model_card import NetworkCard


class PadCard(NetworkCard):
    """What an operator states about a network that tells live faces from presentations of one.

    Attributes:
        file: The network, beside the card.
        sha256: Its hash, hexadecimal.
        margin: Side of the cut square over the longer side of the face.
        output: ``probability``: one number, that of a live face; ``logits``: one number a class.
        live: Which of the classes is the live one.
        threshold: Least probability of a live face that leaves no doubt.
    """

    file: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    margin: float = Field(ge=1, le=5)
    output: Literal["probability", "logits"]
    live: int = Field(0, ge=0)
    threshold: float = Field(gt=0, lt=1)


class PadError(RuntimeError):
    """The mounted detector cannot be trusted or used. The service does not start with it."""

    def __init__(self, file: Path, reason: str) -> None:
        super().__init__(f"{file} {reason}. Mount the network its card speaks of, or unset BIOMETRICS_PAD_CARD.")


class PadModel(Protocol):
    """Tells live faces from presentations of one: prints, screens, masks."""

    def cut(self, picture: Picture, face: Face) -> Picture:
        """Return what the network wants to see of a picture."""

    def judge(self, chips: list[Picture]) -> PadResult:
        """Judge at least one chip."""


class OnnxPad:
    """A detector in ONNX: input float32 [n, 3, size, size], output float32 [n], [n, 1] or [n, classes]."""

    def __init__(self, card: Path) -> None:
        """Verify and load the network that the card names.

        Raises:
            PadError: the card is none, or the network is missing or another one.
        """
        self.card = read_card(card)
        network = card.parent / self.card.file
        if not network.is_file():
            raise PadError(network, "is missing")
        if not hmac.compare_digest(sha256(network.read_bytes()), self.card.sha256):
            raise PadError(network, f"has not the SHA-256 {self.card.sha256} of its card")
        self._network = OnnxNetwork(network)
        blank = np.zeros((self.card.size, self.card.size, 3), np.uint8)
        if self._live([blank]) is None:
            raise PadError(network, "does not answer in the form that its card states")

    def cut(self, picture: Picture, face: Face) -> Picture:
        """Cut an upright square around the face; what lies outside the picture is black."""
        low, high = face.bounds[:2], face.bounds[2:]
        scale = float((high - low).max()) * self.card.margin / self.card.size
        left, top = (low + high) / 2 - scale * self.card.size / 2
        matrix = np.array([[scale, 0, left], [0, scale, top]])
        return patch(picture, matrix, (self.card.size, self.card.size))

    def judge(self, chips: list[Picture]) -> PadResult:
        """Run the network on all `chips` at once; an answer that is no probability is a doubt."""
        live = self._live(chips)
        score = 0.0 if live is None else live
        return PadResult(
            state="passed" if score >= self.card.threshold else "doubt",
            model=self.card.id,
            sha256=self.card.sha256,
            score=score,
            threshold=self.card.threshold,
        )

    def _live(self, chips: list[Picture]) -> float | None:
        """Return the mean probability of a live face, or None for an answer in another form than the card's."""
        answers = self._network(self.card.batch(chips)).astype(np.float64).reshape(len(chips), -1)
        if self.card.output == "logits" and self.card.live < answers.shape[1] > 1:
            powers = np.exp(answers - answers.max(axis=1, keepdims=True))
            live = float((powers[:, self.card.live] / powers.sum(axis=1)).mean())
        elif self.card.output == "probability" and answers.shape[1] == 1:
            live = float(answers.mean())
        else:
            return None
        return live if 0 <= live <= 1 else None


def read_card(card: Path) -> PadCard:
    """Read a detector's card.

    Raises:
        PadError: it is missing, or is no card.
    """
    try:
        return PadCard.model_validate_json(card.read_bytes())
    except FileNotFoundError as error:
        raise PadError(card, "is missing") from error
    except OSError as error:
        raise PadError(card, f"cannot be read ({error.strerror})") from error
    except ValidationError as error:
        places = ", ".join(sorted({".".join(map(str, each["loc"])) or "the whole" for each in error.errors()}))
        raise PadError(card, f"is not a card (look at: {places})") from error


def detector(card: Path | None) -> str:
    """Return the id of the detector with this card; ``not_configured`` where none is mounted."""
    return NOT_CONFIGURED if card is None else read_card(card).id
