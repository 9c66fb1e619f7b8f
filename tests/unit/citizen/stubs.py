"""A stub of all five services: it keeps the HTTP contract, and records everything that was sent to it.

It is strict where the services are (tokens, Idempotency-Keys, request signatures, the signature over the document)
and lags where they do: what one part learns, the others see a request later.
"""

import json
from base64 import b64decode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from cryptography import x509
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from libs.common.contracts.ca import Profile
from libs.common.contracts.http.ca import CertificatesView, IssuedCertificate
from libs.common.contracts.http.identity import CabinetCertificate
from libs.common.pki.cms import verify_detached
from libs.common.pki.renewal_statement import renewal_statement
from libs.common.pki.trust import TrustAnchors
from tests.unit.citizen.factories import IIN, Authority, pem
from tests.unit.citizen.kandas_stub import Endpoint, StubKandas, require_staff
from tests.unit.citizen.refusals import StubRefused

CODE = "428913"
PIN = "739205"
JOURNEY = "/v1/journeys/{journey}"
PARTS = ("selfie", "clip", "document_front", "document_back", "document_page")
COMPLETE = ({*PARTS[:4]}, {"selfie", "clip", "document_page"})


def problem(error: StubRefused) -> Response:
    document = {
        "type": f"urn:onboarding:problem:{error.key}",
        "status": error.status,
        "title": HTTPStatus(error.status).phrase,
    }
    document |= {"detail": error.detail, "key": error.key, **error.extras}
    return JSONResponse(document, error.status, media_type="application/problem+json")


@dataclass
class StubJourney:
    id: str
    token: str
    renewal: bool = False
    steps: list[str] = field(default_factory=lambda: ["code"])
    shown: int = 0
    codes: list[str] = field(default_factory=list)
    asked_code: int = 0
    revokes: str | None = None
    received: dict[str, bytes] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    tries: int = 0
    face: str = "open"
    enrolment: str = "open"
    certificates: list[IssuedCertificate] = field(default_factory=list)
    guidance: list[str] = field(default_factory=list)
    outcome: str | None = None
    reason: str | None = None
    timeline: list[dict[str, Any]] = field(default_factory=list)

    @property
    def step(self) -> str:
        """What is shown, which lags one request behind what is."""
        step, self.shown = self.steps[self.shown], len(self.steps) - 1
        return step

    def happened(self, key: str, step: str | None = None) -> None:
        self.timeline.append({"at": datetime.now(UTC).isoformat(), "key": key, "detail": {}})
        if step:
            self.steps.append(step)

    def close(self, outcome: str, reason: str) -> None:
        self.outcome, self.reason = outcome, reason
        self.happened("journey.closed", "closed")


@dataclass
class StubServices:
    """All five services at one address.

    Args:
        face: what comes of each try, in turn: ``matched``, ``open`` (failed), ``review``, ``rejected``.
        answer_certificate: what the authority answers instead of the certificate it should.
        refuse_requests: why the authority turns the first requests down after it has taken them.
        too_soon: no other code is sent yet.
        cabinet_certificates: what the cabinet lists; those `revoked` since are shown so.
    """

    authority: Authority
    face: list[str] = field(default_factory=lambda: ["matched"])
    answer_certificate: Callable[[x509.CertificateSigningRequest, str], x509.Certificate] | None = None
    refuse_requests: str | None = None
    too_soon: bool = False
    cabinet_certificates: list[CabinetCertificate] = field(default_factory=list)
    revoked: set[str] = field(default_factory=set)
    journeys: dict[str, StubJourney] = field(default_factory=dict)
    answered: dict[str, tuple[bytes, Response]] = field(default_factory=dict)
    received: list[bytes] = field(default_factory=list)
    issued: list[x509.Certificate] = field(default_factory=list)
    uploads: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.kandas = StubKandas(self.authority)

    @property
    def app(self) -> Starlette:
        table: list[tuple[str, str, Endpoint]] = [
            ("POST", "/v1/journeys", self.start),
            ("POST", "/v1/renewals", self.renew),
            ("GET", JOURNEY, self.journey),
            ("POST", f"{JOURNEY}/digital-id", self.digital_id),
            ("POST", "/v1/sessions", self.sign_in),
            ("GET", "/v1/cabinet", self.cabinet),
            ("POST", "/v1/cabinet/certificates/{serial}/revocation", self.ask_revocation),
            ("POST", "/v1/revocations", self.revoke_signed),
            ("POST", f"{JOURNEY}/code", self.code),
            ("POST", f"{JOURNEY}/code/resend", self.resend),
            ("GET", "/dev/inbox", self.inbox),
            ("GET", f"{JOURNEY}/capture", self.capture),
            ("PATCH", f"{JOURNEY}/capture/{{part}}/uploads/{{upload}}", self.upload),
            ("HEAD", f"{JOURNEY}/capture/{{part}}/uploads/{{upload}}", self.stands),
            ("GET", "/v1/reviews", self.reviews),
            ("GET", "/v1/reviews/pictures/{part}", self.picture),
            ("GET", "/v1/reviews/{journey}", self.case),
            ("POST", "/v1/reviews/{journey}/decision", self.review),
            ("POST", f"{JOURNEY}/certificates", self.enrol),
            ("GET", f"{JOURNEY}/certificates", self.certificates),
            ("GET", "/v1/ca/chain.pem", self.chain),
            *self.kandas.table,
        ]
        return Starlette(routes=[Route(path, self._served(end), methods=[method]) for method, path, end in table])

    def _served(self, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
        async def serve(request: Request) -> Response:
            body = await request.body()
            self.received.append(str(request.url).encode() + repr(request.headers.raw).encode() + b"\n" + body)
            try:
                return await self._once(endpoint, request, body)
            except StubRefused as error:
                return problem(error)

        return serve

    async def _once(self, endpoint: Endpoint, request: Request, body: bytes) -> Response:
        """Answer a repeated POST as the first time, and refuse its key for another request."""
        if request.method != "POST":
            return await endpoint(request, body)
        key = f"{request.url.path}|{request.headers['idempotency-key']}"
        if key in self.answered:
            before, answer = self.answered[key]
            if before != body:
                raise StubRefused("idempotency.key_reused", "used for another request", 422)
            return answer
        answer = await endpoint(request, body)
        self.answered[key] = body, answer
        return answer

    def _journey(self, request: Request) -> StubJourney:
        journey = self.journeys.get(request.path_params["journey"])
        if journey is None or request.headers.get("authorization") != f"Bearer {journey.token}":
            raise StubRefused("token.invalid", "not your journey", 401)
        return journey

    # identity

    async def start(self, _: Request, body: bytes) -> Response:
        form = json.loads(body)
        if form["iin"] != IIN:
            raise StubRefused("iin.unknown", "The register does not know this IIN.", 404)
        return self._begun(StubJourney(str(uuid4()), f"token-{uuid4()}"), "journey.started")

    async def renew(self, request: Request, body: bytes) -> Response:
        if request.headers.get("authorization") != "Bearer session-token":
            raise StubRefused("token.invalid", "not signed in", 401)
        if "phone" not in json.loads(body):
            raise StubRefused("phone.malformed", "no phone", 422)
        return self._begun(StubJourney(str(uuid4()), f"token-{uuid4()}", renewal=True), "renewal.started")

    def _begun(self, journey: StubJourney, key: str) -> Response:
        journey.happened(key)
        self.journeys[journey.id] = journey
        until = (datetime.now(UTC) + timedelta(days=7)).isoformat()
        answer = {"journey_id": journey.id, "token": journey.token, "mcb_registered": False, "expires_at": until}
        return JSONResponse(answer, 201)

    async def journey(self, request: Request, _: bytes) -> Response:
        journey = self._journey(request)
        waits = {"code": "citizen.code", "face": "citizen.face", "pin": "citizen.pin", "closed": None}
        step = journey.step
        waits_for = "clerk.review" if (step, journey.face) == ("face", "review") else waits.get(step, "ca.issuance")
        outcome = journey.outcome if step == "closed" else None
        answer: dict[str, Any] = {"journey_id": journey.id, "step": step, "waits_for": waits_for, "outcome": outcome}
        answer |= {
            "reason": journey.reason,
            "guidance": journey.guidance,
            "timeline": journey.timeline,
        }
        return JSONResponse(answer)

    async def digital_id(self, request: Request, body: bytes) -> Response:
        journey, pin = self._journey(request), json.loads(body)["pin"]
        if len(set(pin)) == 1:
            raise StubRefused("pin.too_simple", "This PIN is too easy to guess.", 422)
        journey.happened("digital_id.created", "certificates")
        return JSONResponse({"citizen_id": str(uuid4())}, 201)

    async def sign_in(self, _: Request, body: bytes) -> Response:
        if json.loads(body) != {"iin": IIN, "pin": PIN}:
            raise StubRefused("pin.wrong", "IIN and PIN do not belong together.", 401, tries_left=2)
        until = (datetime.now(UTC) + timedelta(minutes=15)).isoformat()
        return JSONResponse({"token": "session-token", "citizen_id": str(uuid4()), "expires_at": until}, 201)

    async def cabinet(self, request: Request, _: bytes) -> Response:
        now = datetime.now(UTC).isoformat()
        listed = [
            {"application_id": a.id, "status": a.status, "updated_at": now} for a in self.kandas.applications.values()
        ]
        certificates = [
            each.model_dump(mode="json") | {"revoked": each.revoked or each.serial in self.revoked}
            for each in self.cabinet_certificates
        ]
        who = request.headers["authorization"]
        return JSONResponse({"citizen_id": who, "applications": listed, "certificates": certificates})

    async def ask_revocation(self, request: Request, _: bytes) -> Response:
        asked = StubJourney(str(uuid4()), f"token-{uuid4()}", revokes=request.path_params["serial"])
        self.journeys[asked.id] = asked
        until = (datetime.now(UTC) + timedelta(minutes=15)).isoformat()
        return JSONResponse({"request_id": asked.id, "token": asked.token, "expires_at": until}, 202)

    async def revoke_signed(self, _: Request, body: bytes) -> Response:
        self.revoked.add(json.loads(b64decode(json.loads(body)["request"]))["serial"])
        return JSONResponse(None, 202)

    # otp

    async def code(self, request: Request, body: bytes) -> Response:
        journey, code = self._journey(request), json.loads(body)["code"]
        if not code.isdigit():
            raise StubRefused("code.malformed", "A code has digits only.", 422)
        journey.asked_code += 1
        if journey.asked_code == 1:
            raise StubRefused("otp.not_sent_yet", "The code is on its way.", 409)
        journey.codes.append(code)
        if code == "000000":
            raise StubRefused("otp.expired", "This code is too old.", 410)
        if code != CODE:
            left = 3 - sum(1 for one in journey.codes if one != CODE)
            if left <= 0:
                raise StubRefused(
                    "otp.tries_used_up", "No code is taken before 09:45.", 429, retry_at="2026-03-02T09:45:00Z"
                )
            raise StubRefused("otp.wrong_code", f"Tries left: {left}.", 422, tries_left=left)
        if journey.revokes:
            self.revoked.add(journey.revokes)
        journey.happened("otp.verified", "certificates" if journey.renewal else "face")
        return JSONResponse({"verified": True})

    async def resend(self, request: Request, _: bytes) -> Response:
        journey = self._journey(request)
        if self.too_soon:
            raise StubRefused("otp.too_soon", "Wait for the SMS a little longer.", 429)
        journey.happened("otp.sent")
        return JSONResponse(None, 202)

    async def inbox(self, request: Request, _: bytes) -> Response:
        assert request.query_params["journey_id"] in self.journeys
        old = {"at": "2026-03-02T09:30:00Z", "text": "000000: your code for an electronic signature, sent by 1414"}
        new = {"at": "2026-03-02T09:34:00Z", "text": f"{CODE}: your code for an electronic signature, sent by 1414"}
        return JSONResponse([new, old])

    # biometrics

    async def capture(self, request: Request, _: bytes) -> Response:
        journey = self._journey(request)
        pending = set(journey.received) in COMPLETE
        answer: dict[str, Any] = {
            "state": "analysing" if pending else journey.face,
            "challenge": ["left", "blink"],
            "nonce": "" if pending or journey.face != "open" else f"nonce-{journey.tries}",
        }
        answer |= {"received": {part: part in journey.received for part in PARTS}, "pending": pending}
        answer |= {"tries_left": 5 - journey.tries, "guidance": ["selfie.too_dark"] if journey.tries else []}
        if pending:
            self._analyse(journey)
        return JSONResponse(answer)

    def _analyse(self, journey: StubJourney) -> None:
        """Come to the next result; the request after this one sees it."""
        journey.face = self.face[journey.tries]
        journey.tries += 1
        journey.received.clear()
        if journey.face == "matched":
            journey.happened("face.matched", "pin")
        elif journey.face == "rejected":
            journey.close("failed", "journey.face_rejected")
            journey.face = "failed"
        elif journey.face == "review":
            journey.happened("face.review_requested")

    async def upload(self, request: Request, body: bytes) -> Response:
        journey = self._journey(request)
        if set(journey.received) in COMPLETE or journey.face != "open":
            raise StubRefused("capture.closed", "Your pictures are being looked at.", 409)
        if request.headers["x-capture-nonce"] != f"nonce-{journey.tries}":
            raise StubRefused("capture.stale", "This belongs to another try.", 409)
        name, before = request.path_params["upload"], self.uploads.get(request.path_params["upload"], b"")
        if len(before) != int(request.headers["upload-offset"]):
            raise StubRefused("upload.wrong_offset", "The upload stands elsewhere.", 409, offset=len(before))
        self.uploads[name] = before + body
        assert len(self.uploads[name]) == int(request.headers["upload-length"])
        part = request.path_params["part"].replace("-", "_")
        journey.received[part] = self.uploads[name]
        journey.sent.append(part)
        return JSONResponse({"offset": len(body), "complete": True}, 202)

    async def stands(self, request: Request, _: bytes) -> Response:
        """Tell how much of an upload is here; one that is whole is not wanted again."""
        journey = self._journey(request)
        if len(journey.received) == len(PARTS) or journey.face != "open":
            raise StubRefused("capture.closed", "Your pictures are being looked at.", 409)
        return Response(headers={"Upload-Offset": str(len(self.uploads.get(request.path_params["upload"], b"")))})

    async def reviews(self, request: Request, _: bytes) -> Response:
        require_staff(request)
        return JSONResponse([self._waiting(one) for one in self._in_review()])

    async def case(self, request: Request, _: bytes) -> Response:
        require_staff(request)
        [journey] = [one for one in self._in_review() if one.id == request.path_params["journey"]]
        link = {"part": "selfie", "url": "/v1/reviews/pictures/selfie", "expires_at": "2026-03-03T09:30:00Z"}
        return JSONResponse(self._waiting(journey) | {"links": [link]})

    @staticmethod
    def _waiting(journey: StubJourney) -> dict[str, object]:
        due = {"due_at": "2026-03-03T09:30:00Z", "tries_left": 4, "model": "stub", "pictures": ["selfie"]}
        return {"journey_id": journey.id, **due}

    async def picture(self, request: Request, _: bytes) -> Response:
        require_staff(request)
        return Response(f"picture {request.path_params['part']}".encode())

    async def review(self, request: Request, body: bytes) -> Response:
        require_staff(request)
        [journey] = [one for one in self._in_review() if one.id == request.path_params["journey"]]
        journey.face = "matched" if json.loads(body)["match"] else "failed"
        if journey.face == "matched":
            journey.happened("face.matched", "pin")
        else:
            journey.close("failed", "journey.face_rejected")
        return JSONResponse({"ended": True})

    def _in_review(self) -> list[StubJourney]:
        return [one for one in self.journeys.values() if one.face == "review"]

    # ca

    async def enrol(self, request: Request, body: bytes) -> Response:
        journey, form = self._journey(request), json.loads(body)
        if "certificates" not in journey.steps:
            raise StubRefused("enrolment.not_open", "Choose a PIN first.", 409)
        if journey.renewal:
            document = renewal_statement(journey.id, {"SIGN": form["sign_csr"], "AUTH": form["auth_csr"]})
            trust = TrustAnchors([self.authority.root], [self.authority.issuing])
            verify_detached(b64decode(form["signature"]), document, trust, datetime.now(UTC))
        purposes: tuple[Profile, ...] = ("SIGN", "AUTH")
        for purpose in purposes:
            csr = x509.load_pem_x509_csr(form[f"{purpose.lower()}_csr"].encode())
            if not csr.is_signature_valid:
                raise StubRefused("csr.bad_signature", "The request proves nothing.", 422)
            issue = self.answer_certificate or self._issue
            certificate = issue(csr, purpose)
            self.issued.append(certificate)
            entry = IssuedCertificate(
                serial=f"{certificate.serial_number:x}", profile=purpose, pem=pem(certificate), revoked=False
            )
            journey.certificates.append(entry)
        journey.enrolment = "issuing"
        return JSONResponse({"pending": True}, 202)

    def _issue(self, csr: x509.CertificateSigningRequest, purpose: str) -> x509.Certificate:
        return self.authority.certify(csr.public_key(), "SIGN" if purpose == "SIGN" else "AUTH")  # type: ignore[arg-type]  # any key here

    async def certificates(self, request: Request, _: bytes) -> Response:
        journey = self._journey(request)
        shown = journey.certificates if journey.enrolment == "issued" else []
        answer = CertificatesView(state=journey.enrolment, certificates=tuple(shown))
        if journey.enrolment == "issuing":  # signing takes a moment; the request after this one sees the end of it
            self._finish(journey)
        return JSONResponse(answer.model_dump(mode="json"))

    def _finish(self, journey: StubJourney) -> None:
        if self.refuse_requests is not None:
            journey.guidance, journey.enrolment, self.refuse_requests = [self.refuse_requests], "open", None
            journey.happened("cert.refused")
            journey.certificates.clear()
            self.issued.clear()
            return
        journey.enrolment = "issued"
        journey.happened("cert.issued")
        journey.happened("cert.issued")
        journey.close("completed", "journey.completed")

    async def chain(self, _: Request, __: bytes) -> Response:
        return Response(pem(*self.authority.chain), media_type="application/x-pem-file")
