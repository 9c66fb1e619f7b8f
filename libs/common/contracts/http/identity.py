"""Requests and answers of identity: journeys, sessions, the cabinet, requests to revoke."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BeforeValidator, StringConstraints

from libs.common.contracts.ca import EntityRole, Profile
from libs.common.contracts.http.shapes import Answer, Form, PlainName, Secret, TimelineEntry
from libs.common.contracts.identity import Outcome
from libs.common.core.phones import PhoneNumber
from libs.common.core.values import Iin, as_typed, none_if_empty

Email = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=254, pattern=r"^[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+$")
]
OptionalEmail = Annotated[Email | None, BeforeValidator(none_if_empty)]
Serial = Annotated[str, BeforeValidator(as_typed), StringConstraints(to_lower=True, pattern=r"^[0-9a-fA-F]{2,40}$")]
"""The serial number of a certificate, in lower-case hexadecimal."""
Pin = Annotated[str, BeforeValidator(as_typed), StringConstraints(pattern=r"^[0-9]{6}$")]
HolderReason = Literal["unspecified", "keyCompromise", "affiliationChanged", "superseded", "cessationOfOperation"]
"""Why a holder has a certificate revoked (RFC 5280, 5.3.1)."""
WaitsFor = Literal["citizen.code", "citizen.face", "clerk.review", "citizen.pin", "citizen.requests", "ca.issuance"]
ApplicationStatus = Literal["submitted", "returned", "decided"]


class JourneyStep(StrEnum):
    """The steps of a journey, in order."""

    CODE = "code"
    FACE = "face"
    PIN = "pin"
    CERTIFICATES = "certificates"
    CLOSED = "closed"

    @property
    def place(self) -> int:
        """Return where the step stands, from 0."""
        return list(JourneyStep).index(self)


class JourneyForm(Form):
    """Who begins a journey, and where codes go."""

    iin: Iin
    phone: PhoneNumber
    email: OptionalEmail = None


class RenewalForm(Form):
    """Where the code for a renewal goes: a phone that is registered as the citizen's."""

    phone: PhoneNumber
    email: OptionalEmail = None


class PinForm(Form):
    """The PIN that the citizen chose."""

    pin: Pin


class SignInForm(Form):
    """Who signs in."""

    iin: Iin
    pin: Pin


class CabinetRevocationForm(Form):
    """Why a certificate is to be revoked."""

    reason: HolderReason = "unspecified"


class JourneyTicket(Answer):
    """A journey has begun: its id, and the token that its browser shows from now on."""

    journey_id: str
    token: Secret
    mcb_registered: bool = True
    expires_at: datetime


class CabinetCertificate(Answer):
    """A certificate of the citizen, whether it was revoked, and whether it is time to renew it.

    ``acts_for``: the role in which the citizen signs for a legal entity; None for a personal certificate.
    """

    serial: str
    profile: Profile
    not_after: datetime
    revoked: bool = False
    expiring: bool = False
    acts_for: EntityRole | None = None


class JourneyView(Answer):
    """What the citizen is shown: the step, who must act and until when, and what has happened so far.

    Members with ``_text`` say the same as the keys beside them, in the reader's language.
    """

    journey_id: str
    step: JourneyStep
    waits_for: WaitsFor | None = None
    waits_for_text: str = ""
    waits_until: datetime | None = None
    outcome: Outcome | None = None
    reason: str | None = None
    reason_text: str = ""
    timeline: tuple[TimelineEntry, ...] = ()
    citizen_id: str | None = None
    guidance: tuple[str, ...] = ()
    guidance_text: tuple[str, ...] = ()
    tries_left: int | None = None
    certificates: tuple[CabinetCertificate, ...] = ()


class DigitalIdView(Answer):
    """Whose Digital ID it is."""

    citizen_id: str


class CitizenSession(Answer):
    """A citizen who signed in."""

    token: Secret
    citizen_id: str
    expires_at: datetime


class RevocationTicket(Answer):
    """How a request to revoke is confirmed: the code from the SMS goes to otp, the request in the journey's place."""

    request_id: str
    token: Secret
    expires_at: datetime


class CabinetPerson(Answer):
    """What was decided about one person of an application; ``person`` means nothing outside it."""

    person: PlainName
    outcome: str | None = None
    document_sha256: str | None = None
    valid_until: date | None = None


class CabinetApplication(Answer):
    """A kandas application as the cabinet lists it."""

    application_id: str
    status: ApplicationStatus
    updated_at: datetime
    persons: tuple[CabinetPerson, ...] = ()


class CabinetView(Answer):
    """The personal cabinet."""

    citizen_id: str
    certificates: tuple[CabinetCertificate, ...] = ()
    applications: tuple[CabinetApplication, ...] = ()
