"""Time-stamps over HTTP (RFC 3161, 3.4): always status 200, what is wrong stands in the response."""

from typing import Final

import structlog
from fastapi import APIRouter, Request, Response

from libs.common.core.errors import Refused, Unavailable
from libs.common.pki.der import serial_text
from libs.common.web.bodies import raw_body
from services.ca.model.ids import SERIAL_OCTETS, Entropy, serial_number
from services.ca.timestamp import stamping
from services.ca.timestamp.clock import WatchedClock
from services.ca.timestamp.stamping import TimeStampAuthority, TimeStampFailure, TimeStampRefused
from services.ca.timestamp.structures import TimeStampRequest

MEDIA_TYPE: Final = "application/timestamp-reply"

_body = raw_body(stamping.MAX_OCTETS)

log = structlog.get_logger()


class TimeStamping:
    """The time-stamp authority at work. Whatever comes in, a response comes out."""

    def __init__(self, authority: TimeStampAuthority, clock: WatchedClock, entropy: Entropy) -> None:
        self._authority = authority
        self._clock = clock
        self._entropy = entropy

    def answer(self, request: bytes) -> bytes:
        """Answer a request in DER, with a stamp or with the reason why there is none."""
        try:
            return self._stamp(request)
        except TimeStampRefused as refusal:
            return stamping.encode_refusal(refusal.failure)
        except Unavailable as error:
            log.warning("tsa.waiting", reason=str(error))
            return stamping.encode_refusal(TimeStampFailure.SYSTEM_FAILURE)

    def doubtful(self) -> bool:
        """Return whether the clock is in doubt, so that there are no time-stamps now."""
        return self._clock.now() is None

    def over(self, digest: bytes) -> bytes:
        """Stamp a digest (SHA-256) of our own; return the whole response.

        Raises:
            TimeStampRefused: the clock is in doubt, or the authority's certificate is not valid now.
        """
        return self._granted(stamping.request_for(digest))

    def _stamp(self, der: bytes) -> bytes:
        return self._granted(stamping.read_request(der))

    def _granted(self, request: TimeStampRequest) -> bytes:
        now = self._clock.now()
        if now is None:
            raise TimeStampRefused(TimeStampFailure.TIME_NOT_AVAILABLE)
        number = serial_number(self._entropy(SERIAL_OCTETS))
        response = self._authority.stamp(request, now, number)
        log.info("tsa.stamped", serial=serial_text(number))
        return response


def tsa_routes(stamping: TimeStamping) -> APIRouter:
    """Make the route of the time-stamp authority."""
    router = APIRouter(tags=["relying parties"])

    @router.post("/pki/tsa", response_class=Response)
    async def post(request: Request) -> Response:
        try:
            der = await _body(request)
        except Refused:  # too large
            der = b""
        return Response(stamping.answer(der), media_type=MEDIA_TYPE)

    return router
