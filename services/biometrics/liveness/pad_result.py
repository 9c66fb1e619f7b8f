"""The answer of a presentation-attack detector, as it is kept on record."""

from typing import Final, Literal

from pydantic import ConfigDict

from libs.common.core.model import Model

NOT_CONFIGURED: Final = "not_configured"


class PadResult(Model):
    """A detector's answer about a clip.

    Attributes:
        state: ``not_configured``: no detector is mounted, so nothing was judged.
        model: The id on its card.
        sha256: Of the network.
        score: Probability of a live face, the mean over the frames it was shown.
        threshold: What the score was held against.
    """

    model_config = ConfigDict(extra="forbid")

    state: Literal["not_configured", "passed", "doubt"] = "not_configured"
    model: str = ""
    sha256: str = ""
    score: float | None = None
    threshold: float | None = None
