"""One journey through the domain alone."""

from dataclasses import dataclass, field
from datetime import datetime

from libs.common.contracts.events import Event
from libs.common.contracts.people import Contact
from libs.common.delivery.decisions import Decision
from libs.common.testing.harness import NOON
from services.identity.journeys import domain, progress
from services.identity.journeys.domain import Opening
from services.identity.journeys.facts import JourneyFact
from services.identity.journeys.states import JourneyRules, JourneyState, OpenJourney
from tests.unit.identity.factories import CITIZEN, PHONE, resident

RULES = JourneyRules()


def opening(*, mcb_registered: bool = True) -> Opening:
    return Opening(
        resident=resident(),
        contact=Contact(phone=PHONE),
        person_ref="person-ref",
        phone_ref="phone-ref",
        mcb_registered=mcb_registered,
    )


@dataclass
class Run:
    """A journey's state, and every event of it."""

    state: JourneyState | None = None
    events: list[Event] = field(default_factory=list)
    rules: JourneyRules = RULES

    def take(self, decision: Decision[JourneyState] | None) -> "Run":
        if decision is not None:
            self.state = decision.state
            self.events.extend(decision.events)
        return self

    def start(self, *, mcb_registered: bool = True, now: datetime = NOON) -> "Run":
        return self.take(domain.start(self.state, opening(mcb_registered=mcb_registered), self.rules, now))

    def fact(self, fact: JourneyFact, at: datetime = NOON) -> "Run":
        return self.take(domain.take_in(self.state, fact, at, at))

    def pin(self, now: datetime = NOON) -> "Run":
        return self.take(domain.create_digital_id(self.state, CITIZEN, now))

    def cancel(self, now: datetime = NOON) -> "Run":
        return self.take(domain.cancel(self.state, now))

    def wake(self, now: datetime) -> "Run":
        return self.take(domain.enforce_deadline(self.state, now))

    @property
    def open(self) -> OpenJourney:
        assert isinstance(self.state, OpenJourney)
        return self.state

    @property
    def wake_at(self) -> datetime | None:
        return None if self.state is None else progress.wake_at(self.state)

    @property
    def topics(self) -> list[str]:
        return [event.topic for event in self.events]
