"""What citizens can do: apply, attach, sign, follow, fetch."""

import hashlib

from libs.common.core.errors import Refused
from libs.common.core.values import Clock
from libs.common.delivery.aggregates import Aggregates
from libs.common.pki.trust import TrustAnchors
from libs.common.storage.blobs import Blobs
from services.kandas import domain, texts
from services.kandas.attachments import examine
from services.kandas.canonical import canonical, digest
from services.kandas.certificate_view import CertificateView
from services.kandas.domain import Order, Signing, unknown
from services.kandas.rules import DocumentKind
from services.kandas.signature import prove
from services.kandas.states import Closed, Draft, Held, PersonDecision, State
from services.kandas.transitions import Law


class KandasService:
    """Applications, from the citizen's side."""

    def __init__(
        self,
        applications: Aggregates[State],
        view: CertificateView,
        blobs: Blobs,
        *,
        law: Law,
        trust: TrustAnchors,
        clock: Clock,
    ) -> None:
        self._applications = applications
        self._view = view
        self._blobs = blobs
        self._law = law
        self._trust = trust
        self._clock = clock

    async def open(self, application_id: str, order: Order) -> Held:
        """Begin an application under an id that a repeated request brings again."""
        if texts.region(order.region) is None:
            raise Refused(
                "region.unknown",
                "There is no such region. Please give its ISO 3166-2 code, such as KZ-75 for Almaty City.",
                422,
                regions=list(texts.region_codes()),
            )
        now = self._clock()
        state = await self._applications.apply(
            application_id, lambda state: domain.open_draft(state, application_id, order, self._law, now)
        )
        return _held(state)

    async def attach(self, citizen_id: str, application_id: str, person: str, kind: DocumentKind, data: bytes) -> None:
        """Attach a document in its place.

        The blob of one that it replaces stays until the attachments are purged: deleting it now could hit the same
        file being attached again.
        """
        attachment = examine(person, kind, data)
        domain.attach(await self.own(citizen_id, application_id), attachment)  # what is refused is not stored first
        await self._blobs.put(attachment.blob(application_id), data)
        await self._applications.apply(application_id, lambda state: domain.attach(state, attachment))

    async def document(self, citizen_id: str, application_id: str) -> bytes:
        """Give the bytes to be signed."""
        return canonical(await self.own(citizen_id, application_id))

    async def sign(self, citizen_id: str, application_id: str, cms: bytes) -> Held:
        """Submit an application with the applicant's signature over its document.

        Raises:
            Refused: the signature does not count, is not the applicant's, or its certificate is not known or revoked.
        """
        application = await self.own(citizen_id, application_id)
        proven = prove(cms, canonical(application), self._trust, self._clock())
        serial = proven.signature.serial
        # The certificate learns of the application first, so that no revocation can miss it.
        certificate = await self._view.rely_on(serial, application_id, citizen_id, proven.iin)
        await self._blobs.put(f"{application_id}/signatures/{proven.signature.cms_sha256}", cms)
        state = await self._applications.apply(
            application_id,
            lambda state: domain.sign(
                state, Signing(proven.signature, proven.iin, digest(_held(state)), certificate), self._law
            ),
        )
        return _held(state)

    async def follow(self, citizen_id: str, application_id: str) -> State:
        """Give the citizen's own application as it stands, also when it is over."""
        state = await self._applications.get(application_id)
        if state is None or state.citizen_id != citizen_id:
            raise unknown()
        return state

    async def own(self, citizen_id: str, application_id: str) -> Held:
        """Give the citizen's own application while its contents are kept."""
        return _held(await self.follow(citizen_id, application_id))

    async def sealed_document(self, citizen_id: str, application_id: str, person: str) -> bytes:
        """Give the sealed document about one person."""
        decision = _told(await self.own(citizen_id, application_id), person)
        return await self._blobs.get(document_blob(application_id, decision.document_sha256 or ""))

    async def verify(self, application_id: str, person: str) -> tuple[Held, PersonDecision]:
        """Find the decision behind a document's number, for anybody who holds the document."""
        state = await self._applications.get(application_id)
        if state is None or isinstance(state, Draft):
            raise _no_document()
        application = _held(state)
        return application, _told(application, person)


def document_blob(application_id: str, sha256: str) -> str:
    """Name the blob of a sealed document. By content, so that two made at once never overwrite each other."""
    return f"{application_id}/documents/{sha256}"


def sha256_of(data: bytes) -> str:
    """Give a SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _held(state: State | None) -> Held:
    if state is None:
        raise unknown()
    if isinstance(state, Closed):
        raise Refused("application.closed", "This application is over, and its contents were deleted.", 410)
    return state


def _told(application: Held, person: str) -> PersonDecision:
    decision = application.decision(person)
    if decision is None or decision.document_sha256 is None:
        raise _no_document()
    return decision


def _no_document() -> Refused:
    return Refused("document.unknown", "There is no document of this number, or it is not made yet.", 404)
