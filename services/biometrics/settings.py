"""What biometrics can be told from outside, as ``BIOMETRICS_…``."""

import os
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from libs.common.settings import ServiceSettings
from services.biometrics.domain import Rules


class Settings(ServiceSettings):
    """Settings of biometrics.

    Attributes:
        models: the folder that `services.biometrics.build_models` made.
        workers: how many processes look at pictures; one a core.
        pad_card: the card of a presentation-attack detector (`services.biometrics.pad.PadCard`), with the network
            beside it. None comes with the service; without one every result says ``not_configured``.
        analyser: ``models`` looks; ``stub`` answers at once, so that messaging can be measured (profile bench only).
    """

    model_config = SettingsConfigDict(env_prefix="BIOMETRICS_", env_nested_delimiter="__")

    rules: Rules = Rules()
    models: Path = Path("var/models")
    workers: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, le=64)
    pad_card: Path | None = None
    analyser: Literal["models", "stub"] = "models"

    @model_validator(mode="after")
    def _check_analyser(self) -> Self:
        if self.analyser == "stub" and self.profile != "bench":
            raise ValueError("analyser=stub looks at nothing: it belongs to the bench profile alone")
        return self
