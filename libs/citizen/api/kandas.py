"""Kandas applications, for citizens and officers. Every call may raise what `Caller.send` and `understood` raise."""

from collections.abc import Iterable
from dataclasses import dataclass

from libs.citizen.api.answers import Upload, understood
from libs.citizen.api.caller import Caller
from libs.common.contracts.http.identity import CitizenSession
from libs.common.contracts.http.kandas import (
    ApplicationCreated,
    ApplicationForm,
    DecisionForm,
    DocumentPlace,
    KandasApplicationView,
    OfficerItem,
    OfficerView,
    ReturnForm,
    SubmissionStatus,
)
from libs.common.contracts.kandas import Outcome, RefusalGround


@dataclass(frozen=True)
class Kandas:
    """Kandas applications, for citizens and officers."""

    caller: Caller

    async def open(self, session: CitizenSession, form: ApplicationForm, idempotency_key: str) -> ApplicationCreated:
        """Begin an application."""
        body = form.model_dump(mode="json", exclude_none=True)
        answer = await self.caller.send(
            "POST", "/v1/applications", token=session.token, json=body, idempotency_key=idempotency_key
        )
        return understood(ApplicationCreated, answer)

    async def attach(
        self, session: CitizenSession, application_id: str, person: str, kind: str, upload: Upload
    ) -> None:
        """Attach a document (pdf or jpg)."""
        path = f"/v1/applications/{application_id}/attachments/{person}/{kind}"
        headers = {"Content-Type": upload.media_type}
        await self.caller.send("PUT", path, token=session.token, content=upload.data, headers=headers)

    async def document(self, session: CitizenSession, application_id: str) -> bytes:
        """Fetch the exact bytes to be signed."""
        path = f"/v1/applications/{application_id}/document"
        return (await self.caller.send("GET", path, token=session.token)).content

    async def sign(self, session: CitizenSession, application_id: str, signature: bytes) -> SubmissionStatus:
        """Submit, with a detached CMS signature in DER over the document."""
        path = f"/v1/applications/{application_id}/signature"
        headers = {"Content-Type": "application/pkcs7-signature"}
        answer = await self.caller.send("POST", path, token=session.token, content=signature, headers=headers)
        return understood(SubmissionStatus, answer)

    async def application(self, session: CitizenSession, application_id: str) -> KandasApplicationView:
        """See where an application stands."""
        answer = await self.caller.send("GET", f"/v1/applications/{application_id}", token=session.token)
        return understood(KandasApplicationView, answer)

    async def decision_pdf(self, session: CitizenSession, application_id: str, person: str) -> bytes:
        """Fetch the sealed document about one person."""
        path = f"/v1/applications/{application_id}/persons/{person}/document.pdf"
        return (await self.caller.send("GET", path, token=session.token)).content

    async def queue(self, staff_token: str, status: str = "checked") -> list[OfficerItem]:
        """List the applications of the officer's region."""
        answer = await self.caller.send("GET", "/v1/officer/applications", token=staff_token, params={"status": status})
        return understood(list[OfficerItem], answer)

    async def officer_view(self, staff_token: str, application_id: str) -> OfficerView:
        """See an application with all its forms."""
        answer = await self.caller.send("GET", self._officer(application_id), token=staff_token)
        return understood(OfficerView, answer)

    async def officer_attachment(self, staff_token: str, application_id: str, person: str, kind: str) -> Upload:
        """Fetch a document that the applicant attached."""
        path = f"{self._officer(application_id)}/attachments/{person}/{kind}"
        answer = await self.caller.send("GET", path, token=staff_token)
        return Upload(answer.content, answer.headers.get("Content-Type", "application/octet-stream"))

    async def send_back(self, staff_token: str, application_id: str, documents: Iterable[DocumentPlace]) -> None:
        """Ask the applicant to bring documents anew."""
        body = ReturnForm(documents=tuple(documents)).model_dump(mode="json")
        await self.caller.send("POST", f"{self._officer(application_id)}/return", token=staff_token, json=body)

    async def decide(
        self,
        staff_token: str,
        application_id: str,
        person: str,
        outcome: Outcome,
        *,
        reasons: tuple[RefusalGround, ...] = (),
        idempotency_key: str | None = None,
    ) -> None:
        """Decide about one person. A refusal needs its grounds."""
        path = f"{self._officer(application_id)}/decisions"
        body = DecisionForm(person=person, outcome=outcome, reasons=reasons).model_dump(mode="json")
        await self.caller.send("POST", path, token=staff_token, json=body, idempotency_key=idempotency_key)

    @staticmethod
    def _officer(application_id: str) -> str:
        return f"/v1/officer/applications/{application_id}"
