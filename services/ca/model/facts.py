"""What a certificate rests on: the facts of a journey, and the citizen's requests. Pure."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from libs.common.contracts.ca import Profile
from libs.common.contracts.people import Person
from libs.common.core.sealing import Sealed
from services.ca.model.entities import Mandate


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class Facts(_Value):
    """What must be known before anything is issued."""

    person: Sealed[Person] | None = None
    person_ref: str | None = None
    citizen_id: str | None = None
    phone_proven: bool = False
    face_matched: bool = False
    renewal: bool = False
    """The present key vouches for the new ones, in place of the face."""
    mandate: Mandate | None = None
    """The certificate is for acting on behalf of a legal entity."""

    @property
    def complete(self) -> bool:
        """Whether all is there: who it is, the phone, the face (but for a renewal), and the Digital ID."""
        seen = self.face_matched or self.renewal
        return self.person is not None and self.citizen_id is not None and self.phone_proven and seen

    @property
    def vouched(self) -> bool:
        """Whether requests have to be signed with the citizen's present key."""
        return self.renewal or self.mandate is not None

    @property
    def holding(self) -> str | None:
        """Within what newer certificates supersede older ones: a citizen's own, or those for one legal entity."""
        if self.citizen_id is None or self.mandate is None:
            return self.citizen_id
        return f"{self.citizen_id}/{self.mandate.entity_ref}"

    @property
    def lapses_at(self) -> datetime | None:
        """Until when requests are awaited; None where the journey's end says so."""
        return None if self.mandate is None else self.mandate.lapses_at


class Request(_Value):
    """A public key (SubjectPublicKeyInfo, DER in hexadecimal) whose possession was proven, and what it is for."""

    profile: Profile
    spki: str
