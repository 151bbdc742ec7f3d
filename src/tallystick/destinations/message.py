"""Something to tell: what every kind of destination makes its own form of."""

from typing import Any

import msgspec


class Message(msgspec.Struct, frozen=True):
    """One message. `id` is the same in every attempt, so that whoever gets it twice can tell; `at` in microseconds.

    `facts` are labels and values, `links` words and URLs; `data` is what a webhook gets.
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
