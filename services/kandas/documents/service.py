"""Sealed documents: made when a decision waits for one, fetched by the citizen, verified by anybody."""

import asyncio
import hashlib

from libs.common.core.values import Clock
from libs.common.delivery.aggregates import Aggregates
from libs.common.storage.blobs import Blobs
from services.kandas.application.domain import kept, owned_by
from services.kandas.application.states import ApplicationState, Checked, KeptApplication, PersonDecision, Returned
from services.kandas.documents import domain
from services.kandas.documents.renderer import DocumentRenderer
from services.kandas.rules.law import Law


class SealedDocuments:
    """The documents of all decisions."""

    def __init__(
        self,
        applications: Aggregates[ApplicationState],
        blobs: Blobs,
        renderer: DocumentRenderer,
        *,
        law: Law,
        clock: Clock,
    ) -> None:
        self._applications = applications
        self._blobs = blobs
        self._renderer = renderer
        self._one_at_a_time = asyncio.Lock()
        self._law = law
        self._clock = clock

    async def make_missing(self, application_id: str) -> None:
        """Make the documents that decisions of an application wait for.

        Another wake may make them too, so the application is read again before each. One document at a time: making
        one keeps a processor busy, and decisions about a family come close together.
        """
        async with self._one_at_a_time:
            while (state := await self._unsealed(application_id)) is not None:
                decision = state.unsealed()[0]
                pdf = await asyncio.to_thread(self._renderer.render, state, decision)
                sha256 = hashlib.sha256(pdf).hexdigest()
                await self._blobs.put(_blob(application_id, sha256), pdf)
                await self._record(application_id, decision.person, sha256)

    async def fetch(self, citizen_id: str, application_id: str, person: str) -> bytes:
        """Return the sealed document about one person of the citizen's own application."""
        application = kept(owned_by(await self._applications.get(application_id), citizen_id))
        _, sha256 = domain.published(application, person)
        return await self._blobs.get(_blob(application_id, sha256))

    async def verify(self, application_id: str, person: str) -> tuple[KeptApplication, PersonDecision, str]:
        """Return application, decision and document hash by a document's number, for anybody who holds it."""
        return domain.verified(await self._applications.get(application_id), person)

    async def _unsealed(self, application_id: str) -> Checked | Returned | None:
        state = await self._applications.get(application_id)
        return state if isinstance(state, Checked | Returned) and state.unsealed() else None

    async def _record(self, application_id: str, person: str, sha256: str) -> None:
        await self._applications.apply(
            application_id, lambda state: domain.record_document(state, person, sha256, self._law, self._clock())
        )


def _blob(application_id: str, sha256: str) -> str:
    """Name the blob of a sealed document. By content, so that two made at once never overwrite each other."""
    return f"{application_id}/documents/{sha256}"
