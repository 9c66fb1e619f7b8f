"""A face as a vector, kept sealed and with the model that made it."""

from typing import ClassVar, Final, Literal

from pydantic import ConfigDict

from libs.common.core.sealing import Personal
from services.biometrics.verdicts import DocumentFacts, Part

Source = Literal["selfie", "clip", "document"]
SOURCES: Final[tuple[Source, ...]] = ("selfie", "clip", "document")


def source_of(part: Part) -> Source:
    """Tell which face a part shows; both sides of a card are one document."""
    return part if part in ("selfie", "clip") else "document"


class Template(Personal):
    """What is known of a capture that passed: its face, and of a document what its zone says.

    Fulfils `services.biometrics.analysis.reports.Embedded`. Templates of different models are never compared.

    Attributes:
        model: which model made the embedding: the id on its card, and a hash (`ModelCard.model`).
        embedding: little-endian float32.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_bytes="base64", val_json_bytes="base64")

    audience: ClassVar[str] = "biometrics"

    model: str
    embedding: bytes
    document: DocumentFacts | None = None
