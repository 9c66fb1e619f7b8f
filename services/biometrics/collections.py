"""The collections of biometrics. Beside them stand ``blobs`` (media) and ``reservations`` (hashes of captures)."""

from typing import Final

from libs.common.delivery.engine import Kind
from services.biometrics.analysis import known_faces
from services.biometrics.analysis.known_faces import KnownFaceSchema, KnownFaceState
from services.biometrics.check import states
from services.biometrics.check.states import CheckSchema, CheckState

MEDIA_KEY: Final = "biometrics"
"""The audience whose key seals media, links to them and remembered answers."""
CHECKS: Final = Kind[CheckState](
    "checks", CheckSchema, wake_at=states.wake_at, searched=(("kind", "since"), ("kind", "due_at"))
)
FACES: Final = Kind[KnownFaceState](
    "faces", KnownFaceSchema, wake_at=known_faces.wake_at, searched=(("kind", "model", "at"),)
)
