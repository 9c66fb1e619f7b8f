"""Kandas in the stub of all services: applications, signatures over them, and what officers decide."""

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from libs.common.pki.cms import verify_detached
from libs.common.pki.trust import TrustAnchors
from tests.unit.citizen.factories import IIN, Authority
from tests.unit.citizen.refusals import StubRefused

STAFF = "staff-token"
APPLICATION = "/v1/applications/{application}"
Endpoint = Callable[[Request, bytes], Awaitable[Response]]


REASONS = {"refusal.false_data": "The data are false."}


def _photo_of(person: str) -> dict[str, str]:
    return {"person": person, "kind": "photo", "person_text": f"member {person}", "kind_text": "photograph"}


def require_staff(request: Request) -> None:
    if request.headers.get("authorization") != f"Bearer {STAFF}":
        raise StubRefused("token.wrong_role", "Only staff may do this.", 403)


@dataclass
class StubApplication:
    id: str
    form: dict[str, Any]
    attachments: dict[tuple[str, str], bytes] = field(default_factory=dict)
    status: str = "draft"
    signed: int = 0
    outcomes: dict[str, tuple[str, list[str]]] = field(default_factory=dict)

    @property
    def persons(self) -> list[str]:
        return [f"p{number}" for number in range(1, 2 + len(self.form["family"]))]

    @property
    def document(self) -> bytes:
        files = {f"{p}/{kind}": hashlib.sha256(data).hexdigest() for (p, kind), data in self.attachments.items()}
        return json.dumps({"form": self.form, "attachments": files}, sort_keys=True, ensure_ascii=False).encode()


@dataclass
class StubKandas:
    """Applications, from the draft to the decisions."""

    authority: Authority
    applications: dict[str, StubApplication] = field(default_factory=dict)

    @property
    def table(self) -> list[tuple[str, str, Endpoint]]:
        return [
            ("POST", "/v1/applications", self.open),
            ("PUT", f"{APPLICATION}/attachments/{{person}}/{{kind}}", self.attach),
            ("GET", f"{APPLICATION}/document", self.document),
            ("POST", f"{APPLICATION}/signature", self.signature),
            ("GET", APPLICATION, self.application),
            ("GET", f"{APPLICATION}/persons/{{person}}/document.pdf", self.pdf),
            ("GET", "/v1/officer/applications", self.queue),
            ("GET", "/v1/officer/applications/{application}", self.officer_view),
            ("GET", "/v1/officer/applications/{application}/attachments/{person}/{kind}", self.attachment),
            ("POST", "/v1/officer/applications/{application}/return", self.send_back),
            ("POST", "/v1/officer/applications/{application}/decisions", self.decide),
        ]

    def _application(self, request: Request, token: str) -> StubApplication:
        if request.headers.get("authorization") != f"Bearer {token}":
            raise StubRefused("token.invalid", "not your application", 401)
        found = self.applications.get(request.path_params.get("application", ""))
        if found is None:
            raise StubRefused("application.unknown", "There is no such application.", 404)
        return found

    async def open(self, _: Request, body: bytes) -> Response:
        application = StubApplication(str(uuid4()), json.loads(body))
        self.applications[application.id] = application
        needed = [_photo_of(person) for person in application.persons]
        persons = [{"person": person, "role": "member", "role_text": "family member"} for person in application.persons]
        answer = {"application_id": application.id, "persons": persons, "documents_needed": needed}
        return JSONResponse(answer, 201)

    async def attach(self, request: Request, body: bytes) -> Response:
        application = self._application(request, "session-token")
        assert request.headers["content-type"] == "image/jpeg"
        application.attachments[request.path_params["person"], request.path_params["kind"]] = body
        return Response(status_code=204)

    async def document(self, request: Request, _: bytes) -> Response:
        return Response(self._application(request, "session-token").document, media_type="application/json")

    async def signature(self, request: Request, body: bytes) -> Response:
        application = self._application(request, "session-token")
        trust = TrustAnchors([self.authority.root], [self.authority.issuing])
        verified = verify_detached(body, application.document, trust, datetime.now(UTC))
        assert verified.iin == IIN
        application.signed += 1
        if application.signed == 1:
            raise StubRefused("certificate.unknown", "This certificate is not known yet.", 409)
        application.status = "checked"
        return JSONResponse({"status": "submitted"}, 202)

    async def application(self, request: Request, _: bytes) -> Response:
        return JSONResponse(self._view(self._application(request, "session-token")))

    @staticmethod
    def _view(application: StubApplication) -> dict[str, Any]:
        persons = [
            {
                "person": person, "outcome": outcome, "outcome_text": outcome or "open", "reasons": reasons,
                "reasons_text": [REASONS[each] for each in reasons], "document": outcome is not None,
            }
            for person in application.persons
            for outcome, reasons in [application.outcomes.get(person, (None, []))]
        ]  # fmt: skip
        waits_for = "officer.decision" if application.status == "checked" else None
        opened = {
            "at": datetime.now(UTC).isoformat(),
            "key": "application.opened",
            "text": "The application was opened.",
        }
        timeline = [opened]
        answer: dict[str, Any] = {"application_id": application.id, "status": application.status}
        lacking = [_photo_of(each) for each in application.persons if (each, "photo") not in application.attachments]
        answer |= {"waits_for": waits_for, "documents_needed": lacking}
        return answer | {"due_on": "2026-03-06", "timeline": timeline, "persons": persons}

    async def pdf(self, request: Request, _: bytes) -> Response:
        self._application(request, "session-token")
        return Response(b"%PDF-1.7 " + request.path_params["person"].encode(), media_type="application/pdf")

    async def queue(self, request: Request, _: bytes) -> Response:
        require_staff(request)
        wanted = request.query_params["status"]
        about = {"service": "grant", "opened_at": "2026-03-02T09:30:00Z", "persons": 3, "undecided": ["p1"]}
        found = [one for one in self.applications.values() if one.status == wanted]
        listed = [{"application_id": one.id, "status": one.status, **about} for one in found]
        return JSONResponse(listed)

    async def officer_view(self, request: Request, _: bytes) -> Response:
        application = self._application(request, STAFF)
        attached = [{"person": person, "kind": kind} for person, kind in application.attachments]
        seen = self._view(application)
        shared = {name: seen[name] for name in ("application_id", "status", "due_on", "timeline")}
        form = {name: application.form[name] for name in ("service", "region")}
        return JSONResponse(shared | form | {"people": seen["persons"], "attachments": attached})

    async def attachment(self, request: Request, _: bytes) -> Response:
        place = request.path_params["person"], request.path_params["kind"]
        return Response(self._application(request, STAFF).attachments[place], media_type="image/jpeg")

    async def send_back(self, request: Request, body: bytes) -> Response:
        application = self._application(request, STAFF)
        for place in json.loads(body)["documents"]:
            del application.attachments[place["person"], place["kind"]]
        application.status = "returned"
        return JSONResponse({}, 202)

    async def decide(self, request: Request, body: bytes) -> Response:
        application, decision = self._application(request, STAFF), json.loads(body)
        if decision["outcome"] == "refused" and not decision["reasons"]:
            raise StubRefused("decision.reason_missing", "A refusal needs a reason.", 422)
        application.outcomes[decision["person"]] = decision["outcome"], decision["reasons"]
        if len(application.outcomes) == len(application.persons):
            application.status = "decided"
        return JSONResponse({}, 202)
