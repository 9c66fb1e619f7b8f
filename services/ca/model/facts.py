"""What a certificate rests on: the facts of a journey, and the citizen's requests. Pure."""

from pydantic import BaseModel, ConfigDict

from libs.common.contracts.ca import Profile
from libs.common.contracts.people import Person
from libs.common.core.sealing import Sealed


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

    @property
    def complete(self) -> bool:
        """Whether all is there: who it is, the phone, the face (but for a renewal), and the Digital ID."""
        seen = self.face_matched or self.renewal
        return self.person is not None and self.citizen_id is not None and self.phone_proven and seen


class Request(_Value):
    """A public key (SubjectPublicKeyInfo, DER in hexadecimal) whose possession was proven, and what it is for."""

    profile: Profile
    spki: str
