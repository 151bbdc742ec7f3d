"""Sending to a URL: what the kinds that speak HTTP share."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from tallystick.destinations.address_guard import Guard, TargetError
from tallystick.destinations.delivery_queue import DeliveryResult
from tallystick.destinations.http_client import post
from tallystick.destinations.kinds.kind import DeliveryTarget, invalid_settings

MAX_URL = 2000
GONE = 410
_EXAMPLE = "url must be the address to send to, such as https://example.com/hooks/audit."


def check_url(guard: Guard, given: object) -> str:
    """A URL that messages may be sent to. Raises BadRequest."""
    # Programs differ in where a host ends at a backslash.
    if not isinstance(given, str) or not given.isascii() or not given.isprintable() or set(given) & set(" \\"):
        raise invalid_settings(_EXAMPLE)
    try:
        parts = urlsplit(given)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or len(given) > MAX_URL:
        raise invalid_settings(_EXAMPLE)
    if "@" in parts.netloc:
        raise invalid_settings(
            "Do not put a user name or password in the URL, where they would be visible. Use a header."
        )
    if parts.scheme == "http" and not guard.allows(host):
        raise invalid_settings(
            "url must begin with https://. The operator can allow a host without TLS in TALLYSTICK_ALLOWED_TARGETS."
        )
    return given


def shorten_url(url: str) -> str:
    """The URL as it may be shown. Its path is left out, since many services keep their secret in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}/…{url[-4:]}"


def post_to(target: DeliveryTarget, headers: Mapping[str, str], body: bytes) -> DeliveryResult:
    """Posts the body once to the destination's URL, through the guard."""
    url, guard = target.secrets.url, target.context.guard
    # The operator may have withdrawn the permission since the destination was created.
    if url.startswith("http:") and not guard.allows(urlsplit(url).hostname or ""):
        return DeliveryResult("This host has no TLS and is no longer allowed by the operator.")
    try:
        response = post(guard, url, headers, body)
    except TargetError as error:
        return DeliveryResult(error.detail)
    if 200 <= response.status < 300:
        return DeliveryResult(status=response.status)
    return DeliveryResult(
        f"The destination answered {response.status}.",
        status=response.status,
        retry_after=response.retry_after,
        gone=response.status == GONE,
    )
