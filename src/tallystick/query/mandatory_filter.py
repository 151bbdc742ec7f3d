"""A mandatory filter, as text and as a condition, and its stored form: JSON that every later version reads alike.

It is stored as a condition, so that what a person or a key may read does not change when the search language does.
"""

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_network
from typing import Any, cast, get_args

import msgspec

from tallystick.query.conditions import And, Between, Condition, Equals, EqualTo, Field, InNetwork, Not, Or, ValueAtPath

NOTHING = Or(())
_FIELDS = frozenset(get_args(Field))


@dataclass(frozen=True, slots=True)
class MandatoryFilter:
    """Which events a membership, a key or a viewer token reads: `text` as an owner wrote it, and its condition."""

    text: str
    condition: Condition

    @property
    def stored(self) -> str:
        """The condition as JSON. ValueError for one that a mandatory filter cannot hold, such as a bare word."""
        return msgspec.json.encode(_encode(self.condition)).decode()


@lru_cache(maxsize=4096)
def read_filter(text: str, stored: str) -> MandatoryFilter | None:
    """The filter of a row's two columns; None if both are empty. One that cannot be read lets nothing be read."""
    if not text and not stored:
        return None
    try:
        return MandatoryFilter(text, _decode(msgspec.json.decode(stored)))
    except (ValueError, TypeError, msgspec.DecodeError):
        return MandatoryFilter(text, NOTHING)


def _encode(condition: Condition) -> list[Any]:
    match condition:
        case Equals(field, patterns, True):
            return ["equals", field, list(patterns)]
        case InNetwork(networks):
            return ["network", [str(network) for network in networks]]
        case Between(start, end):
            return ["between", start, end]
        case ValueAtPath(path, EqualTo(text)):
            return ["path", path, text]
        case Not(inner):
            return ["not", _encode(inner)]
        case And(conditions):
            return ["and", [_encode(one) for one in conditions]]
        case Or(conditions):
            return ["or", [_encode(one) for one in conditions]]
    raise ValueError(f"{type(condition).__name__} cannot be part of a mandatory filter")


def _decode(found: Any) -> Condition:
    match found:
        case ["equals", str(field), [*patterns]] if field in _FIELDS and all(isinstance(one, str) for one in patterns):
            return Equals(cast("Field", field), tuple(patterns))
        case ["network", [*networks]]:
            return InNetwork(tuple(map(ip_network, networks)))
        case ["between", int() | None as start, int() | None as end]:
            return Between(start, end)
        case ["path", str(path), str(text)]:
            return ValueAtPath(path, EqualTo(text))
        case ["not", inner]:
            return Not(_decode(inner))
        case ["and", [*conditions]] if conditions:
            return And(tuple(map(_decode, conditions)))
        case ["or", [*conditions]]:
            return Or(tuple(map(_decode, conditions)))
    raise ValueError("not the condition of a mandatory filter")
