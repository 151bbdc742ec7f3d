"""A response whose body is sent in chunks as it is made."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import anyio
import structlog
from litestar import Response

# A client that has read nothing for this long is disconnected: it occupies resources that others wait for.
STALLED_SECONDS = 120.0

logger = structlog.get_logger(__name__)


def do_nothing() -> None:
    """For the end of a stream that holds no place: there is nothing to release."""


class StreamingResponse(Response[Any]):
    """Sends `chunks`; then closes them and calls `ended`, also when the client disconnects or an error occurs.

    `admission` is entered before the first byte and left after the last one; an error that it raises is the answer.
    After another error the connection is closed without the end of the body, so that the client notices.
    """

    def __init__(
        self,
        chunks: AsyncGenerator[bytes],
        *,
        media_type: str,
        headers: Mapping[str, str],
        ended: Callable[[], None] = do_nothing,
        admission: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        super().__init__(b"", media_type=media_type, headers=dict(headers))
        self._chunks = chunks
        self._ended = ended
        self._admission = admission

    def to_asgi_response(self, *_: Any, **__: Any) -> Any:
        """What Litestar calls with scope, receive and send."""
        return self._send

    async def _send(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            with self._admission():
                await self._send_chunks(scope, receive, send)
        finally:
            self._ended()
            with anyio.CancelScope(shield=True):
                await self._chunks.aclose()

    async def _send_chunks(self, scope: Any, receive: Any, send: Any) -> None:
        given = {"content-type": str(self.media_type)} | {name.lower(): text for name, text in self.headers.items()}
        headers = [(name.encode("latin-1"), text.encode("latin-1")) for name, text in given.items()]
        try:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            async with anyio.create_task_group() as group:
                group.start_soon(_watch, receive, group.cancel_scope)
                async for chunk in self._chunks:
                    with anyio.fail_after(STALLED_SECONDS):
                        await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                group.cancel_scope.cancel()
        except* Exception as broken:
            causes = [f"{type(error).__name__}: {error}"[:300] for error in broken.exceptions]
            logger.warning("stream_broken_off", path=str(scope.get("path_template", "")), causes=causes)


async def _watch(receive: Any, cancel_scope: anyio.CancelScope) -> None:
    """Cancel the scope when the client disconnects."""
    while (await receive())["type"] != "http.disconnect":
        pass
    cancel_scope.cancel()
