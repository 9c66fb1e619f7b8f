"""Answers to auditors. Nothing personal is in them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Self

from pydantic import Field

from libs.common.contracts.http.shapes import Answer
from libs.common.core.model import evolve
from services.biometrics.check.records import ClerkDecision, PictureViews, Try
from services.biometrics.check.states import CheckRecord


class AuditedDecision(Answer):
    """A clerk's decision. The reason in words may speak of anybody: it stays sealed."""

    clerk: str
    matched: bool
    at: datetime

    @classmethod
    def of(cls, decision: ClerkDecision) -> Self:
        """Leave the remark out."""
        return evolve(decision, cls)


class AuditRecord(Answer):
    """The record of one face check.

    Attributes:
        state: where it stands.
        tries: the latest of them.
        views: which clerk saw which capture.
    """

    journey_id: str
    state: str
    tries: Sequence[Try]
    decisions: Sequence[AuditedDecision]
    views: Sequence[PictureViews] = Field(serialization_alias="looks")

    @classmethod
    def of(cls, journey_id: str, state: str, kept: CheckRecord) -> Self:
        """Take what is for auditors, and nothing else of the state."""
        decisions = [AuditedDecision.of(each) for each in kept.reviews]
        return cls(journey_id=journey_id, state=state, tries=kept.tries, decisions=decisions, views=kept.views)
