"""HTTP client for a server's API, used by the client commands."""

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import httpx

import tallystick
from tallystick.cli.terminal import CommandFailed, note

DEFAULT_URL = "http://127.0.0.1:8765"
EVENTS_PATH = "/v1/audit-logs"
TIMEOUT = httpx.Timeout(60, connect=5)
LONGEST_PAUSE_SECONDS = 15.0
RETRY_STATUSES = (429, 502, 503, 504)

Parameters = Mapping[str, str | int]


class ApiError(CommandFailed):
    """An error response of the API. `errors` holds {index, field, code, detail} for each invalid event (422)."""

    def __init__(self, status: int, detail: str, code: str, errors: list[dict[str, Any]]) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.errors = errors

    def problems(self, count: int) -> dict[int, str]:
        """The problems of each invalid event, as one line by index, for a request of `count` events."""
        found: dict[int, list[str]] = {}
        for error in self.errors:
            index = error.get("index")
            if isinstance(index, int) and 0 <= index < count:
                field = f"{error['field']}: " if error.get("field") else ""
                found.setdefault(index, []).append(f"{field}{error.get('detail', error.get('code', 'refused'))}")
        return {index: " ".join(problems) for index, problems in found.items()}


class Client:
    """Sends requests to one server with one API key. Raises CommandFailed, with advice, for every failure."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._reached = False
        headers = {"Authorization": f"Bearer {key}", "User-Agent": f"tallystick-cli/{tallystick.__version__}"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT)

    @classmethod
    def from_environment(cls) -> "Client":
        """A client for TALLYSTICK_URL (default: a server on this machine) with TALLYSTICK_API_KEY."""
        url = os.environ.get("TALLYSTICK_URL", "").strip() or DEFAULT_URL
        key = os.environ.get("TALLYSTICK_API_KEY", "").strip()
        if not url.startswith(("http://", "https://")):
            raise CommandFailed(f"TALLYSTICK_URL: {url!r} is not a URL. Write one such as {DEFAULT_URL}.")
        if not key:
            raise CommandFailed(
                "TALLYSTICK_API_KEY is not set. Create a key with "
                '"tallystick key create --org SLUG --name NAME --scope events:read" and set it.'
            )
        if not (key.isascii() and key.isprintable() and " " not in key):
            raise CommandFailed("TALLYSTICK_API_KEY contains invalid characters. Copy the key again.")
        return cls(url.rstrip("/"), key)

    def get(self, path: str, parameters: Parameters) -> Any:
        """The JSON response to a GET request."""
        with self._advice():
            return self._answer(self._http.get(path, params=dict(parameters)))

    def send(self, method: str, path: str, content: Any) -> Any:
        """The JSON response to a request with a JSON body, or without a body if `content` is None."""
        with self._advice():
            return self._answer(self._http.request(method, path, json=content))

    def send_text(self, method: str, path: str, text: str, content_type: str) -> Any:
        """The JSON response to a request with a text body of another content type."""
        with self._advice():
            headers = {"Content-Type": content_type}
            return self._answer(self._http.request(method, path, content=text.encode(), headers=headers))

    def text(self, path: str, *, accept: str) -> str:
        """The body of a GET response of the content type `accept`, as text."""
        with self._advice():
            answer = self._http.get(path, headers={"Accept": accept})
            if answer.status_code != 200:
                self._answer(answer)
            return answer.text

    def bytes_of(self, path: str) -> Iterator[bytes]:
        """The chunks of a downloaded file as they arrive."""
        with self._advice(), self._http.stream("GET", path) as answer:
            if answer.status_code != 200:
                answer.read()
                self._answer(answer)
            yield from answer.iter_bytes()

    def record(
        self, body: bytes, content_type: str, *, searchable: bool = False, patience: float = 20.0
    ) -> dict[str, Any]:
        """Sends events and returns the 201 response. Raises ApiError, with `errors` if events are invalid.

        Retries for `patience` seconds while the server is overloaded or the connection breaks, always with the
        same Idempotency-Key, so that nothing is recorded twice if a response was lost. Does not retry if the
        server was never reached.
        """
        headers = {"Content-Type": content_type, "Idempotency-Key": f"cli-{uuid4().hex}"}
        parameters = {"wait": "searchable"} if searchable else {}
        return self._post_patiently(EVENTS_PATH, parameters, body, headers, patience)

    def preview(self, body: bytes, content_type: str, *, patience: float = 20.0) -> dict[str, Any]:
        """Sends events to be checked, and returns what recording them would do. Raises and retries as `record`."""
        return self._post_patiently(f"{EVENTS_PATH}/preview", {}, body, {"Content-Type": content_type}, patience)

    def _post_patiently(
        self, path: str, parameters: dict[str, str], body: bytes, headers: dict[str, str], patience: float
    ) -> dict[str, Any]:
        deadline = time.monotonic() + patience
        pause = 0.5
        while True:
            with self._advice():
                try:
                    answer = self._http.post(path, params=parameters, content=body, headers=headers)
                except httpx.TransportError as error:
                    nobody_there = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout) and not self._reached
                    if nobody_there or time.monotonic() + pause > deadline:
                        raise
                    reason, wait = "the connection broke", pause
                else:
                    asked = _retry_after(answer)
                    wait = pause if asked is None else asked
                    if answer.status_code not in RETRY_STATUSES or time.monotonic() + wait > deadline:
                        recorded: dict[str, Any] = self._answer(answer)
                        return recorded
                    self._reached = True
                    reason = f"the server is busy ({answer.status_code})"
            note(f"{reason}; sending again in {wait:.1f} s")
            time.sleep(wait)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    @contextmanager
    def stream(self, path: str, parameters: Parameters, headers: Mapping[str, str], timeout: float) -> Iterator[Any]:
        """The lines of a streamed response as they arrive; `timeout` is the longest silence in seconds.

        Raises httpx.TransportError, not CommandFailed, for a broken connection, so that the caller can resume.
        """
        limits = httpx.Timeout(timeout, connect=5)
        with self._http.stream("GET", path, params=dict(parameters), headers=headers, timeout=limits) as answer:
            if answer.status_code != 200:
                answer.read()
                self._answer(answer)
            self._reached = True
            yield stream_lines(answer.iter_bytes())

    @contextmanager
    def _advice(self) -> Iterator[None]:
        try:
            yield
        except httpx.ConnectError as error:
            raise CommandFailed(
                f"Cannot connect to {self._url} ({error}). Start the server with "
                '"tallystick serve", or set TALLYSTICK_URL to its address.'
            ) from None
        except httpx.TimeoutException:
            raise CommandFailed(
                f"{self._url} did not answer in time. The server may be overloaded. Try again."
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise CommandFailed(f"The connection to {self._url} failed ({error}). Check TALLYSTICK_URL.") from None

    def _answer(self, answer: httpx.Response) -> Any:
        self._reached = True
        if answer.status_code == 204:
            return None
        try:
            content = answer.json()
        except ValueError:
            content = None
        if answer.is_success and content is not None:
            return content
        if not isinstance(content, dict) or "detail" not in content:
            target = answer.headers.get("Location")
            advice = f"set TALLYSTICK_URL to {target}" if target else "check TALLYSTICK_URL"
            raise CommandFailed(f"{self._url} answered {answer.status_code}, but is not a Tallystick server; {advice}")
        detail, code = str(content["detail"]), str(content.get("code", ""))
        if answer.status_code == 401:
            detail += " Check TALLYSTICK_API_KEY."
        if "column" in content:
            detail += f" (At character {content['column']} of the query.)"
        raise ApiError(answer.status_code, detail, code, content.get("errors") or [])


def stream_lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """The lines of a text, which end with LF or CRLF alone.

    `iter_lines` of the response would also cut at separators that stand in the text of events.
    """
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line.removesuffix(b"\r").decode() for line in lines)


def _retry_after(answer: httpx.Response) -> float | None:
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else None
