"""What is stored of citizens, and of tries to sign in."""

from datetime import date, datetime

from libs.common.contracts.http.identity import ApplicationStatus
from libs.common.contracts.people import Contact
from libs.common.core.model import Model
from libs.common.core.sealing import Sealed
from services.identity.accounts.certificates import CertificateList
from services.identity.accounts.pins import PinHash
from services.identity.register.people import Resident


class PersonOutcome(Model):
    """The final decision about one person of an application; ``person`` means nothing outside it."""

    person: str
    outcome: str
    document_sha256: str
    valid_until: date | None


class FiledApplication(Model):
    """A kandas application as far as its applicant's cabinet shows it."""

    application_id: str
    updated_at: datetime
    submitted_at: datetime | None = None
    returned_at: datetime | None = None
    persons: tuple[str, ...] = ()
    outcomes: tuple[PersonOutcome, ...] = ()

    @property
    def status(self) -> ApplicationStatus:
        """Derive the status: ``decided`` once every person has an outcome, else by the younger fact."""
        if self.outcomes and {each.person for each in self.outcomes} >= set(self.persons):
            return "decided"
        if self.returned_at and (self.submitted_at is None or self.submitted_at < self.returned_at):
            return "returned"
        return "submitted"


class Reach(Model):
    """Where codes go: the phone that was proven last."""

    contact: Sealed[Contact]
    person_ref: str
    phone_ref: str


class Citizen(Model):
    """Somebody with a Digital ID. ``reach`` is None for citizens registered before phones were kept."""

    resident: Sealed[Resident]
    pin: Sealed[PinHash]
    reach: Reach | None = None
    registered_at: datetime
    certificates: CertificateList = CertificateList()
    applications: tuple[FiledApplication, ...] = ()


class SignInTries(Model):
    """Wrong PINs in a row, and until when no further one is compared."""

    failed: int = 0
    frozen_until: datetime | None = None
