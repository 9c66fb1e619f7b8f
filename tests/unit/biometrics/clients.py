"""Who calls over HTTP: a citizen, clerks and auditors, with real tokens."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from libs.common.core.health import Health
from libs.common.web.http import create_app
from libs.common.web.tokens import STAFF_ROLES, Authenticator, TokenIssuer, TokenVerifier
from services.biometrics.audit.api import audit_routes
from services.biometrics.capture.api import capture_routes
from services.biometrics.capture.pre_checks import PreChecks
from services.biometrics.problems import PROBLEMS
from services.biometrics.review.api import review_routes
from services.biometrics.texts import TEXTS
from tests.unit.biometrics.harness import JOURNEY, METRICS, Harness, World

URL = f"/v1/journeys/{JOURNEY}/capture"
IDENTITY, STAFF = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()


@asynccontextmanager
async def browser(world: World, harness: Harness) -> AsyncIterator[httpx.AsyncClient]:
    """Open a browser that holds the token of `JOURNEY`."""
    identity = TokenIssuer(IDENTITY, "identity", "key-1", world.clock)
    staff = TokenIssuer(STAFF, "staff", "key-2", world.clock)
    auth = Authenticator(
        TokenVerifier(json.dumps(identity.jwks()), "identity", world.clock),
        TokenVerifier(json.dumps(staff.jwks()), "staff", world.clock, roles=STAFF_ROLES),
    )
    looks = PreChecks(harness.checks.aggregates, world.eyes, world.clock)
    routers = [
        capture_routes(harness.captures, looks, auth),
        review_routes(harness.reviews, auth),
        audit_routes(harness.audit, auth),
    ]
    app = create_app(
        "biometrics",
        metrics=METRICS,
        health=Health(),
        routers=routers,
        problems=PROBLEMS,
        texts=TEXTS,
    )
    headers = {"Authorization": f"Bearer {identity.journey(JOURNEY, timedelta(days=7))}"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://biometrics", headers=headers) as client:
        yield client


def staff(world: World, role: str = "clerk", name: str = "clerk-7") -> dict[str, str]:
    now = int(world.now.timestamp())
    claims = {"iss": "staff", "sub": name, "role": role, "region": "KZ-75", "iat": now, "exp": now + 600}
    return {"Authorization": f"Bearer {jwt.encode(claims, STAFF, algorithm='EdDSA', headers={'kid': 'key-2'})}"}


async def put(http: httpx.AsyncClient, part: str, content: bytes, nonce: str = "n-1") -> httpx.Response:
    headers = {"X-Capture-Nonce": nonce, "Content-Type": "image/jpeg"}
    return await http.put(f"{URL}/{part}", content=content, headers=headers)


def key_of(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["key"]
