"""What is stored of a request to revoke."""

from datetime import datetime

from libs.common.core.model import Model


class RequestedRevocation(Model):
    """What was asked for, and until when a code may confirm it."""

    citizen_id: str
    serial: str
    reason: str
    expires_at: datetime
