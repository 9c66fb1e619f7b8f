"""Facts that biometrics tells: does the person match the document."""

from datetime import datetime
from typing import ClassVar

from libs.common.contracts.events import Event


class FaceMatched(Event):
    """Selfie, clip and document photo passed and agree. ``reviewed``: a clerk judged, not the numbers alone."""

    topic: ClassVar[str] = "face.matched"

    model: str
    reviewed: bool = False


class FaceRejected(Event):
    """One try failed, or the last one did (``final``). ``reasons`` are text keys that say what to change."""

    topic: ClassVar[str] = "face.rejected"

    reasons: tuple[str, ...]
    tries_left: int
    final: bool


class FaceReviewRequested(Event):
    """The numbers are in the grey band: a clerk decides, until ``due_at``."""

    topic: ClassVar[str] = "face.review_requested"

    due_at: datetime
