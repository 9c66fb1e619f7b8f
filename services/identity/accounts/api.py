"""HTTP: citizens sign in, and everybody learns the public keys of our tokens."""

from typing import Any

from fastapi import APIRouter, status

from libs.common.contracts.http.identity import CitizenSession, SignInForm
from services.identity.accounts.service import Accounts


def session_routes(accounts: Accounts) -> APIRouter:
    """Make the route that opens a session.

    It takes no Idempotency-Key: each try counts, and a remembered answer would be a password of its own.
    """
    router = APIRouter(prefix="/v1", tags=["accounts"])

    @router.post("/sessions", status_code=status.HTTP_201_CREATED)
    async def sign_in(form: SignInForm) -> CitizenSession:
        return await accounts.sign_in(form.iin, form.pin)

    return router


def key_routes(jwks: dict[str, Any]) -> APIRouter:
    """Make the route that publishes the keys of our tokens (RFC 7517)."""
    router = APIRouter(prefix="/v1/.well-known", tags=["keys"])

    @router.get("/jwks.json")
    async def keys() -> dict[str, Any]:
        return jwks

    return router
