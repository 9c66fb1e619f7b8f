"""Which character a small picture shows: two classifiers of our own, as small as the question.

The print of a machine-readable zone is known to the letter: OCR-B (ISO 1073-2), one character a tenth of an inch. So
a network of two layers, trained on rendered and degraded glyphs (`services.biometrics.document.train_glyphs`; no
document of anybody is in it), reads it in a fraction of the time that a general text recogniser takes to start. A
second one knows digits of many typefaces, for what is printed on the front. Their weights lie beside this module.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Patches = NDArray[np.float32]
"""n × rows × columns of `HEIGHT` and `WIDTH`; dark print on light paper, any contrast."""  # noqa: RUF001 - a product of sizes

HEIGHT: Final = 24
WIDTH: Final = 16
TALL: Final = 17
"""Rows that a capital letter or a digit takes in a patch."""
OTHER: Final = "?"
"""What the classifier of digits calls everything else."""
_FLAT: Final = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class ReadGlyphs:
    """The characters of a row of patches, and how sure each is, 0 to 1."""

    text: str
    certainty: NDArray[np.float32]


class Glyphs:
    """One classifier."""

    def __init__(self, weights: Path) -> None:
        """Load the weights; raises OSError or ValueError if they are not there or broken."""
        with np.load(weights, allow_pickle=False) as stored:
            self.alphabet = str(stored["alphabet"])
            self._layers = [
                (stored[f"weights{n}"].astype(np.float32), stored[f"bias{n}"].astype(np.float32)) for n in (1, 2)
            ]

    def read(self, patches: Patches) -> ReadGlyphs:
        """Read one character off each patch."""
        if not len(patches):
            return ReadGlyphs("", np.zeros(0, np.float32))
        likely = softmax(forward(self._layers, normalised(patches))[-1])
        best = likely.argmax(axis=1)
        return ReadGlyphs("".join(self.alphabet[k] for k in best), likely[np.arange(len(best)), best])


def zone_glyphs() -> Glyphs:
    """Make the classifier for machine-readable zones."""
    return Glyphs(_DATA / "zone_glyphs.npz")


def print_glyphs() -> Glyphs:
    """Make the classifier for printed digits."""
    return Glyphs(_DATA / "print_glyphs.npz")


_DATA: Final = Path(__file__).with_name("data")


def normalised(patches: Patches) -> Patches:
    """Flatten each patch, with its mean at nought and its deviation at one: light and contrast do not matter."""
    flat = patches.reshape(len(patches), -1).astype(np.float32)
    flat = flat - flat.mean(axis=1, keepdims=True)
    return np.asarray(flat / (flat.std(axis=1, keepdims=True) + _FLAT), np.float32)


def forward(layers: Sequence[tuple[Patches, Patches]], values: Patches) -> list[Patches]:
    """Return the values of every layer, the last without its softmax."""
    outputs = [values]
    for n, (weights, bias) in enumerate(layers):
        sums = outputs[-1] @ weights + bias
        outputs.append(np.maximum(sums, 0) if n < len(layers) - 1 else sums)
    return outputs


def softmax(sums: Patches) -> Patches:
    """Turn the last layer's sums into probabilities."""
    powers = np.exp(sums - sums.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)
