"""The states of an enrolment, and when each wants to be woken.

An enrolment collects facts in whatever order they come (`Collecting`), takes requests once all are there (`Open`), is
issuing (`Issuing`: first the intents are recorded, then they are signed), and holds certificates (`Issued`). `Closed`
ended before any intent was on record. An intent on record always comes to one of two ends, because it may have been
signed: a stored certificate (`Issued`, revoked at once if the journey failed meanwhile), or, where it can no longer be
signed, a serial number that is revoked (`Void`).
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

from pydantic import Field

from libs.common.core.model import Model
from libs.common.core.sealing import Sealed
from services.ca.enrolment.facts import EnrolmentFacts
from services.ca.model.certificate import Certificate, IntentRecord, Reason, RecordedCertificate, RequestedKey

NOTICES: Final = (30, 14, 7)
"""Days before the end at which a citizen is notified, the furthest first."""


class Collecting(Model):
    """Facts are missing."""

    kind: Literal["collecting"] = "collecting"
    facts: EnrolmentFacts = EnrolmentFacts()


class Open(Model):
    """All facts are there; the citizen's requests are awaited."""

    kind: Literal["open"] = "open"
    facts: EnrolmentFacts


class Issuing(Model):
    """Requests were accepted. Without intents: they are to be recorded. With intents: they are to be signed.

    Attributes:
        since: when the last step was stored; the next is due.
        ended: why the journey failed when the intents were on record; what is signed is then revoked at once.
    """

    kind: Literal["issuing"] = "issuing"
    facts: EnrolmentFacts
    requests: tuple[RequestedKey, ...]
    since: datetime
    intents: tuple[Sealed[IntentRecord], ...] = ()
    ended: str | None = None


class Certified(Model):
    """Serial numbers are out.

    Attributes:
        settled: older ones are superseded, and revocations are on the lists.
        retires_at: when what names the holder is dropped; known once it is settled.
    """

    facts: EnrolmentFacts
    requests: tuple[RequestedKey, ...]
    certificates: tuple[RecordedCertificate, ...]
    settled: bool = False
    retires_at: datetime | None = None


class Ending(Model):
    """What else of this person ends, and why; see `services.ca.enrolment.revocation_cascade`.

    Attributes:
        at: what came to be later does not end.
    """

    reason: Reason
    at: datetime


class Issued(Certified):
    """The certificates are there.

    Attributes:
        noticed: how many days before the end the citizen was last notified of it; 0: it is too late for a notice.
    """

    kind: Literal["issued"] = "issued"
    certificates: tuple[Certificate, ...]
    ending: Ending | None = None
    noticed: int | None = None


class Void(Certified):
    """What was on record could not be signed (again). It may have been before a crash: its numbers are revoked."""

    kind: Literal["void"] = "void"


class Retired(Certified):
    """The certificates ended long ago: what names anybody was dropped, the numbers and what became of them stay."""

    kind: Literal["retired"] = "retired"
    facts: EnrolmentFacts = EnrolmentFacts()
    requests: tuple[RequestedKey, ...] = ()


class Closed(Model):
    """The journey ended, and nothing was signed."""

    kind: Literal["closed"] = "closed"
    reason: str


Enrolment = Annotated[Collecting | Open | Issuing | Issued | Void | Retired | Closed, Field(discriminator="kind")]
EnrolmentState = Collecting | Open | Issuing | Issued | Void | Retired | Closed


def wake_at(state: EnrolmentState) -> datetime | None:
    """Return when there is something to do: a step of issuance, revocations to list, a notice, the end of keeping."""
    match state:
        case Issuing():
            return state.since
        case Issued() | Void() if not state.settled:
            return max(each.revoked_at or each.issued_at for each in state.certificates)
        case Issued():
            return _next_notice(state) or state.retires_at
        case Void():
            return state.retires_at
        case _:
            return None


def live_until(certificates: Iterable[RecordedCertificate]) -> datetime | None:
    """Return when the first of the certificates that are not revoked ends."""
    return min((each.not_after for each in certificates if each.revoked_at is None), default=None)


def _next_notice(state: Issued) -> datetime | None:
    """Return when the next notice falls due; None once the last one was given, or its time was missed."""
    end = live_until(state.certificates)
    left = [days for days in NOTICES if state.noticed is None or days < state.noticed]
    return None if end is None or not left else end - timedelta(days=left[0])
