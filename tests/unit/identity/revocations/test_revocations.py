"""Asking for a revocation from the cabinet: whose certificates, told once, with a phone and without."""

import json
from uuid import uuid4

import httpx
import pytest

from libs.common.core.health import Health
from libs.common.testing.idempotency import MemoryIdempotencyStore
from libs.common.web.http import create_app
from libs.common.web.idempotency import Idempotency
from libs.common.web.tokens import Authenticator, TokenVerifier
from services.identity.accounts.states import Citizen
from services.identity.revocations.api import revocation_routes
from tests.unit.identity.harness import IIN, KEYRING, PIN, IdentityHarness, issued, revoked


class Cabinet:
    """A citizen who signed in, at the cabinet's HTTP."""

    def __init__(self, identity: IdentityHarness, citizen_id: str, token: str) -> None:
        self.identity, self.citizen_id = identity, citizen_id
        auth = Authenticator(TokenVerifier(json.dumps(identity.tokens.jwks()), "identity", identity.clock))
        idempotency = Idempotency(MemoryIdempotencyStore(), KEYRING, "identity", identity.clock)
        self.auth, self.token = auth, token
        routers = [revocation_routes(identity.revocations, auth, idempotency)]
        app = create_app("identity", metrics=identity.metrics, health=Health(), routers=routers)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://identity")

    async def ask(self, serial: str, key: str | None = None, token: str | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token or self.token}", "Idempotency-Key": key or str(uuid4())}
        url = f"/v1/cabinet/certificates/{serial}/revocation"
        return await self.http.post(url, json={"reason": "keyCompromise"}, headers=headers)

    def requested(self) -> list[tuple[str, dict[str, object]]]:
        published = [each for each in self.identity.publisher.published if each.topic == "revocation.requested"]
        return [(each.meta.subject, json.loads(each.value)) for each in published]


@pytest.fixture
async def cabinet() -> Cabinet:
    identity = IdentityHarness()
    await identity.proven()
    citizen_id = await identity.service.create_digital_id("7a4b3f0e-5a35-4d0a-9a51-6a5b8f6f4a01", PIN)
    for profile in ("SIGN", "AUTH"):
        await identity.deliver(issued(profile, citizen_id=citizen_id))
    return Cabinet(identity, citizen_id, (await identity.accounts.sign_in(IIN, PIN)).token)


async def test_a_request_is_told_once_and_its_token_is_for_its_code_alone(cabinet: Cabinet) -> None:
    key = str(uuid4())
    first, second = await cabinet.ask("aa01", key), await cabinet.ask("aa01", key)
    assert (first.status_code, first.json()) == (201, second.json())
    ((subject, event),) = cabinet.requested()
    claims = cabinet.auth.authenticate(first.json()["token"])
    assert (claims.role, claims.sub) == ("journey", subject)
    assert (event["serial"], event["reason"], event["citizen_id"]) == ("aa01", "keyCompromise", cabinet.citizen_id)
    assert "7701" not in json.dumps(event), "the phone number travels sealed"
    assert (await cabinet.ask("aa01", token=first.json()["token"])).json()["key"] == "token.wrong_role"


async def test_somebody_elses_and_revoked_certificates_are_refused(cabinet: Cabinet) -> None:
    await cabinet.identity.deliver(revoked("bb02", "AUTH", cabinet.citizen_id))
    refused = [await cabinet.ask("cc03"), await cabinet.ask("bb02")]
    assert [(each.status_code, each.json()["key"]) for each in refused] == [
        (404, "certificate.unknown"),
        (409, "certificate.revoked"),
    ]
    assert not cabinet.requested()


async def test_a_citizen_of_before_phones_were_kept_is_told_of_other_ways(cabinet: Cabinet) -> None:
    citizens = cabinet.identity.citizens.documents
    document = await citizens.load(cabinet.citizen_id)
    assert document is not None
    assert "reach" in document.state
    without = {name: value for name, value in document.state.items() if name != "reach"}
    cabinet.identity.rows["citizens"].rows[cabinet.citizen_id] = type(document)(document.key, document.version, without)
    refused = await cabinet.ask("aa01")
    assert (refused.status_code, refused.json()["key"]) == (409, "citizen.phone_unknown")
    assert isinstance(await cabinet.identity.accounts.citizen(cabinet.citizen_id), Citizen)
