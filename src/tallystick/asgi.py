"""The ASGI application of a server process: routes, error handlers, and what is around every request."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, Request, Response
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import HTTPException

from tallystick.api.dependencies import ApiServices
from tallystick.api.direct_recording import record_directly
from tallystick.api.metrics import measure_requests
from tallystick.api.problems import HANDLERS, problem
from tallystick.api.routes import API
from tallystick.app import Services, build, running
from tallystick.http.head_requests import answer_head
from tallystick.http.request import BoundedRequest
from tallystick.http.request_log import log_requests
from tallystick.settings import Settings
from tallystick.web.error_pages import show_error, wants_page
from tallystick.web.routes import WEB

# The services that a handler can name as a parameter.
INJECTED = (
    "settings", "database", "pools", "store", "authenticator", "sign_in", "recorder", "finder", "hub", "prover",
    "checker", "exporter", "eraser", "destination_context", "delivery_worker", "bodies", "data_access",
)  # fmt: skip


def _no_handler(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """For what no handler takes: a page for people, a problem document for programs."""
    return show_error(request, error) if wants_page(request) else problem(request, error)


def create_app(settings: Settings, services: Services | None = None) -> Litestar:
    """The server as an ASGI application; it runs from start-up to shut-down of its lifespan."""
    made = services or build(settings)

    def provide(value: Any) -> Provide:
        return Provide(lambda: value, sync_to_thread=False, use_cache=True)

    @asynccontextmanager
    async def lifespan(_app: Litestar) -> AsyncIterator[None]:
        async with running(made):
            yield

    for_api = ApiServices(
        made.settings, made.connections.recording, made.database, made.pools, made.store, made.authenticator,
        made.recorder, made.finder, made.hub, made.prover, made.checker, made.eraser, made.exporter,
        made.destination_context, made.delivery_worker, made.bodies, made.data_access, made.disk,
    )  # fmt: skip
    app = Litestar(
        route_handlers=[API, WEB],
        lifespan=[lifespan],
        dependencies={name: provide(getattr(made, name)) for name in INJECTED} | {"services": provide(for_api)},
        request_class=BoundedRequest,
        exception_handlers={**HANDLERS, HTTPException: _no_handler},
        openapi_config=None,
        state=State({"public_url": settings.public_url}),
        logging_config=None,  # telemetry.configure_logging decides
        debug=False,
    )
    direct = record_directly(answer_head(app.asgi_handler), app, for_api)
    measured = measure_requests(direct)
    app.asgi_handler = log_requests(measured, settings.trusted_proxies, access_log=settings.access_log == "on")
    return app
