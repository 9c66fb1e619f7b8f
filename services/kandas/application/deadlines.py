"""What time does to an application: a term runs out, a draft lapses, what was kept is purged."""

from datetime import datetime

from libs.common.delivery.aggregates import Aggregates
from libs.common.storage.blobs import Blobs
from services.kandas.application import domain
from services.kandas.application.states import ApplicationState, ClosedApplication, Decided
from services.kandas.rules.law import Law


class Deadlines:
    """Applies the deadlines of applications. Blobs are deleted before the state says so: a crash repeats it."""

    def __init__(self, applications: Aggregates[ApplicationState], blobs: Blobs, law: Law) -> None:
        self._applications = applications
        self._blobs = blobs
        self._law = law

    async def pass_time(self, application_id: str, state: ApplicationState | None, now: datetime) -> None:
        """Apply the deadline that has come, if there is one."""
        if isinstance(state, Decided) and now >= state.attachments_until:
            await self._blobs.delete_prefix(f"{application_id}/attachments/")
        await self._applications.apply(application_id, lambda held: domain.tick(held, self._law, now))

    async def purge(self, state: ClosedApplication) -> None:
        """Delete all blobs of an application that is over."""
        await self._blobs.delete_prefix(f"{state.id}/")
        await self._applications.apply(state.id, domain.purged)
