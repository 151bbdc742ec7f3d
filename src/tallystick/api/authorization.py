"""Authorizes a request by its API key."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from litestar import Request

from tallystick.access.audit import Caller
from tallystick.access.client_address import client_address
from tallystick.access.scopes import narrowed, require, require_whole_trail
from tallystick.api.dependencies import ApiServices
from tallystick.api.operation import operation_of
from tallystick.errors import Unauthorized
from tallystick.http.request import forwarded_for
from tallystick.query.scope import Scope
from tallystick.setting_values import Network

SHORT = 200  # longer values of X-Forwarded-For are not cached
HOW = "Send the header `Authorization: Bearer tsk_…` with an API key."


async def authorize_scope(request: Request[Any, Any, Any], services: ApiServices) -> Scope:
    """The scope of the request's API key, which has the permissions that the endpoint declares, and no others.

    A request that reads events is counted. Raises Unauthorized, Forbidden (`missing_permission`; `whole_trail_only` for
    a key with a filter at an endpoint that does not declare that it obeys filters), TooMany.
    """
    scope = await scope_of(request, services)
    if "events:read" in operation_of(request).permissions:
        services.data_access.note_request(scope, _address(request, services))
    return scope


async def scope_of(request: Request[Any, Any, Any], services: ApiServices) -> Scope:
    """The scope as `authorize_scope` gives it, of a request that was counted already. Raises the same."""
    declared = operation_of(request)
    if not declared.permissions:
        raise AssertionError("this endpoint takes no key")
    token = bearer_token(request.headers.getall("authorization", []))
    address = _address(request, services)
    scope = services.authenticator.cached_scope(token, address)
    if scope is None:
        scope = await services.recording_database.run(services.authenticator.key_scope, token, address)
    require(scope, *declared.permissions)
    if not declared.serves_filtered:
        require_whole_trail(scope)
    return narrowed(scope, declared.usable)


def caller_of(request: Request[Any, Any, Any], services: ApiServices) -> Caller:
    """Where the request comes from, for the context of audit events that it causes."""
    client = request.scope["client"]
    peer = client[0] if client else ""
    agent = request.headers.get("user-agent", "")
    return Caller(address=_address(request, services), peer=peer, user_agent=agent, source="api")


def bearer_token(given: Sequence[str]) -> str:
    """The API key in the Authorization headers of a request. Unauthorized: `no_api_key`, `bad_authorization`."""
    if not given:
        raise Unauthorized(f"An API key is required. {HOW}", code="no_api_key")
    if len(given) > 1:
        raise Unauthorized(f"The request has several Authorization headers. {HOW}", code="bad_authorization")
    scheme, _, token = given[0].strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized(f"The Authorization header holds no bearer key. {HOW}", code="bad_authorization")
    return token.strip()


def _address(request: Request[Any, Any, Any], services: ApiServices) -> str:
    return known_address(request.scope["client"], forwarded_for(request), services.settings.trusted_proxies)


def known_address(client: tuple[str, int] | None, forwarded: str, trusted_proxies: tuple[Network, ...]) -> str:
    """The client's address, as far as trusted proxies tell; "" over a socket without addresses.

    `client` is that of the ASGI scope, `forwarded` the header X-Forwarded-For.
    """
    peer = client[0] if client else ""
    if len(forwarded) > SHORT:
        return client_address(peer, forwarded, trusted_proxies)[0]
    return _client(peer, forwarded, trusted_proxies)


# Most requests come from a few addresses.
@lru_cache(maxsize=4096)
def _client(peer: str, forwarded: str, trusted_proxies: tuple[Network, ...]) -> str:
    return client_address(peer, forwarded, trusted_proxies)[0]
