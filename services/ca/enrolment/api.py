"""HTTP: requests in, certificates out; and what relying parties fetch."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Final

from cryptography.hazmat.primitives.serialization import Encoding
from fastapi import APIRouter, Depends, Response, status
from pydantic import Base64Bytes, BaseModel, ConfigDict

from libs.common.core.values import JourneyId
from libs.common.web.idempotency import Idempotency, Once
from libs.common.web.tokens import Authenticator
from services.ca.authority.hierarchy import Hierarchy
from services.ca.authority.public_route import get_and_head
from services.ca.enrolment.schemas import Accepted, EnrolmentOut, shown
from services.ca.enrolment.service import CaService


class RequestForm(BaseModel):
    """Two certificate requests (PKCS#10, PEM), for a key each.

    ``signature`` comes with a renewal: detached CMS (DER, base64) by the present SIGN key, over the text of
    `libs.common.pki.renewal_statement.vouching_document`.
    """

    model_config = ConfigDict(extra="forbid")

    sign_csr: str
    auth_csr: str
    signature: Base64Bytes | None = None


_KEPT: Final = "public, max-age=3600, no-transform"
"""Every verifier fetches these, and only a ceremony changes them."""
_PRACTICE: Final = Path(__file__).with_name("practice_statement.html")
"""What the address in each certificate's policy qualifier (RFC 5280, 4.2.1.4) leads to."""


def journey_routes(service: CaService, auth: Authenticator, idempotency: Idempotency) -> APIRouter:
    """Make the routes of a citizen's journey."""
    own_journey = Depends(auth.journey_of("journey_id"))
    router = APIRouter(
        prefix="/v1/journeys/{journey_id}/certificates", dependencies=[own_journey], tags=["certificates"]
    )

    @router.post("", status_code=status.HTTP_202_ACCEPTED, response_model=Accepted)
    async def request(
        journey_id: JourneyId, form: RequestForm, once: Annotated[Once, Depends(idempotency.once)]
    ) -> Response:
        async def take() -> Accepted:
            await service.request(journey_id, form.sign_csr, form.auth_csr, form.signature)
            return Accepted()

        return await once(take, status.HTTP_202_ACCEPTED)

    @router.get("")
    async def show(journey_id: JourneyId) -> EnrolmentOut:
        return shown(*await service.certificates(journey_id))

    return router


def public_routes(hierarchy: Hierarchy) -> APIRouter:
    """Make what relying parties fetch of the authorities: their certificates and the practice statement."""
    router = APIRouter(tags=["relying parties"])
    for path, (content, media_type) in _served(hierarchy).items():
        get_and_head(router, path)(_constant(content, media_type))
    return router


def _served(hierarchy: Hierarchy) -> dict[str, tuple[bytes, str]]:
    """Give what is served as it is, by address: each with its media type."""
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
