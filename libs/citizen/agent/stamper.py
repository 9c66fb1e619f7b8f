"""Time-stamps (RFC 3161) from the authority that the person set, never from one that a page names."""

from typing import Final

import httpx
from asn1crypto import tsp  # type: ignore[import-untyped]  # asn1crypto ships no types
from pyhanko.sign.timestamps import TimeStamper, TimestampRequestError

_TIMEOUT_S: Final = 15.0


class HttpStamper(TimeStamper):
    """Asks a time-stamp authority over HTTP."""

    def __init__(self, url: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # typed but for its constructor
        self._url = url
        self._transport = transport

    async def async_request_tsa_response(self, req: tsp.TimeStampReq) -> tsp.TimeStampResp:
        """Send one request.

        Raises:
            OSError: no answer.
            TimestampRequestError: an answer that is none.
        """
        headers = {"Content-Type": "application/timestamp-query"}
        try:
            async with httpx.AsyncClient(timeout=_TIMEOUT_S, transport=self._transport) as http:
                answer = await http.post(self._url, content=req.dump(), headers=headers)
        except httpx.HTTPError as error:
            raise OSError("the time-stamp authority gave no answer") from error
        if answer.status_code != httpx.codes.OK:
            raise TimestampRequestError(f"the time-stamp authority answered {answer.status_code}")
        return tsp.TimeStampResp.load(answer.content)
