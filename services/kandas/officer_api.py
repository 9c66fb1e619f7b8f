"""HTTP for officers of local executive bodies."""

from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response, status
from pydantic import BaseModel, ConfigDict, Field

from libs.common.contracts.kandas import CheckAnswer, Service
from libs.common.core.errors import Refused
from libs.common.core.values import ApplicationId
from libs.common.web.idempotency import Idempotency, Once
from libs.common.web.tokens import Authenticator, Claims
from services.kandas.deciding import Verdict
from services.kandas.office import Office
from services.kandas.people import PersonForm
from services.kandas.rules import DocumentKind, RefusalReason
from services.kandas.states import Attachment, Checked, Entry, Held, Outcome, Submitted
from services.kandas.views import PersonView, persons


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DecisionForm(_Form):
    """A final decision about one person."""

    person: str
    outcome: Outcome
    reasons: tuple[RefusalReason, ...] = ()


class DocumentPlace(_Form):
    """A document to be brought anew."""

    person: str
    kind: DocumentKind


class ReturnForm(_Form):
    """What the applicant is to bring."""

    documents: tuple[DocumentPlace, ...] = Field(min_length=1)


class Accepted(BaseModel):
    """It was taken in."""

    accepted: bool = True


class Item(BaseModel):
    """One line of an officer's list; whose application it is shows when it is opened."""

    application_id: str
    service: Service
    status: str
    opened_at: datetime
    due_on: date | None
    overdue: bool
    persons: int
    undecided: list[str]


class OfficerPerson(PersonView):
    """A person with the form they filled in and what the ministry's system answered."""

    form: PersonForm
    check: CheckAnswer | None = None


class OfficerView(BaseModel):
    """An application as an officer sees it."""

    application_id: str
    service: Service
    status: str
    region: str
    due_on: date | None
    overdue: bool
    people: list[OfficerPerson]
    attachments: list[Attachment]
    timeline: list[Entry]


def officer_routes(office: Office, auth: Authenticator, idempotency: Idempotency) -> APIRouter:
    """Make the officers' routes."""
    officer = Annotated[Claims, Depends(auth.staff("officer"))]
    router = APIRouter(prefix="/v1/officer/applications", tags=["officers"])

    @router.get("")
    async def listed(
        claims: officer,
        status: Annotated[Literal["submitted", "checked", "returned", "decided"], Query()] = "checked",
    ) -> list[Item]:
        return [_item(state) for state in await office.listed(_region(claims), status)]

    @router.get("/{application_id}")
    async def read(claims: officer, application_id: ApplicationId) -> OfficerView:
        return _view(await office.application(_region(claims), application_id))

    @router.get("/{application_id}/attachments/{person}/{kind}")
    async def attachment(claims: officer, application_id: ApplicationId, person: str, kind: DocumentKind) -> Response:
        described, data = await office.attachment(_region(claims), application_id, person, kind)
        return Response(data, media_type=described.media, headers={"Content-Disposition": "attachment"})

    @router.post("/{application_id}/decisions", status_code=status.HTTP_202_ACCEPTED, response_model=Accepted)
    async def decide(
        claims: officer,
        application_id: ApplicationId,
        form: DecisionForm,
        once: Annotated[Once, Depends(idempotency.once)],
    ) -> Response:
        verdict = Verdict(form.person, form.outcome, form.reasons, claims.sub)

        async def decided() -> Accepted:
            await office.decide(_region(claims), application_id, verdict)
            return Accepted()

        return await once(decided, status.HTTP_202_ACCEPTED)

    @router.post("/{application_id}/return", status_code=status.HTTP_202_ACCEPTED)
    async def send_back(claims: officer, application_id: ApplicationId, form: ReturnForm) -> Accepted:
        documents = [(place.person, place.kind) for place in form.documents]
        await office.send_back(_region(claims), application_id, documents)
        return Accepted()

    return router


def _region(claims: Claims) -> str:
    if claims.region is None:
        raise Refused("token.no_region", "An officer's token says which region it is for; this one does not.", 403)
    return claims.region


def _item(state: Held) -> Item:
    return Item(
        application_id=state.id,
        service=state.service,
        status=state.status,
        opened_at=state.opened_at,
        persons=len(state.persons),
        undecided=list(state.undecided()),
        **_term(state),
    )


def _view(state: Held) -> OfficerView:
    checks = {answer.person: answer for answer in state.answers} if isinstance(state, Checked) else {}
    forms = {person.id: person.form.value for person in state.persons}
    return OfficerView(
        application_id=state.id,
        service=state.service,
        status=state.status,
        region=state.region,
        people=[
            OfficerPerson(**shown.model_dump(), form=forms[shown.person], check=checks.get(shown.person))
            for shown in persons(state)
        ],
        attachments=list(state.attachments),
        timeline=list(state.timeline),
        **_term(state),
    )


def _term(state: Held) -> dict[str, date | bool | None]:
    if isinstance(state, Submitted | Checked):
        return {"due_on": state.due_on, "overdue": state.overdue}
    return {"due_on": None, "overdue": False}
