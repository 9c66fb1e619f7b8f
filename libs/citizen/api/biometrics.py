"""Face checks, and their reviews by clerks. Every call may raise what `Caller.send` and `understood` raise."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import httpx
from pydantic import Field, StringConstraints

from libs.citizen.api.answers import Upload, understood
from libs.citizen.api.identity import JourneyTicket
from libs.citizen.caller import Caller
from libs.citizen.errors import ProblemError
from libs.common.contracts.http.shapes import Answer, PlainName


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


class CaptureProgress(Answer):
    """How far the look at captures is: how many citizens come before, and what is being looked at just now."""

    ahead: int
    stage: str | None = None


class PreCheck(Answer):
    """What to change before a picture is worth sending, and what would be better still."""

    guidance: tuple[str, ...]
    advice: tuple[str, ...] = ()


class CaptureView(Answer):
    """A face check: what to capture, in which order to move, and what came of it."""

    state: str
    challenge: tuple[str, ...] = ()
    nonce: str = ""
    expires_at: datetime | None = None
    tries_left: int | None = None
    received: dict[str, bool] = Field(default_factory=dict)
    guidance: tuple[str, ...] = ()
    pending: bool = False
    progress: CaptureProgress | None = None

    @property
    def wants_captures(self) -> bool:
        """Whether it is the citizen's turn."""
        return self.state == "open" and not self.pending


class Review(Answer):
    """A face check that waits for a clerk, until `due_at`. `pictures` names the captures to look at."""

    journey_id: str
    due_at: datetime
    tries_left: int
    model: str
    pictures: tuple[PlainName, ...] = ()
    signals: tuple[str, ...] = ()
    decisions: int = 0


class PictureLink(Answer):
    """Where a capture is shown, to whoever opened the case, until then."""

    part: PlainName
    url: Annotated[str, StringConstraints(pattern=r"^/v1/reviews/pictures/[A-Za-z0-9._~-]{1,2000}$")]
    expires_at: datetime


class ReviewCase(Review):
    """A case, opened."""

    links: tuple[PictureLink, ...]
    distances: dict[str, float] = Field(default_factory=dict)
    bands: dict[str, str] = Field(default_factory=dict)


class ReviewDecision(Answer):
    """What became of a decision."""

    ended: bool


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

    async def pre_check(self, ticket: JourneyTicket, picture: bytes) -> PreCheck:
        """Ask what to change before a selfie is worth sending; nothing is kept of it."""
        path = f"/v1/journeys/{ticket.journey_id}/capture/pre-check"
        answer = await self.caller.send("POST", path, token=ticket.token, content=picture)
        return understood(PreCheck, answer)

    async def reviews(self, staff_token: str) -> list[Review]:
        """List what waits for a clerk, the most urgent first: the first page."""
        return understood(list[Review], await self.caller.send("GET", "/v1/reviews", token=staff_token))

    async def review(self, staff_token: str, journey_id: str) -> ReviewCase:
        """Open a case."""
        return understood(ReviewCase, await self.caller.send("GET", f"/v1/reviews/{journey_id}", token=staff_token))

    async def picture(self, staff_token: str, link: PictureLink) -> bytes:
        """Fetch a capture under review; the service notes who looked."""
        return (await self.caller.send("GET", link.url, token=staff_token)).content

    async def decide_review(self, staff_token: str, journey_id: str, *, match: bool, reason: str) -> bool:
        """Judge a face check; tell whether that ends it, or another clerk is to judge as well."""
        body = {"match": match, "reason": reason}
        answer = await self.caller.send("POST", f"/v1/reviews/{journey_id}/decision", token=staff_token, json=body)
        return understood(ReviewDecision, answer).ended
