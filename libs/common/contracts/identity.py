"""Facts that identity tells: journeys, Digital IDs, the Mobile Citizens Base."""

from datetime import datetime
from typing import ClassVar, Literal

from libs.common.contracts.events import Event
from libs.common.contracts.people import Contact, Person
from libs.common.core.sealing import Sealed

Outcome = Literal["completed", "failed", "expired", "cancelled"]
Purpose = Literal["enrolment", "renewal"]
"""A renewal asks for the phone and the present key, not for the face."""


class JourneyStarted(Event):
    """A person known to the population register set out to get an electronic signature.

    ``person_ref`` and ``phone_ref`` are keyed hashes: the same for the same person or phone, meaningless outside.
    ``citizen_id`` is that of the Digital ID which a renewal rests on; an enrolment makes one on its way.
    """

    topic: ClassVar[str] = "journey.started"

    person: Sealed[Person]
    contact: Sealed[Contact]
    person_ref: str
    phone_ref: str
    mcb_registered: bool
    expires_at: datetime
    purpose: Purpose = "enrolment"
    citizen_id: str | None = None


class McbRegistered(Event):
    """Phone and face were proven for a pair that the Mobile Citizens Base lacked; now it has it."""

    topic: ClassVar[str] = "mcb.registered"

    person_ref: str
    phone_ref: str


class DigitalIdCreated(Event):
    """The person chose a PIN after the face check: a Digital ID exists and enrolment may begin."""

    topic: ClassVar[str] = "digital_id.created"

    citizen_id: str
    person_ref: str


class RevocationRequested(Event):
    """A citizen who signed in asks that a certificate be revoked; the right code by SMS has to confirm it.

    The subject is this request, which is no journey. ``serial`` is lower-case hexadecimal, ``reason`` as in
    `libs.common.contracts.ca.CertRevoked`.
    """

    topic: ClassVar[str] = "revocation.requested"

    citizen_id: str
    serial: str
    reason: str
    contact: Sealed[Contact]
    person_ref: str
    phone_ref: str
    expires_at: datetime


class JourneyClosed(Event):
    """A journey ended. ``reason`` is a text key, such as ``journey.face_rejected``."""

    topic: ClassVar[str] = "journey.closed"

    outcome: Outcome
    reason: str
