"""What is known of a citizen before certificates are issued: facts of one journey, from the events that give them."""

from typing import assert_never

from libs.common.contracts.biometrics import FaceMatched
from libs.common.contracts.identity import DigitalIdCreated, JourneyStarted
from libs.common.contracts.otp import OtpVerified
from libs.common.contracts.people import Person
from libs.common.core.model import Model, evolve
from libs.common.core.sealing import Sealed
from services.ca.model import subject

FactEvent = JourneyStarted | OtpVerified | FaceMatched | DigitalIdCreated
"""The events that say something an enrolment needs to know."""


class EnrolmentFacts(Model):
    """What must be known before anything is issued.

    Attributes:
        phone_proven: a code came back by SMS.
        face_matched: the face is the document's.
        renewal: the present key signs for the new ones, in place of the face.
    """

    person: Sealed[Person] | None = None
    person_ref: str | None = None
    citizen_id: str | None = None
    phone_proven: bool = False
    face_matched: bool = False
    renewal: bool = False

    @property
    def complete(self) -> bool:
        """Whether all is there: who it is, the phone, the face (but for a renewal), and the Digital ID."""
        seen = self.face_matched or self.renewal
        return self.person is not None and self.citizen_id is not None and self.phone_proven and seen


def learn(facts: EnrolmentFacts, event: FactEvent) -> EnrolmentFacts:
    """Add what an event says. Facts may come in any order, and more than once."""
    match event:
        case JourneyStarted(purpose="renewal"):
            return evolve(
                facts,
                EnrolmentFacts,
                person=event.person,
                person_ref=event.person_ref,
                citizen_id=event.citizen_id,
                renewal=True,
            )
        case JourneyStarted():
            return evolve(facts, EnrolmentFacts, person=event.person, person_ref=event.person_ref)
        case OtpVerified():
            return evolve(facts, EnrolmentFacts, phone_proven=True)
        case FaceMatched():
            return evolve(facts, EnrolmentFacts, face_matched=True)
        case DigitalIdCreated():
            return evolve(facts, EnrolmentFacts, citizen_id=event.citizen_id)
        case _ as never:
            assert_never(never)


def holder_of(facts: EnrolmentFacts) -> subject.NaturalPerson:
    """Return whom the facts say a certificate is for.

    Raises:
        UnusableNameError: the name cannot stand in a certificate.
    """
    if facts.person is None:
        raise ValueError("an enrolment that is issuing has all its facts")
    known = facts.person.value
    return subject.NaturalPerson(
        iin=known.iin, surname=known.surname, given_name=known.given_name or "", patronymic=known.patronymic or ""
    )
