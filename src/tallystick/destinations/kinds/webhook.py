"""Webhook: signed JSON as Standard Webhooks 1.0.0 defines it (https://www.standardwebhooks.com)."""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tallystick.clock import SECOND_US, rfc3339
from tallystick.destinations.delivery_queue import DeliveryResult
from tallystick.destinations.kinds.http_target import MAX_URL, check_url, post_to, shorten_url
from tallystick.destinations.kinds.kind import (
    CheckedSettings,
    DeliveryTarget,
    DestinationKind,
    SettingField,
    SettingsCheck,
    invalid_settings,
)
from tallystick.destinations.message import Message
from tallystick.destinations.secrets import DestinationSecrets

MAX_HEADERS = 20
WEBHOOK_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")  # a header's name, RFC 9110
_RESERVED = frozenset(
    ["host", "content-type", "content-length", "transfer-encoding", "connection", "user-agent", *WEBHOOK_HEADERS]
)
_encode = msgspec.json.Encoder(order="sorted").encode


class WebhookKind(DestinationKind[bytes]):
    """A URL that receives signed JSON."""

    name = "webhook"
    label = "Webhook"
    fields = (
        SettingField("url", "URL", "the address to send to", "url", is_secret=True),
        SettingField("headers", "Headers", "additional headers by name", is_secret=True, in_form=False),
    )
    signs = True

    def check(self, request: SettingsCheck, settings: Mapping[str, Any]) -> CheckedSettings:
        url = check_url(request.guard, settings.get("url"))
        headers = _check_headers(settings.get("headers") or {})
        shown = {"url": shorten_url(url), "headers": sorted(headers)}
        return CheckedSettings(shown, DestinationSecrets(url, headers))

    def describe(self, settings: Mapping[str, Any]) -> str:
        return str(settings["url"])

    def write(self, message: Message) -> bytes:
        return webhook_body(message)

    def send(self, target: DeliveryTarget, message: Message, content: bytes) -> DeliveryResult:
        signed = webhook_headers(message, content, target.secrets.signing(target.at), at=target.at)
        return post_to(target, {**target.secrets.headers, **signed}, content)


def webhook_body(message: Message) -> bytes:
    """The JSON body: type, timestamp, data."""
    return _encode({"type": message.type, "timestamp": rfc3339(message.at), "data": message.data})


def webhook_headers(message: Message, body: bytes, secrets: Sequence[str], *, at: int) -> dict[str, str]:
    """The headers of an attempt at `at` (microseconds), with one signature for each secret (`whsec_…`).

    The id is that of the message, so that a receiver recognises a repeated attempt.
    """
    second = at // SECOND_US
    content = f"{message.id}.{second}.".encode() + body
    signatures = [base64.b64encode(hmac.digest(_key(one), content, hashlib.sha256)).decode() for one in secrets]
    return {
        "Content-Type": "application/json",
        "User-Agent": "Tallystick",
        "webhook-id": message.id,
        "webhook-timestamp": str(second),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix("whsec_"))


def _check_headers(given: object) -> dict[str, str]:
    if not isinstance(given, Mapping) or len(given) > MAX_HEADERS:
        raise invalid_settings(f"headers can have at most {MAX_HEADERS} names and values.")
    for name, value in given.items():
        if not isinstance(name, str) or not _TOKEN.fullmatch(name) or name.lower() in _RESERVED:
            raise invalid_settings(f"The header {str(name)[:60]!r} is not allowed.")
        if not isinstance(value, str) or not value.isascii() or not value.isprintable() or len(value) > MAX_URL:
            raise invalid_settings(f"The value of the header {name} is not valid. Use printable ASCII characters.")
    return dict(given)
