"""HTTP for citizens: what to capture, uploads that survive a lost connection, and how far the look at them is."""

import asyncio
import hashlib
import re
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Header, Request, Response, status
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from libs.common.core.values import JourneyId
from libs.common.web.http import Wanted, raw_body, spoken
from libs.common.web.middleware import BODY_LIMIT_KEY
from libs.common.web.texts import Tongue, guidance
from libs.common.web.tokens import Authenticator
from services.biometrics.capture import prechecks
from services.biometrics.capture.content import MOST_BYTES, too_large
from services.biometrics.capture.prechecks import PreChecks
from services.biometrics.service import BiometricsService, Chunks
from services.biometrics.states import Analysing, CheckState, Failed, InReview, Matched, Open
from services.biometrics.verdicts import PARTS, Part

LOOK_EVERY_S: Final = 0.5
LONGEST_WAIT_S: Final = 25.0
_MARGIN: Final = 1024 * 1024
_WAIT: Final = re.compile(r"(?:^|[,;\s])wait=(\d{1,4})(?:$|[,;\s])")

Nonce = Annotated[str, Header(alias="X-Capture-Nonce", max_length=64)]


class ProgressOut(BaseModel):
    """How far the look at captures is: how many citizens come before, and what is being looked at just now."""

    ahead: int
    stage: str | None


class CaptureOut(BaseModel):
    """Where a face check stands, and what is wanted now. ``texts`` says challenge and guidance in words, by key."""

    state: Literal["open", "analysing", "review", "matched", "failed", "closed"]
    challenge: list[str] = []
    nonce: str = ""
    expires_at: datetime | None = None
    tries_left: int | None = None
    received: dict[str, bool] = {}
    guidance: list[str] = []
    texts: dict[str, str] = {}
    pending: bool = False
    progress: ProgressOut | None = None


class UploadOut(BaseModel):
    """What was kept of an upload: bytes from its beginning, and whether that is all of it."""

    pending: Literal[True] = True
    offset: int
    complete: bool


class PreCheckOut(BaseModel):
    """What to change before the picture is worth uploading, the most useful first; no guidance: it is good.

    ``advice`` is what would be better still; nothing is refused for it. ``texts`` says both in words, by key.
    """

    guidance: list[str]
    advice: list[str]
    texts: dict[str, str]


def capture_routes(service: BiometricsService, looks: PreChecks, auth: Authenticator) -> APIRouter:
    """Make the citizens' routes."""
    router = APIRouter(
        prefix="/v1/journeys/{journey_id}/capture",
        dependencies=[Depends(auth.journey_of("journey_id"))],
        tags=["captures"],
    )
    _add_view(router, service)
    _add_uploads(router, service)
    _add_pre_check(router, looks)
    return router


def _add_view(router: APIRouter, service: BiometricsService) -> None:
    @router.get("", response_model=CaptureOut)
    async def show(
        journey_id: JourneyId,
        tongue: Wanted,
        if_none_match: Annotated[str, Header(max_length=200)] = "",
        prefer: Annotated[str, Header(max_length=100)] = "",
    ) -> Response:
        """Answer at once; or, with ``Prefer: wait=20`` (RFC 7240) and the last ``ETag``, when something has changed."""
        asked = _WAIT.search(prefer)
        deadline = time.monotonic() + min(float(asked[1]) if asked else 0.0, LONGEST_WAIT_S)
        while True:
            content = (await _view(service, journey_id, tongue)).model_dump_json().encode()
            tag = f'"{hashlib.sha256(content).hexdigest()[:24]}"'
            headers = {"ETag": tag, "Cache-Control": "private, no-cache", **spoken(tongue)}
            # Alone, among others, or weak, as proxies make it that compress (RFC 9110, 8.8.3).
            if tag not in if_none_match:
                return Response(content, headers=headers, media_type="application/json")
            left = deadline - time.monotonic()
            if left <= 0:
                return Response(status_code=status.HTTP_304_NOT_MODIFIED, headers=headers)
            await asyncio.sleep(min(left, LOOK_EVERY_S))


def _add_uploads(router: APIRouter, service: BiometricsService) -> None:
    @router.put("/{part}", status_code=status.HTTP_202_ACCEPTED, response_model=UploadOut)
    async def upload(request: Request, journey_id: JourneyId, part: Part, nonce: Nonce) -> Response:
        """Take a capture in one request. What comes of one that breaks off is dropped."""
        _limit(request, part)
        name = str(uuid4())
        try:
            offset, complete = await service.receive(journey_id, Chunks(part, name, nonce, request.stream()))
        except ClientDisconnect:
            await service.drop(journey_id, part, name)
            return Response(status_code=status.HTTP_400_BAD_REQUEST)  # there is nobody to read it
        return _kept(offset, complete=complete)

    @router.head("/{part}/uploads/{upload}", status_code=status.HTTP_204_NO_CONTENT)
    async def stands(journey_id: JourneyId, part: Part, upload: UUID, nonce: Nonce) -> Response:
        """Tell how much of an upload is there: none of it, if it is unknown."""
        offset, complete = await service.offset(journey_id, part, str(upload), nonce)
        return Response(status_code=status.HTTP_204_NO_CONTENT, headers=_headers(offset, complete=complete))

    @router.patch("/{part}/uploads/{upload}", status_code=status.HTTP_202_ACCEPTED, response_model=UploadOut)
    async def go_on(  # noqa: PLR0917 - one parameter for each thing that the request says
        request: Request,
        journey_id: JourneyId,
        part: Part,
        upload: UUID,
        nonce: Nonce,
        upload_offset: Annotated[int, Header(ge=0)],
        upload_length: Annotated[int, Header(ge=1)],
    ) -> Response:
        """Take what follows on the bytes that are there. What has come when the connection breaks is kept."""
        _limit(request, part)
        chunks = Chunks(part, str(upload), nonce, request.stream(), upload_offset, upload_length)
        try:
            offset, complete = await service.receive(journey_id, chunks)
        except ClientDisconnect:
            return Response(status_code=status.HTTP_400_BAD_REQUEST)  # there is nobody to read it
        return _kept(offset, complete=complete)


def _add_pre_check(router: APIRouter, looks: PreChecks) -> None:
    async def admitted(journey_id: JourneyId) -> None:
        """Let in who is to take pictures now, and not too often; before anything is read."""
        await looks.step(journey_id)

    @router.post("/pre-check", dependencies=[Depends(admitted)])
    async def pre_check(
        journey_id: JourneyId,
        tongue: Wanted,
        response: Response,
        content: Annotated[bytes, Depends(raw_body(prechecks.MOST_BYTES, too_large="picture.too_large"))],
    ) -> PreCheckOut:
        report = await looks.look(journey_id, content)
        response.headers.update(spoken(tongue))
        texts = _words((*report.guidance, *report.advice), tongue)
        return PreCheckOut(guidance=list(report.guidance), advice=list(report.advice), texts=texts)


def _limit(request: Request, part: Part) -> None:
    """Refuse what is announced to be too large, and let the rest be counted while it is read."""
    most = MOST_BYTES[part]
    request.scope[BODY_LIMIT_KEY] = most + _MARGIN
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most:
        raise too_large(part, most)


def _kept(offset: int, *, complete: bool) -> Response:
    content = UploadOut(offset=offset, complete=complete).model_dump_json()
    headers = _headers(offset, complete=complete)
    return Response(content, status.HTTP_202_ACCEPTED, headers, media_type="application/json")


def _headers(offset: int, *, complete: bool) -> dict[str, str]:
    return {"Upload-Offset": str(offset), "Upload-Complete": "?1" if complete else "?0"}


def _words(keys: Iterable[str], tongue: Tongue) -> dict[str, str]:
    return {key: guidance()[key].in_tongue(tongue) for key in keys if key in guidance()}


async def _view(service: BiometricsService, journey_id: str, tongue: Tongue) -> CaptureOut:
    state = await service.check(journey_id)
    view = _shown(state)
    movements = (f"challenge.{action}" for action in view.challenge)
    view = view.model_copy(update={"texts": _words((*movements, *view.guidance), tongue)})
    if not isinstance(state, Analysing):
        return view
    progress = await service.progress(state)
    return view.model_copy(update={"progress": ProgressOut(ahead=progress.ahead, stage=progress.stage)})


def _shown(state: CheckState) -> CaptureOut:
    match state:
        case Open():
            return CaptureOut(
                state="open",
                challenge=list(state.challenge.actions),
                nonce=state.challenge.nonce,
                expires_at=state.expires_at,
                tries_left=state.tries_left,
                received=_received(state),
                guidance=list(state.guidance),
            )
        case Analysing():
            return CaptureOut(state="analysing", tries_left=state.tries_left, received=_received(state), pending=True)
        case InReview():
            return CaptureOut(
                state="review", tries_left=state.tries_left, received=_received(state), expires_at=state.due_at
            )
        case Matched():
            return CaptureOut(state="matched")
        case Failed():
            return CaptureOut(state="failed", tries_left=0)
        case _:
            return CaptureOut(state="closed")


def _received(state: Open | Analysing | InReview) -> dict[str, bool]:
    return {part.replace("-", "_"): part in state.captures for part in PARTS}
