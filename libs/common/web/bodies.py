"""Bodies that are no JSON: how they are read, and how OpenAPI declares them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fastapi import Request
from starlette.exceptions import HTTPException

from libs.common.core.errors import Refused
from libs.common.web.middleware import BODY_LIMIT_KEY
from libs.common.web.refusals import HttpRefusal


@dataclass(frozen=True, eq=False)
class RawBody:
    """A dependency that reads a body which is not JSON.

    Attributes:
        limit: the most bytes that are read.
        media_types: the content types that are taken; none: any.
        too_large: the reason of the refusal (413) when there is more.
    """

    limit: int
    media_types: tuple[str, ...]
    too_large: StrEnum

    async def __call__(self, request: Request) -> bytes:
        """Read the body.

        Raises:
            Refused: ``body.wrong_type``, or `too_large`.
        """
        given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if self.media_types and given not in self.media_types:
            raise Refused(HttpRefusal.BODY_WRONG_TYPE, accepted=", ".join(self.media_types))
        request.scope[BODY_LIMIT_KEY] = self.limit
        try:
            return await request.body()
        except HTTPException:
            raise Refused(self.too_large, limit_kb=self.limit // 1024) from None


def raw_body(limit: int, *media_types: str, too_large: StrEnum = HttpRefusal.BODY_TOO_LARGE) -> RawBody:
    """Make a dependency that reads a body which is not JSON. Put it after the token in the route's parameters.

    picture: Annotated[bytes, Depends(raw_body(20 * MB, "image/jpeg", too_large=Refusal.TOO_LARGE))]
    """
    return RawBody(limit, media_types, too_large)


def binary(*media_types: str) -> dict[str, Any]:
    """Declare a body of such content types for OpenAPI; a route that reads it in pieces passes it as ``openapi_extra``.

    @router.put("/v1/pictures", openapi_extra=binary("image/jpeg"))
    """
    schema = {"schema": {"type": "string", "format": "binary"}}
    return {"requestBody": {"required": True, "content": dict.fromkeys(media_types or ("*/*",), schema)}}
