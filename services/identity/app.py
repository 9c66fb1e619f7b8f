"""How identity is put together."""

from typing import Final

import httpx

from libs.common.core.sealing import Keyring
from libs.common.core.values import Clock, NewId, new_id, utc_now
from libs.common.delivery.aggregates import Aggregates
from libs.common.web.backend import Backend
from libs.common.web.service import App, build_base
from libs.common.web.tokens import TokenIssuer
from services.identity import api
from services.identity.accounts import Accounts
from services.identity.citizens import Citizen
from services.identity.handlers import Handlers
from services.identity.mcb import DevelopmentMcb, HttpMcb, MobileCitizensBase, PhoneOwner
from services.identity.pins import PinHash, Pins
from services.identity.register import DevelopmentRegister, HttpRegister, PopulationRegister, read_people
from services.identity.revocations import Requested, Revocations
from services.identity.service import JourneyService
from services.identity.settings import Settings
from services.identity.sign_ins import SignIns
from services.identity.states import Journey

ASK_TIMEOUT_S: Final = 10.0


def build(settings: Settings, *, clock: Clock = utc_now, new_id: NewId = new_id, backend: Backend | None = None) -> App:
    """Make the application, with every collaborator in sight."""
    base = build_base("identity", settings, clock, new_id, answers_key=PinHash.audience, backend=backend)
    journeys = base.engine.kind(Journey, "journeys")
    citizens = base.engine.kind(Citizen, "citizens")
    sign_ins = base.engine.kind(SignIns, "sign_ins")
    phone_owners = base.engine.kind(PhoneOwner, "phone_owners")
    tokens = TokenIssuer(settings.private_key, settings.identity_issuer, settings.kid, clock)
    accounts = Accounts(
        citizens.aggregates,
        sign_ins.aggregates,
        base.reservations,
        Pins(settings.pin_hash),
        tokens,
        rules=settings.sign_in,
        keyring=base.keyring,
        clock=clock,
        new_id=new_id,
    )
    service = JourneyService(
        journeys.aggregates,
        accounts,
        _register(settings, base.backend),
        _mcb(settings, base.backend, phone_owners.aggregates, base.keyring),
        rules=settings.rules,
        keyring=base.keyring,
        metrics=base.metrics,
        clock=clock,
    )
    requests = base.engine.kind(Requested, "revocations")
    revocations = Revocations(requests.aggregates, accounts, tokens, clock)
    return base.app(
        "Journeys and Digital IDs",
        routers=[
            api.beginning_routes(service, base.auth, base.idempotency, api.Tickets(tokens, clock)),
            api.journey_routes(service, base.auth, base.idempotency),
            api.account_routes(accounts, base.auth),
            api.revocation_routes(revocations, base.auth, base.idempotency),
            api.key_routes(settings.key_set),
        ],
        routes=Handlers(service, accounts).routes(),
        kinds=[journeys, citizens, sign_ins, phone_owners, requests],
        timers=[base.engine.timers(journeys, service.wake)],
    )


def _register(settings: Settings, backend: Backend) -> PopulationRegister:
    if settings.register_url is not None and settings.register_token is not None:
        return HttpRegister(_client(backend, settings.register_url, settings.register_token.get_secret_value()))
    return DevelopmentRegister(read_people(settings.development_people))


def _mcb(settings: Settings, backend: Backend, owners: Aggregates[PhoneOwner], keyring: Keyring) -> MobileCitizensBase:
    if settings.mcb_url is not None and settings.mcb_token is not None:
        return HttpMcb(_client(backend, settings.mcb_url, settings.mcb_token.get_secret_value()))
    return DevelopmentMcb(owners, keyring, read_people(settings.development_people))


def _client(backend: Backend, url: str, token: str) -> httpx.AsyncClient:
    return backend.http_client(url, {"Authorization": f"Bearer {token}"}, ASK_TIMEOUT_S)
