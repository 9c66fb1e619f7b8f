"""What citizens can do: apply, attach, sign, follow."""

import asyncio
from typing import Final

from libs.common.contracts.kandas import DocumentKind
from libs.common.core.errors import Refused
from libs.common.core.values import Clock
from libs.common.delivery.aggregates import Aggregates
from libs.common.pki.trust import TrustAnchors
from libs.common.storage.blobs import Blobs
from libs.common.texts.places import region_codes
from services.kandas.application import domain
from services.kandas.application.attachments import examine
from services.kandas.application.canonical import canonical, digest
from services.kandas.application.domain import ApplicationRequest, Signing, kept, owned_by
from services.kandas.application.signature import prove
from services.kandas.application.states import ApplicationState, KeptApplication
from services.kandas.certificates.service import KnownCertificates
from services.kandas.refusals import KandasRefusal
from services.kandas.rules.law import Law
from services.kandas.texts import TEXTS

_REGIONS: Final = region_codes(TEXTS)


class ApplicationService:
    """Applications, from the citizen's side."""

    def __init__(
        self,
        applications: Aggregates[ApplicationState],
        certificates: KnownCertificates,
        blobs: Blobs,
        *,
        law: Law,
        trust: TrustAnchors,
        clock: Clock,
    ) -> None:
        self._applications = applications
        self._certificates = certificates
        self._blobs = blobs
        self._law = law
        self._trust = trust
        self._clock = clock

    async def open(self, application_id: str, request: ApplicationRequest) -> KeptApplication:
        """Begin an application under an id that a repeated request brings again."""
        if request.region not in _REGIONS:
            raise Refused(KandasRefusal.REGION_UNKNOWN, regions=list(_REGIONS))
        now = self._clock()
        state = await self._applications.apply(
            application_id, lambda state: domain.open_draft(state, application_id, request, self._law, now)
        )
        return kept(state)

    async def attach(self, citizen_id: str, application_id: str, person: str, kind: DocumentKind, data: bytes) -> None:
        """Attach a document in its place.

        The blob of one that it replaces stays until the attachments are purged: deleting it now could hit the same
        file being attached again.
        """
        attachment = await asyncio.to_thread(examine, person, kind, data)
        domain.attach(await self.own(citizen_id, application_id), attachment)  # what is refused is not stored first
        await self._blobs.put(attachment.blob(application_id), data)
        await self._applications.apply(application_id, lambda state: domain.attach(state, attachment))

    async def document(self, citizen_id: str, application_id: str) -> bytes:
        """Return the bytes to be signed."""
        return canonical(await self.own(citizen_id, application_id))

    async def sign(self, citizen_id: str, application_id: str, cms: bytes) -> KeptApplication:
        """Submit an application with the applicant's signature over its document.

        Raises:
            Refused: the signature does not count, is not the applicant's, or its certificate is not known or revoked.
        """
        application = await self.own(citizen_id, application_id)
        proven = prove(cms, canonical(application), self._trust, self._clock())
        serial = proven.signature.serial
        # The certificate learns of the application first, so that no revocation can miss it.
        certificate = await self._certificates.rely_on(serial, application_id, citizen_id, proven.iin)
        await self._blobs.put(f"{application_id}/signatures/{proven.signature.cms_sha256}", cms)
        state = await self._applications.apply(
            application_id,
            lambda state: domain.sign(
                state, Signing(proven.signature, proven.iin, digest(kept(state)), certificate), self._law
            ),
        )
        return kept(state)

    async def follow(self, citizen_id: str, application_id: str) -> ApplicationState:
        """Return the citizen's own application as it stands, also when it is over."""
        return owned_by(await self._applications.get(application_id), citizen_id)

    async def own(self, citizen_id: str, application_id: str) -> KeptApplication:
        """Return the citizen's own application while its contents are kept."""
        return kept(await self.follow(citizen_id, application_id))
