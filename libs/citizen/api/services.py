"""Where the five services are, and the connection to them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Self

import httpx
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.citizen.api.biometrics import Biometrics
from libs.citizen.api.ca import Ca
from libs.citizen.api.caller import DEFAULT_PATIENCE, Caller, Patience
from libs.citizen.api.identity import Identity
from libs.citizen.api.kandas import Kandas
from libs.citizen.api.otp import Otp
from libs.common.texts.languages import Language

_REQUEST_TIMEOUT: Final = httpx.Timeout(30.0, pool=None)  # waiting for a free connection is no sign of trouble


class Endpoints(BaseSettings):
    """Where the services are, for how long one may be away, and in which language they answer.

    Read from ``CITIZEN_IDENTITY`` and so on, or from arguments.
    """

    model_config = SettingsConfigDict(env_prefix="CITIZEN_", frozen=True)

    identity: str = "http://127.0.0.1:8001"
    otp: str = "http://127.0.0.1:8002"
    biometrics: str = "http://127.0.0.1:8003"
    ca: str = "http://127.0.0.1:8004"
    kandas: str = "http://127.0.0.1:8005"
    patience_seconds: float = Field(default=DEFAULT_PATIENCE.total, ge=0)
    language: Language = Language.KAZAKH


@dataclass(frozen=True)
class Services:
    """All five services. Holds no tokens, so one of these serves any number of citizens at once."""

    identity: Identity
    otp: Otp
    biometrics: Biometrics
    ca: Ca
    kandas: Kandas

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        endpoints: Endpoints,
        patience: Patience | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> AsyncIterator[Self]:
        """Open connections for the time of the context. Redirects are not followed: they would carry tokens away."""
        patience = patience or Patience(total=endpoints.patience_seconds)
        unlimited = httpx.Limits(max_connections=None, max_keepalive_connections=64)
        accepted = {"Accept-Language": endpoints.language}
        async with httpx.AsyncClient(
            timeout=_REQUEST_TIMEOUT, limits=unlimited, transport=transport, headers=accepted
        ) as http:
            yield cls(
                identity=Identity(Caller(http, endpoints.identity, patience)),
                otp=Otp(Caller(http, endpoints.otp, patience)),
                biometrics=Biometrics(Caller(http, endpoints.biometrics, patience)),
                ca=Ca(Caller(http, endpoints.ca, patience)),
                kandas=Kandas(Caller(http, endpoints.kandas, patience)),
            )
