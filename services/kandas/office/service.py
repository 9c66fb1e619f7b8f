"""What officers of a local executive body can do, each for their own region alone."""

from collections.abc import Sequence

from libs.common.contracts.kandas import DocumentKind
from libs.common.core.errors import Refused
from libs.common.core.values import Clock
from libs.common.delivery.aggregates import Aggregates
from libs.common.storage.blobs import Blobs
from services.kandas.application.domain import kept, unknown
from services.kandas.application.revocations import SignatureRevocations
from services.kandas.application.states import (
    ApplicationState,
    Attachment,
    Checked,
    ClosedApplication,
    Draft,
    KeptApplication,
)
from services.kandas.office import domain
from services.kandas.office.domain import OfficerDecision
from services.kandas.refusals import KandasRefusal
from services.kandas.rules.law import Law


class OfficerService:
    """Applications, from the officer's side."""

    def __init__(
        self,
        applications: Aggregates[ApplicationState],
        revocations: SignatureRevocations,
        blobs: Blobs,
        *,
        law: Law,
        clock: Clock,
    ) -> None:
        self._applications = applications
        self._revocations = revocations
        self._blobs = blobs
        self._law = law
        self._clock = clock

    async def applications(self, region: str, status: str) -> Sequence[KeptApplication]:
        """Return the applications of a region that have this status, the oldest first."""
        found = await self._applications.find({"region": region, "status": status})
        held = [state for _, state in found if not isinstance(state, ClosedApplication)]
        return sorted(held, key=lambda state: state.opened_at)

    async def application(self, region: str, application_id: str) -> KeptApplication:
        """Return an application of the officer's region."""
        state = await self._applications.get(application_id)
        if state is None or isinstance(state, Draft) or state.region != region:
            raise unknown()
        return kept(state)

    async def attachment(
        self, region: str, application_id: str, person: str, kind: DocumentKind
    ) -> tuple[Attachment, bytes]:
        """Return an attached document: its description and its content."""
        application = await self.application(region, application_id)
        for attachment in application.attachments:
            if (attachment.person, attachment.kind) == (person, kind):
                return attachment, await self._blobs.get(attachment.blob(application_id))
        raise Refused(KandasRefusal.ATTACHMENT_UNKNOWN)

    async def decide(self, region: str, application_id: str, decision: OfficerDecision) -> None:
        """Take the final decision about one person."""
        application = await self.application(region, application_id)
        if isinstance(application, Checked):
            await self._revocations.signature_stands(application)  # if not, `domain.decide` finds it returned
        now = self._clock()
        await self._applications.apply(application_id, lambda state: domain.decide(state, decision, self._law, now))

    async def send_back(self, region: str, application_id: str, documents: Sequence[tuple[str, DocumentKind]]) -> None:
        """Ask the applicant for documents anew."""
        await self.application(region, application_id)
        now = self._clock()
        await self._applications.apply(application_id, lambda state: domain.send_back(state, documents, self._law, now))
