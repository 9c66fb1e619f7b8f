"""Kandas applications, for citizens and officers. Every call may raise what `Caller.send` and `understood` raise."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from pydantic import Field

from libs.citizen.api.answers import Upload, understood
from libs.citizen.api.identity import Session
from libs.citizen.caller import Caller
from libs.common.contracts.http.shapes import Answer, Form, PlainName, TimelineEntry
from libs.common.contracts.kandas import Service

Outcome = Literal["granted", "extended", "refused"]


class PersonForm(Form):
    """What an application says of one person. Countries are ISO 3166-1 codes; XXA is a stateless person."""

    iin: str | None = None
    surname: str
    given_name: str
    patronymic: str | None = None
    birth_date: date
    citizenship: str
    origin_country: str
    document_number: str
    document_in_state_language: bool = False
    nationality_in_document: bool = True
    previous_end: date | None = None
    extensions_before: int = 0


class MemberForm(PersonForm):
    """A family member."""

    relation: Literal["spouse", "child", "parent", "sibling", "other"]


class ApplicationForm(Form):
    """An application for the applicant and any number of family members."""

    service: Service
    region: str
    applicant: PersonForm
    family: tuple[MemberForm, ...] = ()


class ApplicationPerson(Answer):
    """A person of an application. `person` is an id within the application, in the order of the form."""

    person: PlainName
    role: str = ""


class DocumentNeeded(Answer):
    """A document to attach."""

    person: PlainName
    kind: PlainName


class ApplicationCreated(Answer):
    """A draft, and what it lacks."""

    application_id: str
    persons: tuple[ApplicationPerson, ...]
    documents_needed: tuple[DocumentNeeded, ...] = ()


class PersonView(Answer):
    """How far the application is for one person."""

    person: PlainName
    role: str = ""
    name: str | None = Field(default=None, repr=False)
    outcome: Outcome | None = None
    reasons: tuple[str, ...] = ()
    valid_until: date | None = None
    document: bool = False
    document_sha256: str | None = None


class ApplicationView(Answer):
    """Where an application stands and whom it waits for."""

    application_id: str
    status: str
    waits_for: str | None = None
    waits_until: datetime | None = None
    due_on: date | None = None
    overdue: bool = False
    reason: str | None = None
    documents_needed: tuple[DocumentNeeded, ...] = ()
    timeline: tuple[TimelineEntry, ...] = ()
    persons: tuple[PersonView, ...] = ()


class OfficerItem(Answer):
    """An application as an officer's queue lists it. `undecided` names the persons still to be decided about."""

    application_id: str
    service: Service
    status: str
    opened_at: datetime
    due_on: date | None = None
    overdue: bool = False
    persons: int
    undecided: tuple[str, ...] = ()


class SubmissionStatus(Answer):
    """What became of a signature."""

    status: str


@dataclass(frozen=True)
class Kandas:
    """Kandas applications, for citizens and officers."""

    caller: Caller

    async def open(self, session: Session, form: ApplicationForm, idempotency_key: str) -> ApplicationCreated:
        """Begin an application."""
        body = form.model_dump(mode="json", exclude_none=True)
        answer = await self.caller.send(
            "POST", "/v1/applications", token=session.token, json=body, idempotency_key=idempotency_key
        )
        return understood(ApplicationCreated, answer)

    async def attach(self, session: Session, application_id: str, person: str, kind: str, upload: Upload) -> None:
        """Attach a document (pdf or jpg)."""
        path = f"/v1/applications/{application_id}/attachments/{person}/{kind}"
        headers = {"Content-Type": upload.media_type}
        await self.caller.send("PUT", path, token=session.token, content=upload.data, headers=headers)

    async def document(self, session: Session, application_id: str) -> bytes:
        """Fetch the exact bytes to be signed."""
        path = f"/v1/applications/{application_id}/document"
        return (await self.caller.send("GET", path, token=session.token)).content

    async def sign(self, session: Session, application_id: str, signature: bytes) -> SubmissionStatus:
        """Submit, with a detached CMS signature in DER over the document."""
        path = f"/v1/applications/{application_id}/signature"
        headers = {"Content-Type": "application/pkcs7-signature"}
        answer = await self.caller.send("POST", path, token=session.token, content=signature, headers=headers)
        return understood(SubmissionStatus, answer)

    async def application(self, session: Session, application_id: str) -> ApplicationView:
        """See where an application stands."""
        answer = await self.caller.send("GET", f"/v1/applications/{application_id}", token=session.token)
        return understood(ApplicationView, answer)

    async def decision_pdf(self, session: Session, application_id: str, person: str) -> bytes:
        """Fetch the sealed document about one person."""
        path = f"/v1/applications/{application_id}/persons/{person}/document.pdf"
        return (await self.caller.send("GET", path, token=session.token)).content

    async def queue(self, staff_token: str, status: str = "checked") -> list[OfficerItem]:
        """List the applications of the officer's region."""
        answer = await self.caller.send("GET", "/v1/officer/applications", token=staff_token, params={"status": status})
        return understood(list[OfficerItem], answer)

    async def officer_view(self, staff_token: str, application_id: str) -> dict[str, object]:
        """See an application with all its forms, as the service gives it."""
        answer = await self.caller.send("GET", self._officer(application_id), token=staff_token)
        return understood(dict[str, object], answer)

    async def officer_attachment(self, staff_token: str, application_id: str, person: str, kind: str) -> Upload:
        """Fetch a document that the applicant attached."""
        path = f"{self._officer(application_id)}/attachments/{person}/{kind}"
        answer = await self.caller.send("GET", path, token=staff_token)
        return Upload(answer.content, answer.headers.get("Content-Type", "application/octet-stream"))

    async def send_back(self, staff_token: str, application_id: str, documents: Iterable[tuple[str, str]]) -> None:
        """Ask the applicant to bring documents anew, each named by person and kind."""
        body = {"documents": [{"person": person, "kind": kind} for person, kind in documents]}
        await self.caller.send("POST", f"{self._officer(application_id)}/return", token=staff_token, json=body)

    async def decide(
        self,
        staff_token: str,
        application_id: str,
        person: str,
        outcome: Outcome,
        *,
        reasons: tuple[str, ...] = (),
        idempotency_key: str | None = None,
    ) -> None:
        """Decide about one person. Refusals need reasons, as text keys."""
        path = f"{self._officer(application_id)}/decisions"
        body = {"person": person, "outcome": outcome, "reasons": list(reasons)}
        await self.caller.send("POST", path, token=staff_token, json=body, idempotency_key=idempotency_key)

    @staticmethod
    def _officer(application_id: str) -> str:
        return f"/v1/officer/applications/{application_id}"
