"""Requests and answers of biometrics: captures of citizens, and reviews by clerks."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from libs.common.contracts.http.shapes import Answer, Form

CapturePart = Literal["selfie", "clip", "document-front", "document-back", "document-page"]
Band = Literal["match", "review", "no_match"]
"""What a distance between two faces means; `review` is for a clerk to decide."""


class CaptureProgress(Answer):
    """How far the analysis of captures is: how many citizens come before, and what is being analysed just now."""

    ahead: int
    stage: str | None = None


class CaptureView(Answer):
    """A face check: what to capture, in which order to move, and what came of it.

    Attributes:
        received: whether each part is in, by its name with underscores.
        guidance: text keys of what to do better than in the try before.
        texts: challenge and guidance in words, by key, in the language of the answer.
        pending: the captures are being analysed.
    """

    state: Literal["open", "analysing", "review", "matched", "failed", "closed"]
    challenge: tuple[str, ...] = ()
    nonce: str = ""
    expires_at: datetime | None = None
    tries_left: int | None = None
    received: dict[str, bool] = Field(default_factory=dict)
    guidance: tuple[str, ...] = ()
    texts: dict[str, str] = Field(default_factory=dict)
    pending: bool = False
    progress: CaptureProgress | None = None

    @property
    def wants_captures(self) -> bool:
        """Whether it is the citizen's turn."""
        return self.state == "open" and not self.pending


class UploadView(Answer):
    """What was kept of an upload: bytes from its beginning, and whether that is all of it."""

    pending: Literal[True] = True
    offset: int
    complete: bool


class PreCheckView(Answer):
    """What to change before a picture is worth sending, the most useful first; no guidance: it is good.

    ``advice`` is what would be better still; nothing is refused for it. ``texts`` holds both in words, by key.
    """

    guidance: tuple[str, ...]
    advice: tuple[str, ...] = ()
    texts: dict[str, str] = Field(default_factory=dict)


class ReviewSummary(Answer):
    """A face check that waits for a clerk, until ``due_at``.

    Attributes:
        pictures: the captures that may be viewed.
        signals: text keys of what is to be judged.
        decisions: how many clerks have decided so far.
    """

    journey_id: str
    due_at: datetime
    tries_left: int
    model: str
    pictures: tuple[CapturePart, ...] = ()
    signals: tuple[str, ...] = ()
    decisions: int = 0


class PictureLink(Answer):
    """Where a capture is shown, to the clerk who opened the case, until then."""

    part: CapturePart
    url: Annotated[str, StringConstraints(pattern=r"^/v1/reviews/pictures/[A-Za-z0-9._~-]{1,2000}$")]
    expires_at: datetime


class ReviewCase(ReviewSummary):
    """A case, opened: the pictures, and what was measured of them."""

    links: tuple[PictureLink, ...]
    distances: Mapping[str, float] = Field(default_factory=dict)
    bands: Mapping[str, Band] = Field(default_factory=dict)


class ReviewForm(Form):
    """A clerk's decision."""

    match: bool
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=500)]


class ReviewResult(Answer):
    """What became of a decision. Not ``ended``: another clerk is to decide as well."""

    ended: bool
