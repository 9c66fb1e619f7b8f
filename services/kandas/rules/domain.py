"""The rules of the service as dated data: terms, validity, documents, the window for an extension.

The law (No. 477-IV of 22.07.2011) left them to a minister's order (No. 329 of 22.07.2013), whose edits changed them in
2018, 2021, 2022 and twice in 2025. An application is judged by the rules of the day on which it was submitted, and a
decision names them.
"""

from bisect import bisect_right
from calendar import monthrange
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Protocol

from pydantic import ConfigDict, Field, TypeAdapter

from libs.common.contracts.kandas import DocumentKind, RefusalGround, Service
from libs.common.core.errors import Refused
from libs.common.core.model import Model
from services.kandas.refusals import KandasRefusal


class Circumstances(Protocol):
    """What the rules ask about a person."""

    @property
    def document_in_state_language(self) -> bool:
        """Whether the identity document needs no translation."""

    @property
    def nationality_in_document(self) -> bool:
        """Whether the identity document shows the Kazakh nationality."""

    @property
    def previous_end(self) -> date | None:
        """The last day of the status to be extended."""

    @property
    def extensions_before(self) -> int:
        """How often that status was extended already."""


class GrantRules(Model):
    """Terms of a grant: working days to decide in (null: not known), months the status lasts."""

    model_config = ConfigDict(extra="forbid")

    term_days: int | None = Field(ge=1)
    months: int = Field(ge=1)


class ExtensionRules(GrantRules):
    """Terms of an extension: asked for within so many months after the end, granted so many times."""

    window_months: int = Field(ge=0)
    times: int = Field(ge=1)


class DatedRules(Model):
    """The rules in force from one day to the next edit. ``source`` says where they come from, and what is unsure."""

    model_config = ConfigDict(extra="forbid")

    id: str
    since: date
    source: str
    grant: GrantRules | None
    extension: ExtensionRules | None

    def term_days(self, service: Service) -> int:
        """Return the working days within which to decide.

        Raises:
            Refused: the term of this service under these rules is not known, so no application can be taken.
        """
        terms = self.grant if service == "grant" else self.extension
        if terms is None or terms.term_days is None:
            raise Refused(KandasRefusal.RULES_TERM_UNKNOWN)
        return terms.term_days

    def valid_until(self, service: Service, decided_on: date, previous_end: date | None) -> date:
        """Return the last day of the status: from the decision for a grant, from the previous end for an extension."""
        terms = self.grant if service == "grant" else self.extension
        if terms is None or (service == "extension" and previous_end is None):
            raise Refused(KandasRefusal.RULES_NO_SUCH_SERVICE)
        return plus_months(decided_on if service == "grant" or previous_end is None else previous_end, terms.months)

    def obstacles(self, person: Circumstances, service: Service, on: date) -> tuple[RefusalGround, ...]:
        """Find the grounds of refusal that follow from a form and the calendar alone."""
        if service == "grant" or self.extension is None:
            return ()
        found = []
        if person.previous_end is None or on > plus_months(person.previous_end, self.extension.window_months):
            found.append(RefusalGround.WINDOW_PASSED)
        if person.extensions_before >= self.extension.times:
            found.append(RefusalGround.EXTENDED_BEFORE)
        return tuple(found)


class RuleBook:
    """All rules by the day since which they apply.

    Raises:
        ValueError: there are none, or two begin on one day.
    """

    def __init__(self, rules: Sequence[DatedRules]) -> None:
        self._rules = sorted(rules, key=lambda entry: entry.since)
        self._since = [entry.since for entry in self._rules]
        if not rules or len(set(self._since)) != len(self._since):
            raise ValueError("a book of rules has at least one entry and one entry a day")

    @classmethod
    def load(cls, path: Path) -> "RuleBook":
        """Read the rules from their file."""
        return cls(TypeAdapter(tuple[DatedRules, ...]).validate_json(path.read_bytes()))

    def on(self, day: date) -> DatedRules:
        """Return the rules in force on a day.

        Raises:
            Refused: the day lies before all of them.
        """
        place = bisect_right(self._since, day)
        if not place:
            raise Refused(KandasRefusal.RULES_NONE_IN_FORCE)
        return self._rules[place - 1]


def documents_needed(service: Service, person: Circumstances, *, applicant: bool) -> tuple[DocumentKind, ...]:
    """Return what must be attached for one person. What state systems hold is not asked for."""
    if service == "extension":
        return (DocumentKind.PREVIOUS_STATUS,)
    wanted = {
        DocumentKind.AUTOBIOGRAPHY: applicant,
        DocumentKind.IDENTITY_DOCUMENT: True,
        DocumentKind.TRANSLATION: not person.document_in_state_language,
        DocumentKind.NATIONALITY_PROOF: not person.nationality_in_document,
        DocumentKind.PHOTO: True,
    }
    return tuple(kind for kind, needed in wanted.items() if needed)


def plus_months(day: date, months: int) -> date:
    """Return the same day so many months on, or the month's last day where it has no such day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
