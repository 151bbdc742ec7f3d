"""A request that a key may make, and how what it asks for is looked up or done."""

import re
from collections.abc import Callable, Collection
from typing import Any, TypeVar

import msgspec
from litestar import Request

from tallystick.access.audit import Caller
from tallystick.api.authorization import authorised, calling
from tallystick.api.body import received_body
from tallystick.api.dependencies import ApiServices
from tallystick.api.parameters import Parameters
from tallystick.clock import now_us
from tallystick.errors import BadRequest
from tallystick.query.scope import Permission, Scope

T = TypeVar("T")
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")  # as JSON writes it; PostgreSQL takes none


class Asked:
    """Who asks, with which parameters, where from. It exists only where the key may do this."""

    def __init__(
        self,
        request: Request[Any, Any, Any],
        services: ApiServices,
        scope: Scope,
        parameters: Parameters,
        caller: Caller,
    ) -> None:
        self._request = request
        self._parts = services
        self.scope = scope
        self.parameters = parameters
        self.caller = caller

    @property
    def id(self) -> str:
        """What the path names."""
        return str(self._request.path_params["id"])

    async def body(self, kind: type[T], what: str, code: str, *, empty: bytes = b"") -> T:
        """The body as JSON of that shape; BadRequest (`bad_json`, or `code`). `empty` stands for no body."""
        async with received_body(self._request, self._parts.bodies) as body:
            if _NUL.search(body):
                raise BadRequest("No text may hold the character U+0000.", code=code)
            try:
                return msgspec.json.decode(body or empty, type=kind)
            except msgspec.ValidationError as error:
                raise BadRequest(f"This is no {what}: {error}.", code=code) from None
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise BadRequest(f"This is not JSON: {error}.", code="bad_json") from None

    async def look(self, read: Callable[..., T], *arguments: object, **named: object) -> T:
        """`read(connection, scope, …)` in one transaction."""

        def run() -> T:
            with self._parts.database.read() as connection:
                return read(connection, self.scope, *arguments, **named)

        return await self._parts.database.run(run)

    async def do(self, act: Callable[..., T], *arguments: object, **named: object) -> T:
        """One act in its own transaction: `act(connection, scope, …, now=, caller=)`."""

        def run() -> T:
            with self._parts.database.write() as connection:
                return act(connection, self.scope, *arguments, **named, now=now_us(), caller=self.caller)

        return await self.run(run)

    async def run(self, work: Callable[[], T]) -> T:
        """Work with transactions of its own; what it told goes on its way into the trail."""
        done = await self._parts.database.run(work)
        self._parts.recorder.own_actions_waiting()
        return done


async def asked(
    request: Request[Any, Any, Any], services: ApiServices, permission: Permission, known: Collection[str] = ()
) -> Asked:
    """The request, if its key has the permission; `known` are the parameters that may stand in its query."""
    scope = await authorised(request, services, permission)
    return Asked(request, services, scope, Parameters.of(request, known), calling(request, services))
