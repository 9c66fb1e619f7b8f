"""Who gets in, and who does not."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from fastapi import APIRouter, Depends, FastAPI
from hypothesis import given
from hypothesis import strategies as st

from libs.common.core.errors import Refused
from libs.common.core.health import Health
from libs.common.core.metrics import Metrics
from libs.common.web.http import create_app
from libs.common.web.refusals import HTTP_PROBLEMS
from libs.common.web.tokens import STAFF_ALGORITHMS, STAFF_ROLES, Authenticator, Claims, TokenIssuer, TokenVerifier

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
JOURNEY, OTHER = "6d1f2f4e-8f57-4d0c-9d5b-111122223333", "6d1f2f4e-8f57-4d0c-9d5b-444455556666"


class Clock:
    now = NOON

    def __call__(self) -> datetime:
        return self.now


KEY = ed25519.Ed25519PrivateKey.generate()
ISSUER = TokenIssuer(KEY, "identity", "k1", lambda: NOON)
JWKS = json.dumps(ISSUER.jwks())
STAFF_KEYS: dict[str, Any] = {
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "RS256": rsa.generate_private_key(65537, 2048),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
STAFF_ISSUER = "https://staff.example"


def staff_jwks() -> str:
    algorithms = jwt.algorithms.get_default_algorithms()
    keys = [
        {**json.loads(algorithms[alg].to_jwk(key.public_key())), "kid": alg, "alg": alg}
        for alg, key in STAFF_KEYS.items()
    ]
    return json.dumps({"keys": keys})


def verifier(clock: Callable[[], datetime] = Clock()) -> TokenVerifier:  # noqa: B008 - it never moves here
    return TokenVerifier(JWKS, "identity", clock)


def staff_verifier(**options: Any) -> TokenVerifier:
    return TokenVerifier(staff_jwks(), STAFF_ISSUER, Clock(), roles=STAFF_ROLES, algorithms=STAFF_ALGORITHMS, **options)


def payload(**changes: Any) -> dict[str, Any]:
    at = int(NOON.timestamp())
    usual = {"iss": "identity", "sub": JOURNEY, "role": "journey", "iat": at, "exp": at + 3600}
    return {name: value for name, value in (usual | changes).items() if value is not None}


def signed(claims: dict[str, Any], key: Any = KEY, alg: str = "EdDSA", kid: str | None = "k1") -> str:
    return jwt.encode(claims, key, algorithm=alg, headers={"kid": kid} if kid else {})


def staff_token(alg: str = "ES256", **changes: Any) -> str:
    usual = payload(iss=STAFF_ISSUER, sub="officer-7", role="officer", region="75")
    return signed({n: v for n, v in (usual | changes).items() if v is not None}, STAFF_KEYS[alg], alg, alg)


def refusal(token: str, by: TokenVerifier | None = None) -> str:
    with pytest.raises(Refused) as caught:
        (by or verifier()).verify(token)
    assert HTTP_PROBLEMS[caught.value.key] == 401
    return caught.value.key


def test_a_journey_token_says_which_journey_and_how_long() -> None:
    claims = verifier().verify(ISSUER.journey(JOURNEY, HOUR))
    assert (claims.role, claims.sub, claims.iss) == ("journey", JOURNEY, "identity")
    assert (claims.iat, claims.exp) == (NOON, NOON + HOUR)


def test_a_citizen_token_says_which_citizen_and_person() -> None:
    claims = verifier().verify(ISSUER.citizen("c-1", "p-1", HOUR))
    assert (claims.role, claims.sub, claims.person_ref) == ("citizen", "c-1", "p-1")


def test_a_token_lives_exactly_as_long_as_it_says() -> None:
    clock = Clock()
    token = ISSUER.journey(JOURNEY, HOUR)
    clock.now = NOON + HOUR - timedelta(seconds=1)
    verifier(clock).verify(token)
    clock.now = NOON + HOUR
    assert refusal(token, verifier(clock)) == "token.expired"


@pytest.mark.parametrize("missing", ["iss", "sub", "iat", "exp", "role"])
def test_a_token_without_one_of_its_claims_is_invalid(missing: str) -> None:
    assert refusal(signed(payload(**{missing: None}))) == "token.invalid"


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "somebody"},
        {"role": "admin"},
        {"role": "officer", "region": "75"},  # identity makes no staff tokens
        {"role": "citizen"},  # for no person
        {"sub": ""},
        {"sub": 7},
        {"exp": "tomorrow"},
        {"exp": None},
        {"iat": int(NOON.timestamp()) + 120},
        {"nbf": int(NOON.timestamp()) + 120},
    ],
)
def test_a_token_with_a_claim_that_cannot_be_is_invalid(changes: dict[str, Any]) -> None:
    assert refusal(signed(payload(**changes))) == "token.invalid"


def test_a_token_that_somebody_else_signed_is_invalid() -> None:
    assert refusal(signed(payload(), ed25519.Ed25519PrivateKey.generate())) == "token.invalid"


@pytest.mark.parametrize("kid", [None, "k2"])
def test_a_token_of_an_unnamed_or_unknown_key_is_invalid(kid: str | None) -> None:
    assert refusal(signed(payload(), kid=kid)) == "token.invalid"


def test_a_token_without_a_signature_is_invalid() -> None:
    assert refusal(jwt.encode(payload(), "", algorithm="none", headers={"kid": "k1"})) == "token.invalid"


def test_a_public_key_cannot_be_used_as_a_shared_secret() -> None:
    # The confusion of RFC 8725, section 2.1: HS256 with the published key as its secret.
    public = base64.urlsafe_b64decode(json.loads(JWKS)["keys"][0]["x"] + "=")
    forged = jwt.encode(payload(), public, algorithm="HS256", headers={"kid": "k1"})
    assert refusal(forged) == "token.invalid"


@given(st.text(max_size=200))
def test_no_text_at_all_breaks_the_check(text: str) -> None:
    with pytest.raises(Refused):
        Authenticator(verifier()).authenticate(text)


@given(st.data())
def test_a_token_with_one_character_changed_is_invalid(data: st.DataObject) -> None:
    token = ISSUER.journey(JOURNEY, HOUR)
    # The last character of a base64 part may hold bits that mean nothing.
    ends = {index for index, _ in enumerate(token) if index + 1 == len(token) or token[index + 1] == "."}
    place = data.draw(st.integers(0, len(token) - 1).filter(lambda i: i not in ends and token[i] != "."))
    other = data.draw(st.sampled_from("ABCDEFGHabcdefgh0123456789-_").filter(lambda c: c != token[place]))
    with pytest.raises(Refused):
        Authenticator(verifier()).authenticate(token[:place] + other + token[place + 1 :])


@pytest.mark.parametrize("alg", STAFF_ALGORITHMS)
def test_staff_tokens_may_be_signed_in_any_of_three_ways(alg: str) -> None:
    claims = staff_verifier().verify(staff_token(alg))
    assert (claims.role, claims.region, claims.sub) == ("officer", "75", "officer-7")


def test_a_staff_token_may_not_name_one_key_and_use_the_algorithm_of_another() -> None:
    crossed = signed(payload(iss=STAFF_ISSUER, role="clerk"), STAFF_KEYS["RS256"], "RS256", "ES256")
    assert refusal(crossed, staff_verifier()) == "token.invalid"


@pytest.mark.parametrize("role", ["journey", "citizen"])
def test_the_staff_issuer_cannot_make_a_citizens_token(role: str) -> None:
    assert refusal(staff_token(role=role, person_ref="p-1"), staff_verifier()) == "token.invalid"


def test_an_officer_without_a_region_is_invalid_and_a_clerk_needs_none() -> None:
    assert refusal(staff_token(region=None), staff_verifier()) == "token.invalid"
    assert staff_verifier().verify(staff_token(role="clerk", region=None)).region is None


def test_a_staff_token_for_another_audience_is_invalid_where_ours_is_named() -> None:
    ours = staff_verifier(audience="onboarding")
    assert ours.verify(staff_token(aud=["x", "onboarding"])).sub == "officer-7"
    assert refusal(staff_token(aud="payroll"), ours) == refusal(staff_token(), ours) == "token.invalid"


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ([{"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA", "kid": "1"}], "symmetric"),
        ([{**jwt.algorithms.OKPAlgorithm.to_jwk(KEY, as_dict=True), "kid": "1"}], "private"),
        ([{"kty": "OKP", "crv": "Ed25519", "x": "AAAA", "kid": "1"}], "cannot be used"),
        ([{k: v for k, v in json.loads(JWKS)["keys"][0].items() if k != "kid"}], "needs kid"),
        ([], "has no key for EdDSA"),
        (json.loads(staff_jwks())["keys"][:1], "has no key for EdDSA"),
    ],
)
def test_a_key_set_that_cannot_be_used_is_refused_without_showing_it(keys: list[Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as caught:
        TokenVerifier(json.dumps({"keys": keys}), "identity", Clock())
    for key in keys:
        assert not [value for value in key.values() if len(value) > 20 and value in str(caught.value)]


def test_the_published_key_set_holds_no_private_part() -> None:
    (key,) = ISSUER.jwks()["keys"]
    assert set(key) == {"kty", "crv", "x", "kid", "alg", "use"}


@pytest.fixture
def app() -> FastAPI:
    auth = Authenticator(verifier(), staff_verifier())
    router = APIRouter()

    @router.get("/v1/journeys/{journey_id}")
    async def journey(journey_id: str, claims: Annotated[Claims, Depends(auth.journey_of("journey_id"))]) -> str:
        return claims.sub if claims.sub == journey_id.lower() else "another's"

    @router.get("/v1/cabinet")
    async def cabinet(claims: Annotated[Claims, Depends(auth.citizen())]) -> str | None:
        return claims.person_ref

    @router.get("/v1/officer")
    async def officer(claims: Annotated[Claims, Depends(auth.staff("officer"))]) -> str | None:
        return claims.region

    @router.get("/v1/either")
    async def either(claims: Annotated[Claims, Depends(auth.token_of("citizen", "clerk"))]) -> str:
        return claims.role

    return create_app("Test", metrics=Metrics("test"), health=Health(), routers=[router])


CITIZEN, JOURNEY_TOKEN = ISSUER.citizen("c-1", "p-1", HOUR), ISSUER.journey(JOURNEY, HOUR)


@pytest.mark.parametrize(
    ("path", "token", "answer"),
    [
        (f"/v1/journeys/{JOURNEY}", JOURNEY_TOKEN, JOURNEY),
        (f"/v1/journeys/{JOURNEY.upper()}", JOURNEY_TOKEN, JOURNEY),
        (f"/v1/journeys/{OTHER}", JOURNEY_TOKEN, (403, "token.wrong_subject")),
        (f"/v1/journeys/{JOURNEY}", CITIZEN, (403, "token.wrong_role")),
        (f"/v1/journeys/{JOURNEY}", None, (401, "token.missing")),
        (f"/v1/journeys/{JOURNEY}", "rubbish", (401, "token.invalid")),
        (f"/v1/journeys/{JOURNEY}", "x" * 9000, (401, "token.invalid")),
        (f"/v1/journeys/{JOURNEY}", ISSUER.journey(JOURNEY, -HOUR), (401, "token.expired")),
        ("/v1/cabinet", CITIZEN, "p-1"),
        ("/v1/cabinet", JOURNEY_TOKEN, (403, "token.wrong_role")),
        ("/v1/officer", staff_token(), "75"),
        ("/v1/officer", staff_token(role="clerk"), (403, "token.wrong_role")),
        ("/v1/officer", signed(payload(iss="nobody")), (401, "token.invalid")),
        ("/v1/either", CITIZEN, "citizen"),
        ("/v1/either", staff_token(role="clerk"), "clerk"),
        ("/v1/either", staff_token(), (403, "token.wrong_role")),
    ],
)
async def test_a_route_lets_in_whom_it_names_and_nobody_else(
    app: FastAPI, path: str, token: str | None, answer: str | tuple[int, str]
) -> None:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
        got = await client.get(path, headers=headers)
    if isinstance(answer, str):
        assert (got.status_code, got.json()) == (200, answer)
    else:
        assert (got.status_code, got.json()["key"]) == answer
        assert ("www-authenticate" in got.headers) == (got.status_code == 401)
