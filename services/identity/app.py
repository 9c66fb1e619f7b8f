"""How identity is put together."""

from typing import Final

import httpx

from libs.common.core.sealing import Keyring
from libs.common.core.values import Clock, NewId, new_id, utc_now
from libs.common.delivery.aggregates import Aggregates
from libs.common.web.backend import Backend
from libs.common.web.service import App, build_base
from libs.common.web.tokens import TokenIssuer
from services.identity.accounts.api import key_routes, session_routes
from services.identity.accounts.hashing import Pins
from services.identity.accounts.pins import PinHash
from services.identity.accounts.service import Accounts
from services.identity.cabinet.api import cabinet_routes
from services.identity.cabinet.service import CabinetService
from services.identity.collections import CITIZENS, JOURNEYS, PHONE_OWNERS, REVOCATIONS, SIGN_INS
from services.identity.handlers import Handlers
from services.identity.journeys.api import Tickets, beginning_routes, journey_routes
from services.identity.journeys.service import JourneyService
from services.identity.mcb.gateway import DevelopmentMcb, HttpMcb, MobileCitizensBase
from services.identity.mcb.states import PhoneOwner
from services.identity.metrics import JourneyMetrics
from services.identity.problems import PROBLEMS, TEXTS
from services.identity.register.gateway import DevelopmentRegister, HttpRegister, PopulationRegister
from services.identity.register.people import read_people
from services.identity.revocations.api import revocation_routes
from services.identity.revocations.service import RevocationService
from services.identity.settings import Settings

ASK_TIMEOUT_S: Final = 10.0


def build(settings: Settings, *, clock: Clock = utc_now, new_id: NewId = new_id, backend: Backend | None = None) -> App:
    """Make the application, with every collaborator in sight."""
    base = build_base("identity", settings, clock, new_id, answers_key=PinHash.audience, backend=backend)
    journeys = base.engine.open(JOURNEYS)
    citizens = base.engine.open(CITIZENS)
    sign_ins = base.engine.open(SIGN_INS)
    wishes = base.engine.open(REVOCATIONS)
    phone_owners = base.engine.open(PHONE_OWNERS)
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
        metrics=JourneyMetrics(base.metrics),
        clock=clock,
    )
    cabinet = CabinetService(citizens.aggregates, accounts)
    revocations = RevocationService(wishes.aggregates, accounts, tokens, clock)
    return base.app(
        "Journeys and Digital IDs",
        routers=[
            beginning_routes(service, base.auth, base.idempotency, Tickets(tokens, clock)),
            journey_routes(service, base.auth, base.idempotency),
            session_routes(accounts),
            cabinet_routes(cabinet, base.auth),
            revocation_routes(revocations, base.auth, base.idempotency),
            key_routes(settings.key_set),
        ],
        routes=Handlers(service, cabinet).routes(),
        kinds=[journeys, citizens, sign_ins, wishes, phone_owners],
        problems=PROBLEMS,
        texts=TEXTS,
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
