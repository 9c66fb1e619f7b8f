"""Kandas status for a family: apply, sign, follow, fetch the decisions."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from libs.citizen.api.answers import Upload
from libs.citizen.api.services import Services
from libs.citizen.journey.progress import DEFAULT_LIMITS, ProgressLine, ProgressSink, WaitLimits, once_known, wait_until
from libs.citizen.signing.cms import DetachedSigner
from libs.common.contracts.http.identity import CitizenSession
from libs.common.contracts.http.kandas import ApplicationForm, DocumentNeeded, KandasApplicationView, PersonForm
from libs.common.core.values import Clock, new_id, utc_now

Attachments = Callable[[PersonForm, DocumentNeeded], Awaitable[Upload]]
"""Returns a document that is needed of one person of the form."""

SETTLED: Final = frozenset({"decided", "returned", "closed"})
"""The states in which an application no longer waits for the authorities."""


@dataclass(frozen=True)
class SignedApplication:
    """An application on its way: the bytes that were signed, and the signature over them."""

    application_id: str
    document: bytes = field(repr=False)
    signature: bytes = field(repr=False)


@dataclass
class KandasJourney:
    """One citizen's application.

    Args:
        waiting: how long to wait for services and for officers.
        clock: dates the progress that is made on this side.
    """

    services: Services
    session: CitizenSession
    report: ProgressSink
    waiting: WaitLimits = DEFAULT_LIMITS
    clock: Clock = utc_now
    _reported: int = 0

    async def apply(self, form: ApplicationForm, attachments: Attachments, sign: DetachedSigner) -> SignedApplication:
        """Open an application, attach what it asks for, sign and submit it."""
        application_id = await self.open(form, attachments)
        return await self.submit(application_id, sign)

    async def open(self, form: ApplicationForm, attachments: Attachments) -> str:
        """Open an application and attach what it asks for; return its id. Not submitted, it lapses by itself."""
        created = await self.services.kandas.open(self.session, form, new_id())
        self._report("application.begun", application_id=created.application_id)
        people = dict(zip((one.person for one in created.persons), (form.applicant, *form.family), strict=True))
        for needed in created.documents_needed:
            upload = await attachments(people[needed.person], needed)
            await self.services.kandas.attach(self.session, created.application_id, needed.person, needed.kind, upload)
        self._report("attachments.sent", count=len(created.documents_needed))
        return created.application_id

    async def submit(self, application_id: str, sign: DetachedSigner) -> SignedApplication:
        """Fetch the document, have it signed, and submit it; also after it was returned to be signed again."""
        document = await self.services.kandas.document(self.session, application_id)
        signature = await sign(document)
        send = partial(self.services.kandas.sign, self.session, application_id, signature)
        # kandas may hear of a fresh certificate a moment after the citizen has it in hand
        await once_known(send, "certificate.unknown", waiting=self.waiting)
        self._report("application.signed")
        return SignedApplication(application_id, document, signature)

    async def follow(self, application_id: str) -> KandasApplicationView:
        """Report what happens until the application is decided, returned or closed, and return it as it then is."""
        return await wait_until(
            partial(self._reported_view, application_id),
            lambda view: view.status in SETTLED,
            seconds=lambda view: self.waiting.seconds(view.waits_for),
            waiting=self.waiting,
        )

    async def documents(self, view: KandasApplicationView) -> dict[str, bytes]:
        """Fetch the sealed documents that are there, by person."""
        fetch = partial(self.services.kandas.decision_pdf, self.session, view.application_id)
        return {one.person: await fetch(one.person) for one in view.persons if one.document}

    async def _reported_view(self, application_id: str) -> KandasApplicationView:
        view = await self.services.kandas.application(self.session, application_id)
        for progress in timeline_of(view)[self._reported :]:
            self.report(progress)
        self._reported = max(self._reported, len(view.timeline))
        return view

    def _report(self, key: str, **detail: object) -> None:
        self.report(ProgressLine(self.clock(), key, detail))


def timeline_of(view: KandasApplicationView) -> list[ProgressLine]:
    """Return what happened to an application, in the service's words."""
    return [ProgressLine(entry.at, entry.key, entry.detail, entry.text) for entry in view.timeline]
