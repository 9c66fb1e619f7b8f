"""What a presentation-attack detector said. Pure data: it is kept on record."""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

NOT_CONFIGURED: Final = "not_configured"


class PadResult(BaseModel):
    """What a detector said of a clip.

    Attributes:
        state: ``not_configured``: there is none, and nothing was looked at.
        model: The id on its card.
        sha256: Of the network.
        score: Probability of a live face, the mean over the frames that were looked at.
        threshold: What the score was held against.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: Literal["not_configured", "passed", "doubt"] = "not_configured"
    model: str = ""
    sha256: str = ""
    score: float | None = None
    threshold: float | None = None
