"""A message in the form of each kind of destination."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

import msgspec
from markupsafe import Markup, escape

from tallystick.clock import rfc3339
from tallystick.destinations.message import Message

MOST_SLACK = 3000  # characters of a text block
MOST_SUBJECT = 180
MARKS = {
    "info": ":information_source:",
    "notice": ":speech_balloon:",
    "warning": ":warning:",
    "critical": ":rotating_light:",
}
_RULE = "─" * 37
_json = msgspec.json.Encoder(order="sorted").encode


def webhook_body(message: Message) -> bytes:
    """As Standard Webhooks 1.0.0 has it (https://www.standardwebhooks.com): type, timestamp, data."""
    return _json({"type": message.type, "timestamp": rfc3339(message.at), "data": message.data})


def webhook_headers(message: Message, body: bytes, secrets: Sequence[str], *, at: int) -> dict[str, str]:
    """Its headers: the id of all attempts, the second of this one, a signature by each secret (`whsec_…`)."""
    second = at // 1_000_000
    signed = f"{message.id}.{second}.".encode() + body
    marks = [base64.b64encode(hmac.digest(_key(one), signed, hashlib.sha256)).decode() for one in secrets]
    return {
        "Content-Type": "application/json",
        "User-Agent": "Tallystick",
        "webhook-id": message.id,
        "webhook-timestamp": str(second),
        "webhook-signature": " ".join(f"v1,{mark}" for mark in marks),
    }


def slack_body(message: Message) -> bytes:
    """For an incoming webhook of Slack, or of who speaks as it does: blocks, and a text for notifications."""
    facts = "\n".join(f"{label}: {value}" for label, value in message.facts)
    links = " · ".join(f"<{url}|{_slack(words)}>" for words, url in message.links)
    said = f"{MARKS.get(message.severity, '')} {message.sentence}".strip()
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": message.title[:150]}},
        # Plain text: what an event says is never a mark, a link or a call to a channel.
        *(
            {"type": "section", "text": {"type": "plain_text", "emoji": True, "text": text[:MOST_SLACK]}}
            for text in (said, facts)
            if text
        ),
    ]
    if links:
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": links}})
    return _json({"text": _slack(f"{message.title}: {message.sentence}"[: MOST_SLACK // 6]), "blocks": blocks})


def mail_subject(message: Message) -> str:
    """One line; what would break it is a blank."""
    line = " ".join(f"{message.title}: {message.sentence}".split())
    return "".join(letter if letter.isprintable() else " " for letter in line)[:MOST_SUBJECT]


def mail_text(message: Message) -> str:
    """The plain part: a notification, its facts in a column."""
    width = max((len(label) for label, _ in message.facts), default=0) + 5
    facts = "\n".join(f"{label + ':':<{width}}{value}" for label, value in message.facts)
    links = "\n".join(f"{words}: {url}" for words, url in message.links)
    parts = (f"Notification: {message.title}\n{_RULE}\n{facts}", message.sentence, links)
    return "\n\n".join(filter(None, parts)) + "\n"


def mail_html(message: Message) -> str:
    """The same in HTML; every word is escaped."""
    rows = Markup().join(
        Markup('<tr><th align="left">{}</th><td>{}</td></tr>\n').format(label, value) for label, value in message.facts
    )
    links = Markup().join(Markup('<p><a href="{}">{}</a></p>\n').format(url, words) for words, url in message.links)
    return (
        f'<!doctype html>\n<html lang="en"><body>\n<h1>{escape(message.title)}</h1>\n'
        f'<p>{escape(message.sentence)}</p>\n<table cellpadding="4">\n{rows}</table>\n{links}</body></html>\n'
    )


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix("whsec_"))


def _slack(text: str) -> str:
    """As Slack wants it (https://docs.slack.dev/messaging/formatting-message-text): three marks are its own."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
