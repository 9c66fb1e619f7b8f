"""What officers of a local executive body can do, each for their own region alone."""

from collections.abc import Sequence

from libs.common.core.errors import Refused
from libs.common.core.values import Clock
from libs.common.delivery.aggregates import Aggregates
from libs.common.storage.blobs import Blobs
from services.kandas import deciding
from services.kandas.certificate_view import CertificateView
from services.kandas.deciding import Verdict
from services.kandas.domain import unknown
from services.kandas.rules import DocumentKind
from services.kandas.states import Attachment, Checked, Closed, Draft, Held, State
from services.kandas.transitions import Law


class Office:
    """Applications, from the officer's side."""

    def __init__(
        self,
        applications: Aggregates[State],
        view: CertificateView,
        blobs: Blobs,
        *,
        law: Law,
        clock: Clock,
    ) -> None:
        self._applications = applications
        self._view = view
        self._blobs = blobs
        self._law = law
        self._clock = clock

    async def listed(self, region: str, status: str) -> Sequence[Held]:
        """Give the applications of a region that stand so, the oldest first."""
        found = await self._applications.find({"region": region, "status": status})
        held = [state for _, state in found if not isinstance(state, Closed)]
        return sorted(held, key=lambda state: state.opened_at)

    async def application(self, region: str, application_id: str) -> Held:
        """Give an application of the officer's region."""
        state = await self._applications.get(application_id)
        if state is None or isinstance(state, Draft) or state.region != region:
            raise unknown()
        if isinstance(state, Closed):
            raise Refused("application.closed", "This application is over, and its contents were deleted.", 410)
        return state

    async def attachment(
        self, region: str, application_id: str, person: str, kind: DocumentKind
    ) -> tuple[Attachment, bytes]:
        """Give an attached document."""
        application = await self.application(region, application_id)
        for attachment in application.attachments:
            if (attachment.person, attachment.kind) == (person, kind):
                return attachment, await self._blobs.get(attachment.blob(application_id))
        raise Refused("attachment.unknown", "This document is not attached.", 404)

    async def decide(self, region: str, application_id: str, verdict: Verdict) -> None:
        """Take the final decision about one person."""
        await self._signature_stands(region, application_id)
        now = self._clock()
        await self._applications.apply(application_id, lambda state: deciding.decide(state, verdict, self._law, now))

    async def send_back(self, region: str, application_id: str, documents: Sequence[tuple[str, DocumentKind]]) -> None:
        """Ask the applicant for documents anew."""
        await self.application(region, application_id)
        now = self._clock()
        await self._applications.apply(
            application_id, lambda state: deciding.send_back(state, documents, self._law, now)
        )

    async def _signature_stands(self, region: str, application_id: str) -> None:
        """Look once more whether the signature still stands: news of a revocation may be on its way to us."""
        application = await self.application(region, application_id)
        if isinstance(application, Checked) and not await self._view.live(application.signature.serial):
            await self._view.send_back(application_id, application.signature.serial)
