"""Every collection of otp."""

from typing import Final

from libs.common.delivery.engine import Kind
from services.otp.domain import CodesSchema, CodesState, wake_at
from services.otp.limits import Usage
from services.otp.sms import DevelopmentMessages

CODES: Final = Kind[CodesState]("codes", CodesSchema, wake_at)
USAGE: Final = Kind[Usage]("usage", Usage)
INBOXES: Final = Kind[DevelopmentMessages]("inboxes", DevelopmentMessages)
"""In development only, where no SMS gateway is named."""
