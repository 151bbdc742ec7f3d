"""An API request whose key has the required permissions."""

import re
from typing import Any, TypeVar

import msgspec
from litestar import Request

from tallystick.access.audit import Caller
from tallystick.access.transactions import ScopedTransactions
from tallystick.api.authorization import authorize_scope, caller_of
from tallystick.api.dependencies import ApiServices
from tallystick.api.parameters import Parameters
from tallystick.errors import BadRequest, TooLarge
from tallystick.http.body import read_body
from tallystick.query.scope import Scope

T = TypeVar("T")
MOST_JSON_BYTES = 4 << 20  # the largest is a review with all its findings
# Marks that begin or separate values. Decoding stops the event loop: this many at most take some milliseconds.
MOST_MARKS = 50_000
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")  # as JSON writes it; PostgreSQL stores no such text


class AuthorizedRequest(ScopedTransactions):
    """The parameters and the body of an authorized request, and the transactions it runs in."""

    def __init__(
        self,
        request: Request[Any, Any, Any],
        services: ApiServices,
        scope: Scope,
        parameters: Parameters,
        caller: Caller,
    ) -> None:
        super().__init__(services.database, services.pools, scope, caller, services.recorder.own_actions_waiting)
        self._request = request
        self._bodies = services.bodies
        self.parameters = parameters

    @property
    def id(self) -> str:
        """The `{id}` in the path."""
        return self.path("id")

    def path(self, name: str) -> str:
        """A parameter of the path."""
        return str(self._request.path_params[name])

    async def body(self, kind: type[T], what: str, code: str, *, empty: bytes = b"") -> T:
        """The JSON body, decoded as `kind`. Raises BadRequest: `bad_json`, or `code` for other fields than `kind` has.

        `what` names the object in the error message; an empty body is read as `empty`.
        """
        async with read_body(self._request, self._bodies, self.scope.org_id, most=MOST_JSON_BYTES) as body:
            if sum(map(body.count, b",[{")) > MOST_MARKS:
                raise TooLarge("The body has too many values. Split it into several requests.")
            if _NUL.search(body):
                raise BadRequest("Text must not contain the character U+0000.", code=code)
            try:
                return msgspec.json.decode(body or empty, type=kind)
            except msgspec.ValidationError as error:
                raise BadRequest(f"Invalid {what}: {error}.", code=code) from None
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise BadRequest(f"The body is not valid JSON: {error}.", code="bad_json") from None


async def authorize(request: Request[Any, Any, Any], services: ApiServices) -> AuthorizedRequest:
    """The request, if its key has the permissions and its query the parameters that the endpoint declares.

    Raises Unauthorized, Forbidden (`missing_permission`), TooMany, BadRequest (`unknown_parameter`).
    """
    scope = await authorize_scope(request, services)
    return AuthorizedRequest(request, services, scope, Parameters.of(request), caller_of(request, services))
