"""A message to a destination, in a form that every kind of destination can render."""

from typing import Any

import msgspec


class Message(msgspec.Struct, frozen=True):
    """A message. Its `id` is the same in every attempt, so that a receiver recognises a repeated one.

    `at` is a time in microseconds; `facts` are labels and values, `links` labels and URLs; `data` is the payload of
    webhooks. `plain_title` is ASCII without a text of others, for a message that cannot be written as it is.
    """

    id: str
    type: str
    at: int
    title: str
    sentence: str
    severity: str
    facts: tuple[tuple[str, str], ...]
    links: tuple[tuple[str, str], ...]
    data: dict[str, Any]
    plain_title: str = "Message from Tallystick"


def plain_message(message: Message) -> Message:
    """Facts of a message in ASCII under the plain title, for a format that cannot express them otherwise."""
    return msgspec.structs.replace(
        message,
        title=message.plain_title,
        sentence="This message could not be written in full.",
        facts=tuple((_ascii(label), _ascii(value)) for label, value in message.facts),
        links=tuple((_ascii(label), _ascii(url)) for label, url in message.links),
        data={"id": message.id},
    )


def bare_message(message: Message) -> Message:
    """The message without a text of events, for a receiver that refuses the full one, such as for a word in it."""
    return msgspec.structs.replace(
        message,
        title=message.plain_title,
        sentence="The receiver refused the full message.",
        facts=(),
        data={"id": message.id},
    )


def _ascii(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode("ascii")
