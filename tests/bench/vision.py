"""What the benchmark of face checks runs inside worker processes: importable by name, as workers want it."""

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from services.biometrics.analysis import analyses
from services.biometrics.media import decode, video

T = TypeVar("T")


def timed(function: Callable[..., T], *arguments: Any) -> tuple[T, float]:
    """Return what `function` returns, and the CPU milliseconds it took."""
    began = time.process_time()
    result = function(*arguments)
    return result, 1000 * (time.process_time() - began)


def decoded(clip: bytes, rate: float) -> int:
    """Decode a clip as an analysis does, and look at nothing."""
    return sum(1 for _ in video.frames(clip, rate, 640))


def embedded(picture: bytes, times: int) -> list[float]:
    """Embed the face of a picture again and again, from its landmarks on; CPU milliseconds of each time."""
    tools = analyses._loaded()
    shown = decode.picture(picture, 1280)
    face = tools.finder.faces(shown)[0]
    return [timed(lambda: tools.embedder.embed([tools.embedder.align(shown, face)]))[1] for _ in range(times)]


def checked(selfie: bytes, clip: bytes, challenge: tuple[str, ...], pages: Sequence[bytes]) -> dict[str, float]:
    """Check one citizen from end to end; CPU milliseconds by stage.

    Raises:
        RuntimeError: the citizen did not pass, so that less was done than is to be measured.
    """
    one, selfie_ms = timed(analyses.analyse_selfie, selfie)
    two, clip_ms = timed(analyses.analyse_clip, clip, challenge)
    three, document_ms = timed(analyses.analyse_document, list(pages))
    if not (one.ok and two.ok and three.ok):
        raise RuntimeError(f"not passed: {one.guidance} {two.guidance} {three.guidance}")
    outcome, match_ms = timed(analyses.match, one, two, three)
    if outcome.band != "match":
        raise RuntimeError(f"no match: {outcome.distances}")
    return {"selfie": selfie_ms, "clip": clip_ms, "document": document_ms, "match": match_ms}
