"""Every collection of identity."""

from typing import Final

from libs.common.delivery.engine import Kind
from services.identity.accounts.states import Citizen, SignInTries
from services.identity.journeys.progress import wake_at
from services.identity.journeys.states import JourneySchema, JourneyState
from services.identity.mcb.states import PhoneOwner
from services.identity.revocations.states import RequestedRevocation

JOURNEYS: Final = Kind[JourneyState]("journeys", JourneySchema, wake_at)
CITIZENS: Final = Kind[Citizen]("citizens", Citizen)
SIGN_INS: Final = Kind[SignInTries]("sign_ins", SignInTries)
REVOCATIONS: Final = Kind[RequestedRevocation]("revocations", RequestedRevocation)
PHONE_OWNERS: Final = Kind[PhoneOwner]("phone_owners", PhoneOwner)
"""In development only, where no Mobile Citizens Base is asked."""
