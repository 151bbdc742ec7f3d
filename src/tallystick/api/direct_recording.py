"""The usual request that records events, answered without what the framework does for each request."""

from functools import partial
from typing import Any

from litestar import Litestar
from litestar.types import ASGIApp

from tallystick.access.scopes import narrowed, require
from tallystick.api.answers import HEADERS, JSON
from tallystick.api.authorization import bearer_token, known_address
from tallystick.api.dependencies import ApiServices
from tallystick.api.operation import OPTION, Operation
from tallystick.api.problems import problem
from tallystick.api.record_events import CLOUDEVENT_HEADERS, record_events
from tallystick.http.allowance import Reservation
from tallystick.http.body import MOST_BYTES, MOST_SECONDS, read_bytes
from tallystick.http.decompression import too_large
from tallystick.http.request import BoundedRequest
from tallystick.ingest.submission import RecordingAnswer
from tallystick.query.scope import Scope

PATH = "/v1/audit-logs"
_HEADERS = [(name.lower().encode(), text.encode()) for name, text in (HEADERS | {"Content-Type": JSON}).items()]
_EXCESS = partial(too_large, MOST_BYTES)


def record_directly(app: ASGIApp, litestar: Litestar, services: ApiServices) -> ASGIApp:
    """`app`, before which requests are answered that record events and have nothing unusual.

    Those have no query string, no compression, no header twice, and a key whose scope is cached. Their answers are
    those of `record_events`, to which all others go. Routing, injection, and the objects of requests and answers take
    more of the event loop than all the rest of a request with one event.
    """
    declared: Operation = record_events.opt[OPTION]

    async def direct(scope: Any, receive: Any, send: Any) -> None:
        headers = _usual_headers(scope)
        if headers is None:
            await app(scope, receive, send)
            return
        scope["path_template"] = PATH
        try:
            found = _cached_scope(scope, headers, services)
            if found is None:
                await app(scope, receive, send)
                return
            require(found, *declared.permissions)
            recorded = await _record(headers, receive, narrowed(found, declared.usable), services)
        except Exception as error:
            request = BoundedRequest(scope | {"app": litestar}, receive, send)
            answer = problem(request, error).to_asgi_response(litestar, request)
            await answer(scope, receive, send)
            return
        body = recorded.body()
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": 201, "headers": [*_HEADERS, length]})
        await send({"type": "http.response.body", "body": body})

    return direct


def _usual_headers(scope: Any) -> dict[bytes, bytes] | None:
    """The headers of a request that can be answered directly; None for any other."""
    if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST" or scope["query_string"]:
        return None
    headers: dict[bytes, bytes] = dict(scope["headers"])
    is_usual = len(headers) == len(scope["headers"]) and b"content-encoding" not in headers
    return headers if is_usual and CLOUDEVENT_HEADERS.isdisjoint(headers) else None


def _cached_scope(scope: Any, headers: dict[bytes, bytes], services: ApiServices) -> Scope | None:
    given = headers.get(b"authorization")
    token = bearer_token([] if given is None else [given.decode("latin-1")])
    proxies = services.settings.trusted_proxies
    forwarded = headers.get(b"x-forwarded-for", b"").decode("latin-1")
    return services.authenticator.cached_scope(token, known_address(scope["client"], forwarded, proxies))


async def _record(headers: dict[bytes, bytes], receive: Any, scope: Scope, services: ApiServices) -> RecordingAnswer:
    taken = Reservation(services.bodies, scope.org_id)
    declared = headers.get(b"content-length", b"").decode("latin-1")
    key = headers.get(b"idempotency-key")
    try:
        body = await read_bytes(receive, declared, MOST_BYTES, MOST_SECONDS, taken, _EXCESS)
        return await services.recorder.record(
            scope,
            body,
            headers.get(b"content-type", b"").decode("latin-1"),
            idempotency_key=None if key is None else key.decode("latin-1"),
        )
    finally:
        taken.give_back(taken.amount)
