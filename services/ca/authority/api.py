"""HTTP: the authorities' certificates and practice statement, for whoever relies on them."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding
from fastapi import APIRouter, Response

from services.ca.authority.hierarchy import Hierarchy
from services.ca.authority.public_route import get_and_head

_KEPT: Final = "public, max-age=3600, no-transform"
"""Every verifier fetches these, and only a ceremony changes them."""
_PRACTICE: Final = Path(__file__).with_name("practice_statement.html")
"""What the address in each certificate's policy qualifier (RFC 5280, 4.2.1.4) leads to."""


def public_routes(hierarchy: Hierarchy) -> APIRouter:
    """Make what relying parties fetch of the authorities: their certificates and the practice statement."""
    router = APIRouter(tags=["relying parties"])
    for path, (content, media_type) in _served(hierarchy).items():
        get_and_head(router, path)(_constant(content, media_type))
    return router


def _served(hierarchy: Hierarchy) -> dict[str, tuple[bytes, str]]:
    """Return what is served as it is, by address: each with its media type."""
    root, pem, der = hierarchy.root, "application/x-pem-file", "application/pkix-cert"
    return {
        "/v1/ca/root.pem": (root.public_bytes(Encoding.PEM), pem),
        "/v1/ca/issuing.pem": (hierarchy.issuers_pem, pem),
        "/v1/ca/chain.pem": (hierarchy.chain_pem, pem),
        "/pki/root.cer": (root.public_bytes(Encoding.DER), der),
        "/pki/cps": (_PRACTICE.read_bytes(), "text/html; charset=utf-8"),
        **{
            f"/pki/{each.label}.cer": (each.certificate.public_bytes(Encoding.DER), der)
            for each in hierarchy.generations
        },
    }


def _constant(content: bytes, media_type: str) -> Callable[[], Awaitable[Response]]:
    async def serve() -> Response:
        return Response(content, media_type=media_type, headers={"cache-control": _KEPT})

    return serve
