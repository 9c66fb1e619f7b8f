"""From a decision to its sealed document."""

from dataclasses import dataclass
from pathlib import Path

from services.kandas.application.states import KandasApplication, PersonDecision
from services.kandas.documents.page import PageFacts, render
from services.kandas.documents.seal import Seal
from services.kandas.rules.working_days import today


@dataclass(frozen=True, slots=True)
class DocumentRenderer:
    """Makes sealed documents.

    Args:
        fonts: the folder with the fonts.
        verify_url: where documents can be verified.
    """

    seal: Seal
    fonts: Path
    verify_url: str

    def render(self, application: KandasApplication, decision: PersonDecision) -> bytes:
        """Return the sealed PDF of a decision. Takes about half a second of processor time."""
        person = application.person(decision.person)
        if person is None:
            raise ValueError("a decision about nobody")
        number = f"{application.id}/{decision.person}"
        facts = PageFacts(
            number=number,
            verify_url=f"{self.verify_url}/{number}",
            person=person.form.value,
            outcome=decision.outcome,
            reasons=decision.reasons,
            region=application.region,
            decided_on=today(decision.decided_at),
            valid_until=decision.valid_until,
            rules=decision.rules,
        )
        return self.seal.apply(render(facts, self.fonts))
