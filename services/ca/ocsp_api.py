"""OCSP over HTTP (RFC 6960, appendix A; RFC 5019, 5 and 6): always status 200, what is wrong stands in the response."""

import base64
import hashlib
from binascii import Error as NotBase64
from email.utils import format_datetime
from typing import Final

from fastapi import APIRouter, Request, Response

from libs.common.errors import Refused
from libs.common.http import raw_body
from services.ca.ocsp import MAX_OCTETS
from services.ca.ocsp_service import Answer, OcspService

MEDIA_TYPE: Final = "application/ocsp-response"
_NOTHING: Final = b""
"""Stands for a request that can't be had: too large, or no base64. It is malformed like any other."""

_body = raw_body(MAX_OCTETS)


def ocsp_routes(service: OcspService) -> APIRouter:
    """Make the routes of the responders, at the addresses that certificates name.

    Which responder answers is told by the question, not by the address.
    """
    router = APIRouter(prefix="/pki/{issuer}/ocsp", tags=["relying parties"])

    @router.post("", response_class=Response)
    async def post(request: Request) -> Response:
        try:
            der = await _body(request)
        except Refused:
            der = _NOTHING
        answer = await service.answer(der)
        return Response(answer.der, media_type=MEDIA_TYPE)

    @router.get("/{encoded:path}", response_class=Response)
    async def get(encoded: str) -> Response:
        answer = await service.answer(_decoded(encoded))
        return Response(answer.der, media_type=MEDIA_TYPE, headers=_caching(answer))

    return router


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except (NotBase64, ValueError):
        return _NOTHING


def _caching(answer: Answer) -> dict[str, str]:
    if not answer.kept:
        return {}
    return {
        "cache-control": f"max-age={int(answer.kept.total_seconds())}, public, no-transform, must-revalidate",
        "expires": format_datetime(answer.at + answer.kept, usegmt=True),
        "last-modified": format_datetime(answer.at, usegmt=True),
        "etag": f'"{hashlib.sha256(answer.der).hexdigest()}"',
    }
