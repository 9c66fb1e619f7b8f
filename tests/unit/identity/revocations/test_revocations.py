"""Asking for a revocation from the cabinet: whose certificates, published once, with a phone and without."""

from uuid import uuid4

import httpx
import pytest

from libs.common.contracts.identity import RevocationRequested
from libs.common.web.tokens import TokenVerifier
from tests.unit.identity.factories import issued, revoked
from tests.unit.identity.harness import IdentityHarness


class Cabinet:
    """A citizen who signed in, at the cabinet's HTTP."""

    def __init__(self, identity: IdentityHarness, citizen_id: str) -> None:
        self.identity, self.citizen_id = identity, citizen_id

    async def ask(self, serial: str, key: str | None = None, token: str | None = None) -> httpx.Response:
        mine = {"Authorization": f"Bearer {token}"} if token else self.identity.session_headers(self.citizen_id)
        return await self.identity.http.post(
            f"/v1/cabinet/certificates/{serial}/revocation",
            json={"reason": "keyCompromise"},
            headers=mine | {"Idempotency-Key": key or str(uuid4())},
        )

    def requested(self) -> list[tuple[str, RevocationRequested]]:
        published = self.identity.service.published(RevocationRequested)
        return [(each.meta.subject, each.event) for each in published]


@pytest.fixture
async def cabinet(identity: IdentityHarness) -> Cabinet:
    journey = await identity.proven()
    citizen_id = await journey.choose_pin()
    for profile in ("SIGN", "AUTH"):
        await identity.receive(issued(profile, citizen_id=citizen_id), journey.id)
    return Cabinet(identity, citizen_id)


async def test_a_request_is_published_once_and_its_token_is_for_its_code_alone(cabinet: Cabinet) -> None:
    key = str(uuid4())
    first, second = await cabinet.ask("aa01", key), await cabinet.ask("aa01", key)
    assert (first.status_code, first.json()) == (201, second.json())
    ((subject, event),) = cabinet.requested()
    keys, clock = cabinet.identity.service.keys.settings("identity"), cabinet.identity.service.clock
    claims = TokenVerifier(keys["identity_jwks"], "identity", clock).verify(first.json()["token"])
    assert (claims.role, claims.sub) == ("journey", subject)
    assert (event.serial, event.reason, event.citizen_id) == ("aa01", "keyCompromise", cabinet.citizen_id)
    assert "7701" not in str(cabinet.identity.surroundings.broker.written), "the phone number travels sealed"
    assert (await cabinet.ask("aa01", token=first.json()["token"])).json()["key"] == "token.wrong_role"


async def test_somebody_elses_and_revoked_certificates_are_refused(cabinet: Cabinet) -> None:
    await cabinet.identity.receive(revoked("bb02", "AUTH", cabinet.citizen_id), "journey")
    refused = [await cabinet.ask("cc03"), await cabinet.ask("bb02")]
    assert [(each.status_code, each.json()["key"]) for each in refused] == [
        (404, "certificate.unknown"),
        (409, "certificate.revoked"),
    ]
    assert not cabinet.requested()


async def test_a_citizen_of_before_phones_were_kept_is_shown_other_ways(cabinet: Cabinet) -> None:
    citizens = cabinet.identity.rows["citizens"]
    document = await citizens.load(cabinet.citizen_id)
    assert document is not None
    assert "reach" in document.state
    without = {name: value for name, value in document.state.items() if name != "reach"}
    citizens.rows[cabinet.citizen_id] = type(document)(document.key, document.version, without)
    refused = await cabinet.ask("aa01")
    assert (refused.status_code, refused.json()["key"]) == (409, "citizen.phone_unknown")
    assert (await cabinet.identity.cabinet(cabinet.citizen_id)).citizen_id == cabinet.citizen_id
