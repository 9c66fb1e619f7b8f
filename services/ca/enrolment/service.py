"""What the authority does about enrolments: takes in facts, issues, and looks after what was issued."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from libs.common.contracts.events import Meta
from libs.common.core.values import Clock
from libs.common.delivery.aggregates import Aggregates
from services.ca.crl.publishing import RevocationLists
from services.ca.enrolment import domain, lifecycle, revocation_cascade, supersession
from services.ca.enrolment.facts import FactEvent
from services.ca.enrolment.issue import Issuance
from services.ca.enrolment.states import Certified, EnrolmentState, Issued, Issuing
from services.ca.enrolment.supersession import CertifiedJourney, Supersession
from services.ca.ledger import recording
from services.ca.ledger.ports import Ledger
from services.ca.model.certificate import Certificate, RecordedCertificate
from services.ca.model.ids import ShardId
from services.ca.status.records import Statuses


class EnrolmentService:
    """Enrolments and their certificates. Certificate requests come in by `CsrIntake`.

    Args:
        enrolments: by journey.
        superseding: by citizen.
        issuance: makes certificates of accepted requests.
        statuses: of certificates, for relying parties.
        lists: are told of revocations.
        ledger: where every act is recorded, before what cannot be undone.
        kept: how long after their end certificates stay as they are.
    """

    def __init__(
        self,
        enrolments: Aggregates[EnrolmentState],
        superseding: Aggregates[Supersession],
        *,
        issuance: Issuance,
        statuses: Statuses,
        lists: RevocationLists,
        ledger: Ledger,
        clock: Clock,
        kept: timedelta = lifecycle.KEPT,
    ) -> None:
        self._enrolments = enrolments
        self._superseding = superseding
        self._issuance = issuance
        self._statuses = statuses
        self._lists = lists
        self._ledger = ledger
        self._clock = clock
        self._kept = kept

    async def note(self, meta: Meta, event: FactEvent) -> None:
        """Add what an event says about a journey."""
        await self._enrolments.apply(meta.subject, lambda state: domain.note(state, event), cause=meta)

    async def close(self, meta: Meta, outcome: str, reason: str) -> None:
        """End a journey."""
        await self._enrolments.apply(
            meta.subject, lambda state: domain.close(state, outcome, reason, self._clock()), cause=meta
        )

    async def certificates(self, journey_id: str) -> tuple[str, Sequence[Certificate]]:
        """Return where an enrolment stands, and its certificates."""
        state = await self._enrolments.get(journey_id)
        if isinstance(state, Issued):
            return state.kind, state.certificates
        return ("collecting" if state is None else state.kind), ()

    async def wake(self, journey_id: str, now: datetime) -> None:
        """Do what is due for an enrolment."""
        # What this process remembers will do: every step ends in a decision on the present state.
        state = await self._enrolments.get(journey_id, fresh=False)
        if isinstance(state, Issuing):
            await self._issuance.issue(journey_id, state, now)
        elif isinstance(state, Certified):
            await self._settle(journey_id, state)

    async def _settle(self, journey_id: str, state: Certified) -> None:
        """Supersede all but the newest certificates, end what ends with these, and bring revocations onto the lists."""
        await self._supersede(journey_id, state)
        await self._cascade(state)
        await self._ledger.record(journey_id, *recording.revoked(state.certificates))
        await self._statuses.note(state.certificates, self._clock())
        revoked = [each for each in state.certificates if each.revoked_at is not None]
        for place in {ShardId(each.issuer, each.crl_shard) for each in revoked if not each.listed}:
            await self._lists.mark(place)
        listed = frozenset(each.serial for each in revoked)
        await self._enrolments.apply(
            journey_id, lambda present: lifecycle.settle(present, listed, self._clock(), self._kept)
        )

    async def _supersede(self, journey_id: str, state: Certified) -> None:
        if state.facts.citizen_id is None or all(each.revoked_at is not None for each in state.certificates):
            return
        certified = CertifiedJourney(journey=journey_id, since=state.certificates[0].issued_at)
        known = await self._superseding.apply(
            state.facts.citizen_id, lambda present: supersession.add(present, certified)
        )
        for older in known.superseded if known else ():
            await self._enrolments.apply(older, lambda each: domain.revoke(each, None, "superseded", self._clock()))

    async def _cascade(self, state: Certified) -> None:
        """End whatever else of the person ends with these certificates."""
        if not isinstance(state, Issued) or (ending := state.ending) is None or state.facts.citizen_id is None:
            return
        known = await self._superseding.get(state.facts.citizen_id)
        for each in known.journeys if known is not None else ():
            await self._enrolments.apply(
                each.journey, lambda other: revocation_cascade.end(other, ending, self._clock())
            )


def certificates_of(
    enrolments: Aggregates[EnrolmentState],
) -> Callable[[str], Awaitable[Sequence[RecordedCertificate]]]:
    """Return a reader of an enrolment's certificates; it returns none where there is no such enrolment."""

    async def read(journey_id: str) -> Sequence[RecordedCertificate]:
        state = await enrolments.get(journey_id)
        return state.certificates if isinstance(state, Certified) else ()

    return read
