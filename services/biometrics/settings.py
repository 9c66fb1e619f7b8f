"""The settings of biometrics: environment variables ``BIOMETRICS_…``."""

import os
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from libs.common.core.settings import ServiceSettings
from services.biometrics.check.states import CheckRules
from services.biometrics.liveness.pad import PadError, read_card

MOST_WORKERS: Final = 64
ANALYSIS_S: Final = 2.0


class BiometricsSettings(ServiceSettings):
    """Settings of biometrics.

    Attributes:
        models: the folder that `services.biometrics.models.build` made.
        workers: how many processes analyse media; one a core that this process may use.
        look_s: seconds that the analysis of one picture, clip or document may take, by the clock but without those in
            which the machine did other things. What takes longer is sent back as such.
        pad_card: the card of a presentation-attack detector (`services.biometrics.liveness.pad.PadCard`), with the
            network beside it. None comes with the service; without one every result says ``not_configured``.
        backlog: how many face checks may wait for analysis before uploads are asked to come back later; a worker
            does two or three a second.
        same_face_days: for how many days faces are remembered, sealed, so that one face under several persons is
            noticed and shown to a clerk; 0: they are not remembered at all.
        same_face_most: of how many remembered faces the newest are searched.
        analyser: ``models`` analyses; ``stub`` passes everybody at once, to measure messaging (profile bench only).
    """

    model_config = SettingsConfigDict(env_prefix="BIOMETRICS_", env_nested_delimiter="__")

    rules: CheckRules = CheckRules()
    models: Path = Path("var/models")
    workers: int = Field(default_factory=lambda: min(len(os.sched_getaffinity(0)), MOST_WORKERS), ge=1, le=MOST_WORKERS)
    look_s: float = Field(ANALYSIS_S, ge=0.5, le=20.0)
    pad_card: Path | None = None
    backlog: int = Field(500, ge=1)
    same_face_days: int = Field(0, ge=0, le=366)
    same_face_most: int = Field(5000, ge=1, le=50_000)
    analyser: Literal["models", "stub"] = "models"

    @field_validator("pad_card")
    @classmethod
    def _check_pad_card(cls, value: Path | None) -> Path | None:
        if value is not None:
            try:
                read_card(value)
            except PadError as error:
                raise ValueError(str(error)) from None
        return value

    @model_validator(mode="after")
    def _check_analyser(self) -> Self:
        if self.analyser == "stub" and self.profile != "bench":
            raise ValueError("analyser=stub analyses nothing: it belongs to the bench profile alone")
        return self
