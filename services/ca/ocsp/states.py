"""The states of a responder's certificate: made by the running service, and made anew before it ends. Pure.

All replicas share one key and one certificate. As with citizens', what will be signed is recorded before it is.
"""

from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

from pydantic import Field

from libs.common.core.model import Model
from libs.common.delivery.decisions import Decision

RENEW_AFTER: Final = timedelta(days=20)
"""Ten of its thirty days are left for renewals that fail."""


class ResponderWanted(Model):
    """There is no certificate; one is wanted since then."""

    kind: Literal["wanted"] = "wanted"
    since: datetime


class ResponderIntended(Model):
    """A certificate is about to be signed. ``certificate``: the one in use until then (PEM), if there is one.

    Attributes:
        intent: what will be signed (JSON of `services.ca.issuance.steps.Intent`).
    """

    kind: Literal["intended"] = "intended"
    since: datetime
    intent: str
    certificate: str | None


class ResponderCertified(Model):
    """A certificate is in use (PEM), until it is time for the next one."""

    kind: Literal["certified"] = "certified"
    certificate: str
    renew_at: datetime


ResponderState = ResponderWanted | ResponderIntended | ResponderCertified
RESPONDER: Final = Annotated[ResponderState, Field(discriminator="kind")]


def wake_at(state: ResponderState) -> datetime:
    """Return when the next step towards a certificate is due."""
    return state.renew_at if isinstance(state, ResponderCertified) else state.since


def certificate_of(state: ResponderState | None) -> str | None:
    """Return the certificate in use (PEM), or None."""
    return None if state is None or isinstance(state, ResponderWanted) else state.certificate


def begin(state: ResponderState | None, now: datetime, *, revoked: bool) -> Decision[ResponderState] | None:
    """Ask for the first certificate, or for another if the one in use is ``revoked``; else it goes on."""
    return Decision(ResponderWanted(since=now)) if state is None or revoked else None


def intend(state: ResponderState | None, intent: str, now: datetime) -> Decision[ResponderState] | None:
    """Record what will be signed. Only the first record counts."""
    if state is None or isinstance(state, ResponderIntended):
        return None
    return Decision(ResponderIntended(since=now, intent=intent, certificate=certificate_of(state)))


def renewed(
    state: ResponderState | None, intent: str, certificate: str, begins: datetime
) -> Decision[ResponderState] | None:
    """Use the certificate that was signed for this intent, from now on."""
    if not isinstance(state, ResponderIntended) or state.intent != intent:
        return None
    return Decision(ResponderCertified(certificate=certificate, renew_at=begins + RENEW_AFTER))
