"""A message to a destination, in a form that every kind of destination can render."""

from typing import Any

import msgspec


class Message(msgspec.Struct, frozen=True):
    """A message. Its `id` is the same in every attempt, so that a receiver recognises a repeated one.

    `at` is a time in microseconds; `facts` are labels and values, `links` labels and URLs; `data` is the payload of
    webhooks.
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
