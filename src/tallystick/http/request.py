"""The request class of the server: it caches nothing that a client sends, and `read_body` is the only way to a body."""

from functools import cached_property
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from litestar import Request
from litestar.datastructures import MultiDict

from tallystick.errors import BadRequest

MOST_PARAMETERS = 1000


class BoundedRequest(Request[Any, Any, Any]):
    """A request whose query, cookies and body are parsed within limits, and forgotten with it.

    The framework parses query strings, cookies and forms through caches of the process, keyed by what was sent: typed
    passwords and session tokens would stay in memory, and a thousand large requests would be kept for good.
    """

    @cached_property
    def query_params(self) -> MultiDict[Any]:
        """The query parameters. Raises BadRequest (`too_many_parameters`) for more than MOST_PARAMETERS."""
        query: bytes = self.scope["query_string"]
        try:
            pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=MOST_PARAMETERS)
        except ValueError:
            detail = f"A URL can have at most {MOST_PARAMETERS:,} query parameters."
            raise BadRequest(detail, code="too_many_parameters") from None
        return MultiDict(pairs)

    @cached_property
    def cookies(self) -> dict[str, str]:
        """The cookies by name; of two with one name the last."""
        pairs = (one.partition("=") for line in self.headers.getall("cookie", []) for one in line.split(";"))
        return {name.strip(): value.strip().strip('"') for name, _, value in pairs}

    async def body(self) -> NoReturn:
        """Refused, because it reads as much as the client sends, for as long as the client takes."""
        raise AssertionError("read a body with `read_body`, a form with `read_form`")

    def stream(self) -> NoReturn:
        """Refused as `body`."""
        raise AssertionError("read a body with `read_body`")

    async def form(self) -> NoReturn:
        """Refused as `body`; the framework would also keep the form in a cache."""
        raise AssertionError("read a form with `read_form`")

    async def json(self) -> NoReturn:
        """Refused as `body`."""
        raise AssertionError("read a body with `read_body`")

    async def msgpack(self) -> NoReturn:
        """Refused as `body`."""
        raise AssertionError("read a body with `read_body`")


def forwarded_for(request: Request[Any, Any, Any]) -> str:
    """The X-Forwarded-For header, lines joined by commas; "" without one."""
    return ",".join(request.headers.getall("x-forwarded-for", []))
