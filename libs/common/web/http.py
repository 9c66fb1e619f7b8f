"""The HTTP side of a service: a FastAPI application that owns everything the service runs.

    app = create_app(
        "One-time codes", metrics=metrics, health=health, components=[database, broker], routers=[routes(service, auth)]
    )

It serves the routers and ``/health/live``, ``/health/ready``, ``/metrics``, ``/openapi.json``, ``/asyncapi``.
Errors become problem documents (`libs.common.web.problems`). Without its components an application does not pretend to
run: they start before the first request is taken, and a start that fails ends the process.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Annotated, Any, Final

import structlog
import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.routing import APIRoute
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import JSONResponse, Response

from libs.common.contracts.asyncapi import asyncapi
from libs.common.contracts.topics import TOPICS
from libs.common.core.health import Component, Health, LoopLag
from libs.common.core.metrics import Metrics
from libs.common.texts.catalogue import Catalogue, shared
from libs.common.texts.languages import Language
from libs.common.web.fast_path import Direct, Endpoint, protocol
from libs.common.web.middleware import BODY_LIMIT_KEY, RequestMiddleware
from libs.common.web.openapi import Application
from libs.common.web.problems import Problems, Statuses, language_of

MB: Final = 1024 * 1024
_SHUTDOWN_S: Final = 20

log = structlog.get_logger()


def create_app(
    title: str,
    *,
    metrics: Metrics,
    health: Health,
    components: Sequence[Component] = (),
    routers: Sequence[APIRouter] = (),
    direct: Sequence[Endpoint] = (),
    problems: Statuses | None = None,
    texts: Catalogue | None = None,
) -> FastAPI:
    """Make the application of a service.

    Args:
        title: what people call the service.
        metrics: its metrics; `metrics.service` is its name in logs.
        health: its probes and checks.
        components: what runs as long as the application does: started in this order, stopped in reverse.
        routers: its routes.
        direct: endpoints that stand before all of this.
        problems: the HTTP status of each of the service's reasons to refuse.
        texts: the service's words; none: those that all services share.
    """
    documents = Problems(texts or shared(), problems or {})
    app = Application(
        title=title,
        lifespan=_lifespan(metrics.service, (LoopLag(metrics.event_loop_lag_seconds), *components)),
        exception_handlers=documents.handlers(),
        docs_url=None,  # it would load scripts from other hosts
        redoc_url=None,
    )
    for router in (*routers, _operations(metrics, health)):
        app.include_router(router)
    app.operations = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    app.statuses = problems or {}
    app.add_middleware(RequestMiddleware, metrics=metrics, problems=documents)
    app.add_middleware(Direct, endpoints=direct)
    app.state.direct = tuple(direct)
    return app


def server(app: FastAPI, host: str, port: int) -> uvicorn.Server:
    """Make a server for the application; `run` it, or await its `serve` beside others."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=protocol(app.state.direct) if app.state.direct else "auto",
        lifespan="on",
        log_config=None,  # libs.common.core.logging has set it up
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_SHUTDOWN_S,
    )
    return uvicorn.Server(config)


def body_limit(limit: int) -> type[APIRoute]:
    """Make the class of routes whose JSON bodies may have up to so many octets; others may have `JSON_LIMIT`.

    router = APIRouter(route_class=body_limit(14 * MB))
    """

    class Limited(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def limited(request: Request) -> Response:
                request.scope[BODY_LIMIT_KEY] = limit
                return await handle(request)

            return limited

    return Limited


def _wanted(request: Request) -> Language:
    return language_of(request.headers)


Wanted = Annotated[Language, Depends(_wanted)]
"""A parameter of a route: the language of ours that the caller reads best."""


def _lifespan(service: str, components: Sequence[Component]) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def run(_app: FastAPI) -> AsyncIterator[None]:
        # Tasks that components start inherit the context, so their log lines name the service.
        structlog.contextvars.bind_contextvars(service=service)
        async with AsyncExitStack() as running:
            for component in components:
                await component.start()
                running.push_async_callback(component.stop)
            log.info("service.started")
            yield
            log.info("service.stopping")

    return run


def _operations(metrics: Metrics, health: Health) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/health/live")
    async def live() -> JSONResponse:
        stalled = health.stalled()
        return JSONResponse({"alive": not stalled, "stalled_s": dict(stalled)}, 503 if stalled else 200)

    @router.get("/health/ready")
    async def ready() -> JSONResponse:
        missing = await health.unready()
        report = {"ready": not missing, "no_answer_from": missing, **health.notes}
        return JSONResponse(report, 503 if missing else 200)

    @router.get("/asyncapi")
    async def read_topics() -> JSONResponse:
        return JSONResponse(
            asyncapi([topic for topic in TOPICS if metrics.service in (topic.producer, *topic.consumers)])
        )

    @router.get("/metrics")
    async def read_metrics() -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return router
