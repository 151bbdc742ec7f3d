"""Slack: an incoming webhook of Slack, or of a service that accepts the same blocks."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from tallystick.destinations.delivery_queue import DeliveryResult
from tallystick.destinations.kinds.http_target import check_url, post_to
from tallystick.destinations.kinds.kind import (
    CheckedSettings,
    DeliveryTarget,
    DestinationKind,
    SettingField,
    SettingsCheck,
)
from tallystick.destinations.message import Message
from tallystick.destinations.secrets import DestinationSecrets
from tallystick.display_text import display_line

MAX_TEXT = 3000  # characters of a text block
MAX_HEADER = 150
MAX_NOTIFICATION = 500
EMOJI = {
    "info": "ℹ️",
    "low": "💬",
    "medium": "⚠️",
    "high": "🔶",
    "critical": "🚨",
}
HEADERS = {"Content-Type": "application/json", "User-Agent": "Tallystick"}
_MENTION = re.compile(r"(?<!\w)@(?=\w)")  # of a group or channel; an email address has something before its @
_URL_CHARACTERS = ":/?#[]@!$&'()*+,;=%~"
_encode = msgspec.json.Encoder(order="sorted").encode


class SlackKind(DestinationKind[bytes]):
    """A Slack channel."""

    name = "slack"
    label = "Slack"
    fields = (SettingField("url", "URL", "the address of an incoming webhook", "url", is_secret=True),)

    def check(self, request: SettingsCheck, settings: Mapping[str, Any]) -> CheckedSettings:
        url = check_url(request.guard, settings.get("url"))
        # Everything but the host is secret.
        return CheckedSettings({"url": f"https://{urlsplit(url).hostname}/…{url[-4:]}"}, DestinationSecrets(url))

    def describe(self, settings: Mapping[str, Any]) -> str:
        return str(settings["url"])

    def write(self, message: Message) -> bytes:
        return slack_body(message)

    def send(self, target: DeliveryTarget, _message: Message, content: bytes) -> DeliveryResult:
        return post_to(target, HEADERS, content)


def slack_body(message: Message) -> bytes:
    """The JSON body: blocks, and a text for notifications. Each fact is one line, whatever its value holds.

    The text of an event is never formatting, a link, an emoji code or a mention of a channel: blocks have it as plain
    text, the notification without markup. Services that ignore this and read Markdown find no mention and no text with
    a link behind it.
    """
    facts = "\n".join(f"{display_line(label)}: {display_line(value)}" for label, value in message.facts)
    links = " · ".join(f"<{_escape_url(url)}|{_escape(display_line(label))}>" for label, url in message.links)
    sentence = display_line(f"{EMOJI.get(message.severity, '')} {message.sentence}")
    title = display_line(message.title, MAX_HEADER)
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": _plain_text(title)},
        *({"type": "section", "text": _plain_text(text[:MAX_TEXT])} for text in (sentence, facts) if text),
    ]
    if links:
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": links, "verbatim": True}})
    notification = display_line(f"{message.title}: {message.sentence}", MAX_NOTIFICATION)
    notification = _MENTION.sub("＠", notification).replace("](", "] (")
    return _encode({"text": _escape(notification), "mrkdwn": False, "link_names": False, "blocks": blocks})


def _plain_text(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "emoji": False, "text": text}


def _escape(text: str) -> str:
    """Escapes Slack's control characters (https://docs.slack.dev/messaging/formatting-message-text)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _escape_url(url: str) -> str:
    """A URL between `<` and `|`, which would end there at one of these characters."""
    return _escape(quote(url, safe=_URL_CHARACTERS))
