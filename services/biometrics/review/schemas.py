"""Answers to clerks that hold more than their clients read."""

from collections.abc import Mapping

from pydantic import Field

from libs.common.contracts.http.biometrics import ReviewCase
from services.biometrics.check.records import Examined


class ExaminedCase(ReviewCase):
    """A case, opened, with how each source was judged in the last try."""

    examined: Mapping[str, Examined] = Field(default_factory=dict)
