"""Revocation lists over HTTP (RFC 2585): whole, in DER, and to be cached until the next update."""

import base64
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from fastapi import APIRouter, Depends, Header, Response
from fastapi.responses import StreamingResponse

from libs.common.core.errors import Refused
from libs.common.core.values import Clock
from services.ca.authority.public_route import get_and_head
from services.ca.crl.publishing import RevocationLists
from services.ca.model.ids import ShardId
from services.ca.refusals import CaRefusal

MEDIA_TYPE: Final = "application/pkix-crl"
_PEM: Final = "application/x-pem-file"
_ROOT_KEPT: Final = timedelta(hours=1)
"""How long caches may keep the root's list: it lasts half a year, and an authority may be revoked any day."""
_LINE: Final = 48
"""Octets in a line of PEM (RFC 7468, 2)."""
_TRIES: Final = 3


class Known:
    """What whoever asks has already (RFC 9110, 13.1)."""

    def __init__(
        self,
        if_none_match: Annotated[str | None, Header()] = None,
        if_modified_since: Annotated[str | None, Header()] = None,
    ) -> None:
        self._etags = if_none_match
        self._since = if_modified_since

    def is_current(self, etag: str, changed: datetime) -> bool:
        """Return whether it is the present edition. The date counts only where there is no tag."""
        if self._etags is not None:
            named = {each.strip().removeprefix("W/") for each in self._etags.split(",")}
            return not named.isdisjoint({"*", etag})
        try:
            return self._since is not None and parsedate_to_datetime(self._since) >= changed
        except (ValueError, TypeError):  # no date: as if it were not there (13.1.3)
            return False


KnownAlready = Annotated[Known, Depends(Known)]


def list_routes(lists: RevocationLists, root_list: Path, clock: Clock) -> APIRouter:
    """Make the routes. ``root_list`` is the root's own list (PEM), which the ceremony renews beside the service."""
    router = APIRouter(tags=["relying parties"])

    @get_and_head(router, "/pki/root/crl/0.crl")
    def root_crl(known: KnownAlready) -> Response:
        return _root(root_list, known, clock())

    @get_and_head(router, "/pki/{issuer}/crl/{shard}.crl")
    @get_and_head(router, "/v1/crl/{issuer}/{shard}.crl")
    async def complete(issuer: str, shard: int, known: KnownAlready) -> Response:
        return await _serve(lists, ShardId(issuer, shard), known, clock())

    @get_and_head(router, "/v1/crl/{issuer}/{shard}.pem")
    async def pem(issuer: str, shard: int) -> Response:
        place = ShardId(issuer, shard)
        issue = await lists.current(place)
        pieces = None if issue is None else await lists.pieces(place, issue)
        if pieces is None:
            raise _unknown()
        return StreamingResponse(_as_pem(pieces), media_type=_PEM)

    return router


async def _serve(lists: RevocationLists, place: ShardId, known: Known, now: datetime) -> Response:
    for _ in range(_TRIES):
        issue = await lists.current(place)
        if issue is None:
            break
        headers = _caching(issue.this_update, issue.next_update, f'"{issue.sha256}"', now)
        if known.is_current(headers["etag"], issue.this_update):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        pieces = await lists.pieces(place, issue)
        if pieces is not None:
            headers["content-length"] = str(issue.octets)
            return StreamingResponse(_one_by_one(pieces), media_type=MEDIA_TYPE, headers=headers)
    raise _unknown()


def _root(path: Path, known: Known, now: datetime) -> Response:
    crl = x509.load_pem_x509_crl(path.read_bytes())
    changed, until = crl.last_update_utc, crl.next_update_utc or crl.last_update_utc
    headers = _caching(changed, min(until, now + _ROOT_KEPT), f'"{crl.fingerprint(hashes.SHA256()).hex()}"', now)
    if known.is_current(headers["etag"], changed):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(crl.public_bytes(Encoding.DER), media_type=MEDIA_TYPE, headers=headers)


def _unknown() -> Refused:
    return Refused(CaRefusal.CRL_UNKNOWN)


def _caching(changed: datetime, until: datetime, etag: str, now: datetime) -> dict[str, str]:
    seconds = max(0, int((until - now).total_seconds()))
    return {
        "cache-control": f"public, max-age={seconds}, no-transform",
        "expires": format_datetime(until, usegmt=True),
        "last-modified": format_datetime(changed, usegmt=True),
        "etag": etag,
    }


async def _one_by_one(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Hand out a list piece by piece, so that a slow reader holds no copy of it."""
    for piece in pieces:
        yield piece


async def _as_pem(pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
    yield b"-----BEGIN X509 CRL-----\n"
    rest = b""
    for piece in pieces:
        rest += piece
        whole = len(rest) - len(rest) % _LINE
        yield b"".join(base64.b64encode(rest[at : at + _LINE]) + b"\n" for at in range(0, whole, _LINE))
        rest = rest[whole:]
    yield base64.b64encode(rest) + b"\n" if rest else b""
    yield b"-----END X509 CRL-----\n"
