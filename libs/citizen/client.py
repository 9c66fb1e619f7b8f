"""The HTTP APIs of the five services, typed. Every call may raise what `Caller.send` raises, and `AnswerUnusable`."""

from base64 import b64encode
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import httpx
from cryptography import x509
from pydantic import TypeAdapter, ValidationError

from libs.citizen.caller import Caller
from libs.citizen.errors import AnswerUnusable, ProblemError
from libs.citizen.models import (
    ApplicationCreated,
    ApplicationForm,
    ApplicationView,
    Cabinet,
    CaptureView,
    CertificatesView,
    JourneyTicket,
    JourneyView,
    OfficerItem,
    Outcome,
    PictureLink,
    PreCheck,
    Review,
    ReviewCase,
    ReviewDecision,
    RevocationRequest,
    Session,
    Sms,
    SubmissionStatus,
)

T = TypeVar("T")


class Part(StrEnum):
    """What is captured for a face check, by its name in the address."""

    SELFIE = "selfie"
    CLIP = "clip"
    DOCUMENT_FRONT = "document-front"
    DOCUMENT_BACK = "document-back"
    DOCUMENT_PAGE = "document-page"

    @property
    def member(self) -> str:
        """The name in the answers' `received`."""
        return self.replace("-", "_")


@dataclass(frozen=True)
class Upload:
    """Bytes to send, with their media type (such as ``image/jpeg``)."""

    data: bytes
    media_type: str


def _understood(kind: type[T], answer: httpx.Response) -> T:
    try:
        return TypeAdapter(kind).validate_json(answer.content)
    except ValidationError as error:
        places = ", ".join(sorted({".".join(map(str, item["loc"])) or "body" for item in error.errors()}))
        raise AnswerUnusable(
            "answer.not_understood",
            f"The service answered {answer.request.url.path} in a form this program does not understand ({places}). "
            "Most likely one of the two is too old: update this program and repeat the command.",
        ) from None  # pydantic's own text would quote the answer, which may hold personal data


@dataclass(frozen=True)
class Identity:
    """Journeys, Digital IDs, sessions and the cabinet."""

    caller: Caller

    async def start(self, iin: str, phone: str, email: str | None = None) -> JourneyTicket:
        """Begin a journey."""
        body = {"iin": iin, "phone": phone} | ({"email": email} if email else {})
        return _understood(JourneyTicket, await self.caller.send("POST", "/v1/journeys", json=body))

    async def renew(self, session: Session, phone: str, email: str | None, idempotency_key: str) -> JourneyTicket:
        """Begin a journey that renews the citizen's certificates, without a new face check."""
        body = {"phone": phone} | ({"email": email} if email else {})
        answer = await self.caller.send(
            "POST", "/v1/renewals", token=session.token, json=body, idempotency_key=idempotency_key
        )
        return _understood(JourneyTicket, answer)

    async def journey(self, ticket: JourneyTicket) -> JourneyView:
        """See where a journey stands."""
        answer = await self.caller.send("GET", f"/v1/journeys/{ticket.journey_id}", token=ticket.token)
        return _understood(JourneyView, answer)

    async def create_digital_id(self, ticket: JourneyTicket, pin: str) -> None:
        """Choose the PIN; the Digital ID exists from then on."""
        path = f"/v1/journeys/{ticket.journey_id}/digital-id"
        await self.caller.send("POST", path, token=ticket.token, json={"pin": pin})

    async def cancel(self, ticket: JourneyTicket) -> None:
        """Give a journey up."""
        await self.caller.send("POST", f"/v1/journeys/{ticket.journey_id}/cancel", token=ticket.token)

    async def sign_in(self, iin: str, pin: str) -> Session:
        """Open a session in the cabinet."""
        return _understood(Session, await self.caller.send("POST", "/v1/sessions", json={"iin": iin, "pin": pin}))

    async def cabinet(self, session: Session) -> Cabinet:
        """See certificates and applications."""
        return _understood(Cabinet, await self.caller.send("GET", "/v1/cabinet", token=session.token))

    async def request_revocation(self, session: Session, serial: str, reason: str) -> RevocationRequest:
        """Ask that a certificate be revoked; a code by SMS has to confirm it."""
        path = f"/v1/cabinet/certificates/{serial}/revocation"
        answer = await self.caller.send("POST", path, token=session.token, json={"reason": reason})
        return _understood(RevocationRequest, answer)


@dataclass(frozen=True)
class Otp:
    """One-time codes."""

    caller: Caller

    async def verify(self, ticket: JourneyTicket, code: str) -> None:
        """Prove possession of the phone. A right code may be given again."""
        path = f"/v1/journeys/{ticket.journey_id}/code"
        await self.caller.send("POST", path, token=ticket.token, json={"code": code})

    async def resend(self, ticket: JourneyTicket) -> None:
        """Ask for another SMS."""
        await self.caller.send("POST", f"/v1/journeys/{ticket.journey_id}/code/resend", token=ticket.token)

    async def development_inbox(self, journey_id: str) -> list[Sms]:
        """Read the SMS of a journey. There is such an inbox in the development profile only (404 otherwise)."""
        answer = await self.caller.send("GET", "/dev/inbox", params={"journey_id": journey_id})
        return _understood(list[Sms], answer)


@dataclass(frozen=True)
class Biometrics:
    """Face checks, and their reviews by clerks."""

    caller: Caller

    async def capture(self, ticket: JourneyTicket) -> CaptureView:
        """See what to capture, or what came of it."""
        answer = await self.caller.send("GET", f"/v1/journeys/{ticket.journey_id}/capture", token=ticket.token)
        return _understood(CaptureView, answer)

    async def upload(self, ticket: JourneyTicket, part: Part, upload: Upload, nonce: str) -> None:
        """Send one capture of the session that `nonce` names; where a connection is lost, go on from what arrived."""
        path = f"/v1/journeys/{ticket.journey_id}/capture/{part}/uploads/{self.caller.new_id()}"
        nonced = {"X-Capture-Nonce": nonce}
        sent = nonced | {"Content-Type": upload.media_type, "Upload-Length": str(len(upload.data))}

        async def rest(attempt: int) -> httpx.Request:
            offset = 0
            if attempt:
                with suppress(ProblemError):  # an answer to HEAD has no body: the one to PATCH will say why
                    stands = await self.caller.send("HEAD", path, token=ticket.token, headers=nonced)
                    offset = int(stands.headers["Upload-Offset"])
            headers = sent | {"Upload-Offset": str(offset)}
            return self.caller.request("PATCH", path, token=ticket.token, content=upload.data[offset:], headers=headers)

        await self.caller.send_each(rest)

    async def pre_check(self, ticket: JourneyTicket, picture: bytes) -> PreCheck:
        """Ask what to change before a selfie is worth sending; nothing is kept of it."""
        path = f"/v1/journeys/{ticket.journey_id}/capture/pre-check"
        answer = await self.caller.send("POST", path, token=ticket.token, content=picture)
        return _understood(PreCheck, answer)

    async def reviews(self, staff_token: str) -> list[Review]:
        """List what waits for a clerk, the most urgent first: the first page."""
        return _understood(list[Review], await self.caller.send("GET", "/v1/reviews", token=staff_token))

    async def review(self, staff_token: str, journey_id: str) -> ReviewCase:
        """Open a case."""
        return _understood(ReviewCase, await self.caller.send("GET", f"/v1/reviews/{journey_id}", token=staff_token))

    async def picture(self, staff_token: str, link: PictureLink) -> bytes:
        """Fetch a capture under review; the service notes who looked."""
        return (await self.caller.send("GET", link.url, token=staff_token)).content

    async def decide_review(self, staff_token: str, journey_id: str, *, match: bool, reason: str) -> bool:
        """Judge a face check; tell whether that ends it, or another clerk is to judge as well."""
        body = {"match": match, "reason": reason}
        answer = await self.caller.send("POST", f"/v1/reviews/{journey_id}/decision", token=staff_token, json=body)
        return _understood(ReviewDecision, answer).ended


@dataclass(frozen=True)
class Ca:
    """Certificates."""

    caller: Caller

    async def enrol(
        self,
        ticket: JourneyTicket,
        sign_csr: str,
        auth_csr: str,
        idempotency_key: str,
        *,
        signature: bytes | None = None,
    ) -> None:
        """Hand in both requests (PEM); for a renewal with the present key's signature over them (CMS, DER)."""
        path, body = self._path(ticket), {"sign_csr": sign_csr, "auth_csr": auth_csr}
        if signature is not None:
            body["signature"] = b64encode(signature).decode("ascii")
        await self.caller.send("POST", path, token=ticket.token, json=body, idempotency_key=idempotency_key)

    async def certificates(self, ticket: JourneyTicket) -> CertificatesView:
        """See the certificates of a journey."""
        return _understood(CertificatesView, await self.caller.send("GET", self._path(ticket), token=ticket.token))

    async def root(self) -> x509.Certificate:
        """Fetch the root certificate. Trust it only after comparing its fingerprint with a published one."""
        return x509.load_pem_x509_certificate((await self.caller.send("GET", "/v1/ca/root.pem")).content)

    async def chain(self) -> tuple[x509.Certificate, ...]:
        """Fetch the authority's certificates."""
        return tuple(x509.load_pem_x509_certificates((await self.caller.send("GET", "/v1/ca/chain.pem")).content))

    async def crl(self, issuer: str, shard: int) -> bytes:
        """Fetch a revocation list of an issuing authority, by its label, as PEM."""
        return (await self.caller.send("GET", f"/v1/crl/{issuer}/{shard}.pem")).content

    async def revoke(self, token: str, serial: str, reason: str) -> None:
        """Revoke a certificate as a clerk. `reason` is a CRL reason (RFC 5280, 5.3.1)."""
        await self.caller.send("POST", f"/v1/certificates/{serial}/revoke", token=token, json={"reason": reason})

    async def revoke_signed(self, request: bytes, signature: bytes) -> None:
        """Hand in a signed request to revoke (`libs.citizen.revocation`). It needs no token."""
        body = {"request": b64encode(request).decode(), "cms": b64encode(signature).decode()}
        await self.caller.send("POST", "/v1/revocations", json=body)

    @staticmethod
    def _path(ticket: JourneyTicket) -> str:
        return f"/v1/journeys/{ticket.journey_id}/certificates"


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
        return _understood(ApplicationCreated, answer)

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
        return _understood(SubmissionStatus, answer)

    async def application(self, session: Session, application_id: str) -> ApplicationView:
        """See where an application stands."""
        answer = await self.caller.send("GET", f"/v1/applications/{application_id}", token=session.token)
        return _understood(ApplicationView, answer)

    async def decision_pdf(self, session: Session, application_id: str, person: str) -> bytes:
        """Fetch the sealed document about one person."""
        path = f"/v1/applications/{application_id}/persons/{person}/document.pdf"
        return (await self.caller.send("GET", path, token=session.token)).content

    async def queue(self, staff_token: str, status: str = "checked") -> list[OfficerItem]:
        """List the applications of the officer's region."""
        answer = await self.caller.send("GET", "/v1/officer/applications", token=staff_token, params={"status": status})
        return _understood(list[OfficerItem], answer)

    async def officer_view(self, staff_token: str, application_id: str) -> dict[str, object]:
        """See an application with all its forms, as the service gives it."""
        answer = await self.caller.send("GET", self._officer(application_id), token=staff_token)
        return _understood(dict[str, object], answer)

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
