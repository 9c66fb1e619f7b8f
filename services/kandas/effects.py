"""What an application asks to be done when it is woken: the ministry's check, the sealed documents, the purge.

Each is repeated after a crash, and each outcome is taken in once.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from libs.common.core.errors import Retryable
from libs.common.core.values import Clock
from libs.common.delivery.aggregates import Aggregates
from libs.common.storage.blobs import Blobs
from services.kandas import deciding, domain
from services.kandas.calendar import today
from services.kandas.certificate_view import CertificateView
from services.kandas.document import Facts, render
from services.kandas.ministry import MinistrySystem
from services.kandas.seal import Seal
from services.kandas.service import document_blob, sha256_of
from services.kandas.states import Application, Checked, Closed, Decided, PersonDecision, Returned, State, Submitted
from services.kandas.transitions import Law


@dataclass(frozen=True, slots=True)
class Press:
    """Makes sealed documents.

    Args:
        fonts: the folder with the fonts.
        verify_url: where documents can be verified.
    """

    seal: Seal
    fonts: Path
    verify_url: str

    def make(self, application: Application, decision: PersonDecision) -> bytes:
        """Set and seal the document of a decision. Takes about half a second of processor time."""
        person = application.person(decision.person)
        if person is None:
            raise ValueError("a decision about nobody")
        number = f"{application.id}/{decision.person}"
        facts = Facts(
            number=number,
            verify_url=f"{self.verify_url}/{number}",
            person=person.form.value,
            outcome=decision.outcome,
            reasons=decision.reasons,
            region=application.region,
            decided_on=today(decision.decided_at),
            valid_until=decision.valid_until,
            rules=decision.rules,
        )
        return self.seal.apply(render(facts, self.fonts))


class Effects:
    """What happens when an application is woken."""

    def __init__(
        self,
        applications: Aggregates[State],
        view: CertificateView,
        blobs: Blobs,
        ministry: MinistrySystem,
        press: Press,
        *,
        law: Law,
        clock: Clock,
    ) -> None:
        self._applications = applications
        self._view = view
        self._blobs = blobs
        self._ministry = ministry
        self._press = press
        self._press_free = asyncio.Lock()
        self._law = law
        self._clock = clock

    async def wake(self, application_id: str, now: datetime) -> None:
        """Do what is due for one application."""
        match state := await self._applications.get(application_id):
            case Submitted():
                await self._check(state, now)
            case Checked() | Returned() if state.unsealed():
                await self._seal(application_id)
            case Closed():
                await self._purge(state)
            case _:
                await self._pass_time(state, application_id, now)

    async def _check(self, state: Submitted, now: datetime) -> None:
        if not await self._view.live(state.signature.serial):
            await self._view.send_back(state.id, state.signature.serial)
            return
        try:
            answers = await self._ministry.check(state.service, state.persons, f"{state.id}-{state.round}")
        except Retryable:
            await self._applications.apply(state.id, lambda held: domain.tick(held, self._law, now))
            raise
        await self._applications.apply(
            state.id, lambda held: domain.record_check(held, state.round, answers, self._law, self._clock())
        )

    async def _seal(self, application_id: str) -> None:
        """Make what documents are missing; another wake may have been at it, so look afresh before each.

        One document at a time: making one keeps a processor busy, and decisions about a family come close together.
        """
        async with self._press_free:
            while (state := await self._unsealed(application_id)) is not None:
                decision = state.unsealed()[0]
                pdf = await asyncio.to_thread(self._press.make, state, decision)
                sha256 = sha256_of(pdf)
                await self._blobs.put(document_blob(application_id, sha256), pdf)
                await self._record(application_id, decision.person, sha256)

    async def _unsealed(self, application_id: str) -> Checked | Returned | None:
        state = await self._applications.get(application_id)
        return state if isinstance(state, Checked | Returned) and state.unsealed() else None

    async def _record(self, application_id: str, person: str, sha256: str) -> None:
        await self._applications.apply(
            application_id, lambda held: deciding.record_document(held, person, sha256, self._law, self._clock())
        )

    async def _pass_time(self, state: State | None, application_id: str, now: datetime) -> None:
        if isinstance(state, Decided) and now >= state.attachments_until:
            await self._blobs.delete_prefix(f"{application_id}/attachments/")
        await self._applications.apply(application_id, lambda held: domain.tick(held, self._law, now))

    async def _purge(self, state: Closed) -> None:
        await self._blobs.delete_prefix(f"{state.id}/")
        await self._applications.apply(state.id, domain.purged)
