"""The responder's certificate: made by the running service, and made anew before it ends. Pure.

All replicas share one key and one certificate. As with citizens', what will be signed is recorded before it is.
"""

from datetime import datetime, timedelta
from typing import Final

from pydantic import BaseModel, ConfigDict

from libs.common.delivery.decisions import Decision

RENEW_AFTER: Final = timedelta(days=20)
"""Ten of its thirty days are left for renewals that fail."""


class ResponderState(BaseModel):
    """The certificate in use (PEM), and the intent (JSON of `services.ca.issuance.steps.Intent`) of the one to come."""

    model_config = ConfigDict(frozen=True)

    certificate: str | None = None
    intent: str | None = None


def begin(state: ResponderState | None, now: datetime, *, revoked: bool) -> Decision[ResponderState] | None:
    """Ask for the first certificate, or for another if the one in use is ``revoked``; else it goes on."""
    return Decision(ResponderState(), wake_at=now) if state is None or revoked else None


def intend(state: ResponderState | None, intent: str, now: datetime) -> Decision[ResponderState] | None:
    """Record what will be signed. Only the first record counts."""
    if state is None or state.intent is not None:
        return None
    return Decision(state.model_copy(update={"intent": intent}), wake_at=now)


def renewed(
    state: ResponderState | None, intent: str, certificate: str, begins: datetime
) -> Decision[ResponderState] | None:
    """Use the certificate that was signed for this intent, from now on."""
    if state is None or state.intent != intent:
        return None
    return Decision(ResponderState(certificate=certificate), wake_at=begins + RENEW_AFTER)
