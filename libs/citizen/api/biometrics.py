"""Face checks, and their reviews by clerks. Every call may raise what `Caller.send` and `understood` raise."""

from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

import httpx

from libs.citizen.api.answers import Upload, understood
from libs.citizen.api.caller import Caller
from libs.citizen.errors import ProblemError
from libs.common.contracts.http.biometrics import (
    CaptureView,
    PictureLink,
    PreCheckView,
    ReviewCase,
    ReviewForm,
    ReviewResult,
    ReviewSummary,
)
from libs.common.contracts.http.identity import JourneyTicket


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
class Biometrics:
    """Face checks, and their reviews by clerks."""

    caller: Caller

    async def capture(self, ticket: JourneyTicket) -> CaptureView:
        """See what to capture, or what came of it."""
        answer = await self.caller.send("GET", f"/v1/journeys/{ticket.journey_id}/capture", token=ticket.token)
        return understood(CaptureView, answer)

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

    async def pre_check(self, ticket: JourneyTicket, picture: bytes) -> PreCheckView:
        """Ask what to change before a selfie is worth sending; nothing is kept of it."""
        path = f"/v1/journeys/{ticket.journey_id}/capture/pre-check"
        answer = await self.caller.send("POST", path, token=ticket.token, content=picture)
        return understood(PreCheckView, answer)

    async def reviews(self, staff_token: str) -> list[ReviewSummary]:
        """List what waits for a clerk, the most urgent first: the first page."""
        return understood(list[ReviewSummary], await self.caller.send("GET", "/v1/reviews", token=staff_token))

    async def review(self, staff_token: str, journey_id: str) -> ReviewCase:
        """Open a case."""
        return understood(ReviewCase, await self.caller.send("GET", f"/v1/reviews/{journey_id}", token=staff_token))

    async def picture(self, staff_token: str, link: PictureLink) -> bytes:
        """Fetch a capture under review; the service notes who looked."""
        return (await self.caller.send("GET", link.url, token=staff_token)).content

    async def decide_review(self, staff_token: str, journey_id: str, *, match: bool, reason: str) -> bool:
        """Decide a face check; return whether that ends it, or another clerk has to decide as well."""
        form = ReviewForm(match=match, reason=reason).model_dump()
        answer = await self.caller.send("POST", f"/v1/reviews/{journey_id}/decision", token=staff_token, json=form)
        return understood(ReviewResult, answer).ended
