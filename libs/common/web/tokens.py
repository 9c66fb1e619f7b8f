"""Who is asking: bearer tokens (RFC 6750) as signed JWTs (RFC 7519, RFC 8725), made here and checked here.

Identity makes journey and citizen tokens with an Ed25519 key; every service checks them by the public key alone.
Clerks, officers and auditors come with a token of the operator's OpenID provider. A route says whom it lets in::

    def routes(service: Service, auth: Authenticator) -> APIRouter:
        router = APIRouter()

        @router.post("/v1/journeys/{journey_id}/code")
        async def check(
            journey_id: JourneyId, token: Annotated[Claims, Depends(auth.journey_of("journey_id"))], body: Code
        ) -> Verified: ...
"""

import json
from base64 import urlsafe_b64decode
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal, Self

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field, model_validator

from libs.common.core.errors import Refused
from libs.common.core.values import Clock
from libs.common.web.refusals import HttpRefusal

Role = Literal["journey", "citizen", "clerk", "officer", "auditor"]
CITIZEN_ROLES: Final[frozenset[str]] = frozenset({"journey", "citizen"})
STAFF_ROLES: Final[frozenset[str]] = frozenset({"clerk", "officer", "auditor"})

CITIZEN_ALGORITHMS: Final = ("EdDSA",)
STAFF_ALGORITHMS: Final = ("EdDSA", "ES256", "RS256")

_MAX_TOKEN_CHARS: Final = 8192
_SKEW: Final = timedelta(seconds=60)
"""How far another machine's clock may be ahead of ours."""


class Claims(BaseModel):
    """What a verified token says. `sub` is a journey, a citizen, or a member of staff, by `role`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    iss: str
    sub: Annotated[str, Field(min_length=1, max_length=200)]
    role: Role
    iat: datetime
    exp: datetime
    nbf: datetime | None = None
    person_ref: str | None = None
    region: str | None = None

    @model_validator(mode="after")
    def _check_complete(self) -> Self:
        if self.role == "citizen" and not self.person_ref:
            raise ValueError("a citizen token says which person it speaks for")
        if self.role == "officer" and not self.region:
            raise ValueError("an officer's token says which region it is for")
        return self


class TokenIssuer:
    """Makes tokens.

    Args:
        private_key: the signing key.
        issuer: the ``iss`` of the tokens.
        kid: names the key, so that it can be changed while tokens of the older one are about.
        clock: the present moment.
    """

    def __init__(self, private_key: Ed25519PrivateKey, issuer: str, kid: str, clock: Clock) -> None:
        self._key = private_key
        self._issuer = issuer
        self._kid = kid
        self._clock = clock

    def journey(self, journey_id: str, ttl: timedelta) -> str:
        """Make the token that binds a browser to its journey."""
        return self._issue({"sub": journey_id, "role": "journey"}, ttl)

    def citizen(self, citizen_id: str, person_ref: str, ttl: timedelta) -> str:
        """Make the token of a citizen's session."""
        return self._issue({"sub": citizen_id, "role": "citizen", "person_ref": person_ref}, ttl)

    def jwks(self) -> dict[str, Any]:
        """Return the public key as a JWK set (RFC 7517)."""
        public = jwt.algorithms.OKPAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return {"keys": [{**public, "kid": self._kid, "alg": "EdDSA", "use": "sig"}]}

    def _issue(self, claims: dict[str, str], ttl: timedelta) -> str:
        now = self._clock()
        payload = {"iss": self._issuer, "iat": int(now.timestamp()), "exp": int((now + ttl).timestamp()), **claims}
        return jwt.encode(payload, self._key, algorithm="EdDSA", headers={"kid": self._kid})


class TokenVerifier:
    """Checks tokens of one issuer, and only for the roles that this issuer may give.

    Args:
        jwks: the issuer's public keys, a JWK set as JSON; each key has a ``kid``.
        issuer: the ``iss`` it must have.
        clock: the present moment.
        roles: what its tokens may be; a staff issuer cannot make a citizen's token.
        algorithms: the signatures accepted; never a symmetric one.
        audience: the ``aud`` it must name; None: not looked at.

    Raises:
        ValueError: the set holds a key that cannot be used.
    """

    def __init__(
        self,
        jwks: str,
        issuer: str,
        clock: Clock,
        *,
        roles: Iterable[str] = CITIZEN_ROLES,
        algorithms: Iterable[str] = CITIZEN_ALGORITHMS,
        audience: str | None = None,
    ) -> None:
        self.issuer: Final = issuer
        self._clock = clock
        self._roles = frozenset(roles)
        self._audience = audience
        self._keys = _public_keys(jwks, frozenset(algorithms))

    def verify(self, token: str) -> Claims:
        """Check signature, issuer, times and role.

        Raises:
            Refused: ``token.invalid`` or ``token.expired``, 401. Which check failed is not told.
        """
        try:
            key = self._keys[str(_unchecked(token, _HEADER)["kid"])]
            payload = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                issuer=self.issuer,
                audience=self._audience,
                options={
                    "require": ["exp", "iat", "iss", "sub"],
                    "verify_aud": self._audience is not None,
                    # Times are checked below, by the clock we were given.
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
            claims = Claims.model_validate(payload)
        except (jwt.PyJWTError, LookupError, TypeError, ValueError):
            raise invalid() from None
        return self._in_time(claims)

    def _in_time(self, claims: Claims) -> Claims:
        now = self._clock()
        if claims.role not in self._roles or max(claims.iat, claims.nbf or claims.iat) > now + _SKEW:
            raise invalid()
        if claims.exp <= now:
            raise Refused(HttpRefusal.TOKEN_EXPIRED)
        return claims


class Authenticator:
    """Tells who is asking, by the verifier of the issuer that the token names."""

    def __init__(self, *verifiers: TokenVerifier) -> None:
        self._verifiers = {verifier.issuer: verifier for verifier in verifiers}

    def authenticate(self, token: str) -> Claims:
        """Check a token of any of the issuers.

        Raises:
            Refused: ``token.invalid`` or ``token.expired``, 401.
        """
        if len(token) > _MAX_TOKEN_CHARS:
            raise invalid()
        try:
            verifier = self._verifiers[_unchecked(token, _CLAIMS)["iss"]]
        except (LookupError, TypeError, ValueError):
            raise invalid() from None
        return verifier.verify(token)

    def token_of(self, *roles: Role) -> Callable[..., Awaitable[Claims]]:
        """Make a dependency that lets these roles in.

        Raises (when a request comes):
            Refused: ``token.missing``, ``token.invalid``, ``token.expired``, 401; ``token.wrong_role``, 403.
        """

        async def require(
            request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
        ) -> Claims:
            if credentials is None:
                raise Refused(HttpRefusal.TOKEN_MISSING)
            claims = self.authenticate(credentials.credentials)
            if claims.role not in roles:
                raise Refused(HttpRefusal.TOKEN_WRONG_ROLE)
            request.state.claims = claims
            return claims

        return require

    def journey_of(self, parameter: str = "journey_id") -> Callable[..., Awaitable[Claims]]:
        """Make a dependency that lets in the journey in the path, and no other.

        Args:
            parameter: the path parameter that holds the journey's identifier.

        Raises (when a request comes):
            Refused: as `token_of`; ``token.wrong_subject``, 403, for another journey's token.
        """
        allowed = self.token_of("journey")

        async def require(request: Request, claims: Annotated[Claims, Depends(allowed)]) -> Claims:
            if claims.sub != request.path_params[parameter].lower():
                raise Refused(HttpRefusal.TOKEN_WRONG_SUBJECT)
            return claims

        return require

    def citizen(self) -> Callable[..., Awaitable[Claims]]:
        """Make a dependency that lets a signed-in citizen in."""
        return self.token_of("citizen")

    def staff(self, role: Literal["clerk", "officer", "auditor"]) -> Callable[..., Awaitable[Claims]]:
        """Make a dependency that lets a member of staff in; an officer's claims hold the region."""
        return self.token_of(role)


def invalid() -> Refused:
    """Make the one refusal for every token that is not what it should be."""
    return Refused(HttpRefusal.TOKEN_INVALID)


def _unchecked(token: str, part: int) -> Any:
    """Read a part of a token before anything is checked, only to find out whose key has to check it.

    Raises:
        LookupError, ValueError: it has no such part, or that is not JSON.
    """
    text = token.split(".")[part]
    return orjson.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))


_HEADER, _CLAIMS = 0, 1
_BEARER: Final = HTTPBearer(auto_error=False, bearerFormat="JWT")


def _public_keys(jwks: str, algorithms: frozenset[str]) -> dict[str, jwt.PyJWK]:
    try:
        published = json.loads(jwks)["keys"]
        keys = {str(data["kid"]): jwt.PyJWK(data) for data in published if data.get("use") != "enc"}
    except (jwt.PyJWTError, KeyError, TypeError, ValueError):
        # The cause is left out: it quotes the key, and somebody may have put a private one here.
        raise ValueError("the key set cannot be used: every key needs kid, kty and its public numbers") from None
    if any("d" in data or data["kty"] == "oct" for data in published):
        raise ValueError("the key set holds a private or symmetric key; only public keys belong there")
    usable = {kid: key for kid, key in keys.items() if key.algorithm_name in algorithms}
    if not usable:
        raise ValueError(f"the key set has no key for {', '.join(sorted(algorithms))}")
    return usable
