"""What is known of a capture that passed, so that the next try need not analyse it again."""

from typing import ClassVar

from pydantic import ConfigDict

from libs.common.core.sealing import Personal
from services.biometrics.check.decision import DocumentFacts


class Template(Personal):
    """The face of a capture that passed; of a document also what its zone says.

    Fulfils `services.biometrics.analysis.reports.Embedded`. Templates of different models are never compared.

    Attributes:
        model: the model that made the embedding: the id on its card and a hash (`ModelCard.model`).
        embedding: little-endian float32.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_bytes="base64", val_json_bytes="base64")

    audience: ClassVar[str] = "biometrics"

    model: str
    embedding: bytes
    document: DocumentFacts | None = None
