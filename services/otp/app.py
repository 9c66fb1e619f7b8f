"""How otp is put together."""

import secrets
from collections.abc import Callable
from typing import Final

from fastapi import APIRouter

from libs.common.core.values import Clock, NewId, new_id, utc_now
from libs.common.web.backend import Backend
from libs.common.web.service import App, build_base
from services.otp.api import code_routes, inbox_routes
from services.otp.collections import CODES, INBOXES, USAGE
from services.otp.handlers import Handlers
from services.otp.problems import PROBLEMS, TEXTS
from services.otp.service import OtpService
from services.otp.settings import Settings
from services.otp.sms import DevelopmentInbox, HttpGateway, SmsGateway

GATEWAY_TIMEOUT_S: Final = 10.0


def build(settings: Settings, *, clock: Clock = utc_now, new_id: NewId = new_id, backend: Backend | None = None) -> App:
    """Make the application, with every collaborator in sight."""
    base = build_base("otp", settings, clock, new_id, answers_key="contact", backend=backend)
    codes = base.engine.open(CODES)
    usage = base.engine.open(USAGE)
    inboxes = base.engine.open(INBOXES)
    gateway, developer_routes = _gateway(settings, base.backend, DevelopmentInbox(inboxes.aggregates, clock))
    service = OtpService(
        codes.aggregates,
        usage.aggregates,
        gateway,
        rules=settings.rules,
        limit_rules=settings.limits,
        clock=clock,
        new_code=random_code(settings.rules.code_digits, new_id),
    )
    return base.app(
        "One-time codes",
        routers=[code_routes(service, base.auth), *developer_routes],
        routes=Handlers(service).routes(),
        kinds=[codes, usage, inboxes],
        problems=PROBLEMS,
        texts=TEXTS,
        timers=[base.engine.timers(codes, service.wake)],
    )


def random_code(digits: int, new_id: NewId) -> Callable[[], tuple[str, str]]:
    """Make the source of codes: uniformly distributed digits from the system's secure generator."""
    return lambda: (f"{secrets.randbelow(10**digits):0{digits}d}", new_id())


def _gateway(settings: Settings, backend: Backend, inbox: DevelopmentInbox) -> tuple[SmsGateway, list[APIRouter]]:
    if settings.sms_url is not None and settings.sms_token is not None:
        token = settings.sms_token.get_secret_value()
        client = backend.http_client(settings.sms_url, {"Authorization": f"Bearer {token}"}, GATEWAY_TIMEOUT_S)
        return HttpGateway(client, settings.sms_url, settings.sms_sender), []
    return inbox, [inbox_routes(inbox)]
