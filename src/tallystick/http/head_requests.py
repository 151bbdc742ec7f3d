"""HEAD wherever GET is: the answer of GET without its body."""

from typing import Any

from litestar.types import ASGIApp

_UNKNOWN = "UNKNOWN"


def answer_head(app: ASGIApp) -> ASGIApp:
    """`app`, which answers GET, also answering HEAD; OPTIONS names all methods of a path.

    A stream ends when its headers are sent: the application sees a client that has gone.
    """

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        method = scope["method"] if scope["type"] == "http" else ""
        if method == "OPTIONS":
            await app(scope | {"method": _UNKNOWN}, receive, _Options(send))
        elif method != "HEAD":
            await app(scope, receive, send)
        else:
            asked = scope | {"method": "GET"}
            try:
                await app(asked, receive, _Head(scope, asked, send))
            finally:
                _keep_template(scope, asked)

    return serve


class _Head:
    """Sends the headers of an answer, and no more."""

    def __init__(self, scope: Any, asked: Any, send: Any) -> None:
        self._scope = scope
        self._asked = asked
        self._send = send

    async def __call__(self, message: Any) -> None:
        if message["type"] != "http.response.start":
            return
        _keep_template(self._scope, self._asked)
        await self._send(message)
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


class _Options:
    """Answers OPTIONS with the methods that the refusal of an unknown one names.

    Litestar's own answer knows only the handler of a path that it met first.
    """

    def __init__(self, send: Any) -> None:
        self._send = send
        self._is_refusal = False

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self._is_refusal = message["status"] == 405
            if self._is_refusal:
                headers = [(name, value) for name, value in message["headers"] if name.lower() == b"allow"]
                message = message | {"status": 204, "headers": headers}
        elif self._is_refusal:
            message = message | {"body": b""}
        await self._send(message)


def allowed_methods(allow: str) -> str:
    """The value of a header `Allow` in order, with HEAD where GET is."""
    methods = {method.strip() for method in allow.split(",")}
    return ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))


def _keep_template(scope: Any, asked: Any) -> None:
    """The route, by which the outer layers name the request."""
    if "path_template" in asked:
        scope["path_template"] = asked["path_template"]
