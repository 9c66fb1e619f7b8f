"""How otp is put together."""

import secrets
from collections.abc import Callable

import httpx
from fastapi import APIRouter

from libs.common.core.values import Clock, NewId, new_id, utc_now
from libs.common.web.service import App, build_base
from services.otp import api, domain, limits, sms
from services.otp.handlers import Handlers
from services.otp.service import OtpService
from services.otp.settings import Settings


def build(settings: Settings, *, clock: Clock = utc_now, new_id: NewId = new_id) -> App:
    """Make the application, with every collaborator in sight."""
    base = build_base("otp", settings, clock, new_id, answers_key="contact")
    codes = base.engine.kind(domain.Codes, "codes")
    usage = base.engine.kind(limits.Usage, "usage")
    inboxes = base.engine.kind(sms.Inbox, "inboxes")
    gateway, developer_routes = _gateway(settings, sms.DevelopmentInbox(inboxes.aggregates, clock))
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
        routers=[api.routes(service, base.auth), *developer_routes],
        routes=Handlers(service).routes(),
        kinds=[codes, usage, inboxes],
        timers=[base.engine.timers(codes, service.wake)],
    )


def random_code(digits: int, new_id: NewId) -> Callable[[], tuple[str, str]]:
    """Make the source of codes: uniformly distributed digits from the system's secure generator."""
    return lambda: (f"{secrets.randbelow(10**digits):0{digits}d}", new_id())


def _gateway(settings: Settings, inbox: sms.DevelopmentInbox) -> tuple[sms.SmsGateway, list[APIRouter]]:
    if settings.sms_url is not None and settings.sms_token is not None:
        token = settings.sms_token.get_secret_value()
        client = httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=httpx.Timeout(10.0))
        return sms.HttpGateway(client, settings.sms_url, settings.sms_sender), []
    return inbox, [api.inbox_routes(inbox)]
