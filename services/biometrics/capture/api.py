"""HTTP for citizens: what to capture, uploads that survive a lost connection, and how far their analysis is."""

import asyncio
import hashlib
import re
import time
from collections.abc import Iterable
from typing import Annotated, Final
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Header, Request, Response, status
from starlette.requests import ClientDisconnect

from libs.common.contracts.http.biometrics import CaptureProgress, CaptureView, PreCheckView, UploadView
from libs.common.core.model import evolve
from libs.common.core.values import JourneyId
from libs.common.texts.languages import Language
from libs.common.web.bodies import binary, raw_body
from libs.common.web.http import Wanted
from libs.common.web.middleware import BODY_LIMIT_KEY
from libs.common.web.problems import language_headers
from libs.common.web.tokens import Authenticator
from services.biometrics.capture import pre_checks
from services.biometrics.capture.content import CLIPS, MOST_BYTES, PAGES, too_large
from services.biometrics.capture.pre_checks import PreChecks
from services.biometrics.capture.service import Captures, Chunks
from services.biometrics.check.parts import PARTS, Part
from services.biometrics.check.states import (
    CheckAnalysing,
    CheckFailed,
    CheckInReview,
    CheckMatched,
    CheckOpen,
    CheckState,
)
from services.biometrics.refusals import BiometricsRefusal
from services.biometrics.texts import TEXTS

READ_EVERY_S: Final = 0.5
LONGEST_WAIT_S: Final = 25.0
_MARGIN: Final = 1024 * 1024
_WAIT: Final = re.compile(r"(?:^|[,;\s])wait=(\d{1,4})(?:$|[,;\s])")


MEDIA: Final = binary(*sorted(PAGES | CLIPS))
SmallPicture = Annotated[bytes, Depends(raw_body(pre_checks.MOST_BYTES, too_large=BiometricsRefusal.PICTURE_TOO_LARGE))]
Nonce = Annotated[str, Header(alias="X-Capture-Nonce", max_length=64)]


def capture_routes(captures: Captures, checks: PreChecks, auth: Authenticator) -> APIRouter:
    """Make the citizens' routes."""
    router = APIRouter(
        prefix="/v1/journeys/{journey_id}/capture",
        dependencies=[Depends(auth.journey_of("journey_id"))],
        tags=["captures"],
    )
    _add_view(router, captures)
    _add_uploads(router, captures)
    _add_pre_check(router, checks)
    return router


def _add_view(router: APIRouter, captures: Captures) -> None:
    @router.get("", response_model=CaptureView)
    async def show(
        journey_id: JourneyId,
        language: Wanted,
        if_none_match: Annotated[str, Header(max_length=200)] = "",
        prefer: Annotated[str, Header(max_length=100)] = "",
    ) -> Response:
        """Answer at once; or, with ``Prefer: wait=20`` (RFC 7240) and the last ``ETag``, when something has changed."""
        asked = _WAIT.search(prefer)
        deadline = time.monotonic() + min(float(asked[1]) if asked else 0.0, LONGEST_WAIT_S)
        while True:
            content = (await _view(captures, journey_id, language)).model_dump_json().encode()
            tag = f'"{hashlib.sha256(content).hexdigest()[:24]}"'
            headers = {"ETag": tag, "Cache-Control": "private, no-cache", **language_headers(language)}
            # Alone, among others, or weak, as proxies make it that compress (RFC 9110, 8.8.3).
            if tag not in if_none_match:
                return Response(content, headers=headers, media_type="application/json")
            left = deadline - time.monotonic()
            if left <= 0:
                return Response(status_code=status.HTTP_304_NOT_MODIFIED, headers=headers)
            await asyncio.sleep(min(left, READ_EVERY_S))


def _add_uploads(router: APIRouter, captures: Captures) -> None:
    @router.put("/{part}", status_code=status.HTTP_202_ACCEPTED, response_model=UploadView, openapi_extra=MEDIA)
    async def upload(request: Request, journey_id: JourneyId, part: Part, nonce: Nonce) -> Response:
        """Take a capture in one request. What came of one that breaks off is dropped."""
        _limit(request, part)
        name = str(uuid4())
        try:
            offset, complete = await captures.receive(journey_id, Chunks(part, name, nonce, request.stream()))
        except ClientDisconnect:
            await captures.drop(journey_id, part, name)
            return Response(status_code=status.HTTP_400_BAD_REQUEST)  # there is nobody to read it
        return _kept(offset, complete=complete)

    @router.head("/{part}/uploads/{upload}", status_code=status.HTTP_204_NO_CONTENT)
    async def stands(journey_id: JourneyId, part: Part, upload: UUID, nonce: Nonce) -> Response:
        """Return how much of an upload is there: none of it, if it is unknown."""
        offset, complete = await captures.offset(journey_id, part, str(upload), nonce)
        return Response(status_code=status.HTTP_204_NO_CONTENT, headers=_headers(offset, complete=complete))

    @router.patch(
        "/{part}/uploads/{upload}",
        status_code=status.HTTP_202_ACCEPTED,
        response_model=UploadView,
        openapi_extra=MEDIA,
    )
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
            offset, complete = await captures.receive(journey_id, chunks)
        except ClientDisconnect:
            return Response(status_code=status.HTTP_400_BAD_REQUEST)  # there is nobody to read it
        return _kept(offset, complete=complete)


def _add_pre_check(router: APIRouter, checks: PreChecks) -> None:
    async def admitted(journey_id: JourneyId) -> None:
        """Let in who is to take pictures now, and not too often; before anything is read."""
        await checks.admit(journey_id)

    @router.post("/pre-check", dependencies=[Depends(admitted)])
    async def pre_check(
        journey_id: JourneyId,
        language: Wanted,
        response: Response,
        content: Annotated[
            bytes, Depends(raw_body(pre_checks.MOST_BYTES, too_large=BiometricsRefusal.PICTURE_TOO_LARGE))
        ],
    ) -> PreCheckView:
        report = await checks.run(journey_id, content)
        response.headers.update(language_headers(language))
        words = _words((*report.guidance, *report.advice), language)
        return PreCheckView(guidance=tuple(report.guidance), advice=tuple(report.advice), texts=words)


def _limit(request: Request, part: Part) -> None:
    """Refuse what is announced to be too large, and let the rest be counted while it is read."""
    most = MOST_BYTES[part]
    request.scope[BODY_LIMIT_KEY] = most + _MARGIN
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most:
        raise too_large(part, most)


def _kept(offset: int, *, complete: bool) -> Response:
    content = UploadView(offset=offset, complete=complete).model_dump_json()
    headers = _headers(offset, complete=complete)
    return Response(content, status.HTTP_202_ACCEPTED, headers, media_type="application/json")


def _headers(offset: int, *, complete: bool) -> dict[str, str]:
    return {"Upload-Offset": str(offset), "Upload-Complete": "?1" if complete else "?0"}


def _words(keys: Iterable[str], language: Language) -> dict[str, str]:
    return {key: TEXTS.text(key, language) for key in keys}


async def _view(captures: Captures, journey_id: str, language: Language) -> CaptureView:
    state = await captures.check(journey_id)
    view = _shown(state)
    movements = (f"challenge.{action}" for action in view.challenge)
    view = evolve(view, CaptureView, texts=_words((*movements, *view.guidance), language))
    if not isinstance(state, CheckAnalysing):
        return view
    progress = await captures.progress(state)
    return evolve(view, CaptureView, progress=CaptureProgress(ahead=progress.ahead, stage=progress.stage))


def _shown(state: CheckState) -> CaptureView:
    match state:
        case CheckOpen():
            return CaptureView(
                state="open",
                challenge=state.challenge.actions,
                nonce=state.challenge.nonce,
                expires_at=state.expires_at,
                tries_left=state.tries_left,
                received=_received(state),
                guidance=state.guidance,
            )
        case CheckAnalysing():
            return CaptureView(state="analysing", tries_left=state.tries_left, received=_received(state), pending=True)
        case CheckInReview():
            return CaptureView(
                state="review", tries_left=state.tries_left, received=_received(state), expires_at=state.due_at
            )
        case CheckMatched():
            return CaptureView(state="matched")
        case CheckFailed():
            return CaptureView(state="failed", tries_left=0)
        case _:
            return CaptureView(state="closed")


def _received(state: CheckOpen | CheckAnalysing | CheckInReview) -> dict[str, bool]:
    return {part.replace("-", "_"): part in state.captures for part in PARTS}
