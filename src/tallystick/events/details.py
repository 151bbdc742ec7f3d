"""Walks an event's details once: secrets are redacted, every value is listed with its path.

A secret is a text under a key on the list of names, a text in the value of an entry that has such a name (`{"name":
"Authorization", "value": …}`, `["Authorization", …]`), and an API key of Tallystick in any text.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import msgspec

from tallystick.events.incoming import Details, EventInput
from tallystick.events.key_text import PREFIX, replace_keys
from tallystick.events.secret_values import NAME_KEYS, REDACTED, VALUE_KEYS, SecretNames
from tallystick.setting_values import normalised

MAX_DEPTH = 20  # objects and lists inside one another, the event itself being the first
MAX_PATH = 1024  # characters: every value repeats its path, so that long keys would multiply
MAX_VALUES = 32_768  # no more fit into an event, since each takes two bytes at least

# Clients repeat the same keys; what is known about one is kept, within bounds that no client can exceed.
MAX_KNOWN = 20_000
MAX_KNOWN_PATH = 256
KEY_BEGINS = PREFIX.encode()

_encode = msgspec.json.Encoder().encode


# The fields of an event in which a text of the sender may stand.
_TEXTS = (
    "description", "status_reason", "original_action", "actor", "resource", "resources", "context", "changes",
    "request", "response", "metadata",
)  # fmt: skip


class Unfit(Exception):
    """The details cannot be stored; `code` says why, `place` where (the path, list positions as numbers)."""

    def __init__(self, code: str, place: str) -> None:
        super().__init__(code, place)
        self.code = code
        self.place = place


# A path and a value, as people see it, for each scalar but null (list positions left out of the path), and the
# places of the secrets (list positions as numbers).
Found = tuple[list[str], list[str], list[str]]


class _Key:
    """A path in the details without list positions, whether its value is a secret, or may be the name of one."""

    __slots__ = ("below", "names", "path", "secret")

    def __init__(self, path: str, *, secret: bool, names: bool) -> None:
        self.path = path
        self.secret = secret
        self.names = names
        self.below: dict[str, _Key] = {}


class Walker:
    """Walks the details of events; `redacted_keys` name the secrets. Threads may share one."""

    def __init__(self, redacted_keys: frozenset[str]) -> None:
        self._secrets = SecretNames(redacted_keys)
        self._forget()

    def _forget(self) -> None:
        self._known = 0
        self._roots = tuple(
            _Key(name, secret=False, names=False) for name in ("changes", "request", "response", "metadata")
        )

    def walk(self, event: EventInput, found: Found) -> None:
        """Redact the secrets in the event's details (in place), and add their values to `found`.

        Raises Unfit: too_deep, too_many_values, path_too_long.
        """
        changes, request, response, metadata = self._roots
        if event.changes is not None:
            self._object(event.changes, changes, "changes", 2, found)
        if event.request is not None:
            self._object(event.request, request, "request", 2, found)
        if event.response is not None:
            self._object(event.response, response, "response", 2, found)
        if event.metadata is not None:
            self._object(event.metadata, metadata, "metadata", 2, found)

    def _object(self, mapping: Details, at: _Key, place: str, depth: int, found: Found) -> None:
        paths, values, redacted = found
        if depth > MAX_DEPTH or len(mapping) + len(values) > MAX_VALUES:
            raise Unfit("too_deep" if depth > MAX_DEPTH else "too_many_values", place)
        before, places_before, below, name = len(values), len(redacted), at.below, ""
        for key, value in mapping.items():
            try:
                child = below[key]
            except KeyError:
                child = self._learn(at, key, place)
            kind = type(value)
            if child.secret and (kind is str or kind is dict or kind is list):
                value = self._redact(value, f"{place}.{key}", key, depth, redacted)
                mapping[key] = value  # the dict keeps its size, so going on is safe
            if kind is str:
                if child.names and self._secrets.names_secret(value):
                    name = value
                paths.append(child.path)
                values.append(value)
            elif kind is dict:
                self._object(value, child, f"{place}.{key}", depth + 1, found)
            elif kind is list:
                self._list(value, child, f"{place}.{key}", depth + 1, found)
            elif value is not None:
                paths.append(child.path)
                values.append(str(value) if kind is int else _encode(value).decode())
        if name:
            self._redact_entry(mapping, name, place, depth, redacted)
            if len(redacted) > places_before:
                del paths[before:], values[before:]
                _list_values(mapping, at.path, found)

    def _list(self, items: list[Any], at: _Key, place: str, depth: int, found: Found) -> None:
        paths, values, redacted = found
        if depth > MAX_DEPTH or len(items) + len(values) > MAX_VALUES:
            raise Unfit("too_deep" if depth > MAX_DEPTH else "too_many_values", place)
        path, last = at.path, len(items) - 1
        for position, value in enumerate(items):
            kind = type(value)
            if kind is str:
                if position < last and self._secrets.comes_before_secret(value, after := items[position + 1]):
                    items[position + 1] = self._redact(after, f"{place}.{position + 1}", value, depth, redacted)
                paths.append(path)
                values.append(value)
            elif kind is dict:
                self._object(value, at, f"{place}.{position}", depth + 1, found)
            elif kind is list:
                if len(value) == 2 and self._secrets.names_secret(value[0]):
                    value[1] = self._redact(value[1], f"{place}.{position}.1", value[0], depth + 1, redacted)
                self._list(value, at, f"{place}.{position}", depth + 1, found)
            elif value is not None:
                paths.append(path)
                values.append(str(value) if kind is int else _encode(value).decode())

    def _redact_entry(self, mapping: Details, name: str, place: str, depth: int, redacted: list[str]) -> None:
        """Redact the value of an entry such as `{"name": "Authorization", "value": …}`."""
        for key, value in mapping.items():
            if normalised(key) in VALUE_KEYS and value != name:
                mapping[key] = self._redact(value, f"{place}.{key}", name, depth, redacted)

    def _redact(self, value: Any, place: str, name: str, depth: int, redacted: list[str]) -> Any:
        """What stays of the value of a secret's name in an object or list at `depth`: a text becomes REDACTED."""
        kind = type(value)
        if kind is str and value is not REDACTED:
            redacted.append(place)
            return REDACTED
        if kind is dict or kind is list:
            places = self._secrets.redact_members(value, place, name, MAX_DEPTH - depth)
            if places is None:
                raise Unfit("too_deep", place)
            redacted.extend(places)
        return value

    def _learn(self, at: _Key, key: str, place: str) -> _Key:
        path = f"{at.path}.{key}"
        if len(path) > MAX_PATH:
            raise Unfit("path_too_long", place)
        child = _Key(path, secret=self._secrets.has_key(key), names=normalised(key) in NAME_KEYS)
        if len(path) <= MAX_KNOWN_PATH:
            self._known += 1
            if self._known > MAX_KNOWN:
                self._forget()
            at.below[key] = child
        return child


def searched_text(value: Any) -> str | None:
    """A value in the details as searches compare it; None for an object, a list and null, which they do not see."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, dict | list):
        return None
    return str(value) if type(value) is int else _encode(value).decode()


def _list_values(value: Any, path: str, found: Found) -> None:
    """List the values of what was walked, so that it is not too deep, once more: secrets in it have been redacted."""
    if type(value) is dict:
        for key, inner in value.items():
            _list_values(inner, f"{path}.{key}", found)
    elif type(value) is list:
        for inner in value:
            _list_values(inner, path, found)
    elif (text := searched_text(value)) is not None:
        found[0].append(path)
        found[1].append(text)


def redact_keys(event: EventInput) -> list[str]:
    """Redact API keys of Tallystick in all texts of an event, in place; their paths.

    It looks at every text, so call it only when there is one: the encoded event tells in a moment (`KEY_BEGINS`).
    """
    redacted: list[str] = []
    for name in _TEXTS:
        _replace_keys(getattr(event, name), name, partial(setattr, event, name), redacted)
    return redacted


def _replace_keys(value: Any, place: str, keep: Callable[[Any], None], redacted: list[str]) -> None:
    if type(value) is str:
        clean = replace_keys(value, REDACTED)
        if clean != value:
            keep(clean)
            redacted.append(place)
    elif type(value) is dict:
        for key, below in value.items():  # its keys stay, so going on is safe
            _replace_keys(below, f"{place}.{key}", partial(value.__setitem__, key), redacted)
    elif type(value) is list:
        for position, below in enumerate(value):
            _replace_keys(below, f"{place}.{position}", partial(value.__setitem__, position), redacted)
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            _replace_keys(getattr(value, name), f"{place}.{name}", partial(setattr, value, name), redacted)


@lru_cache(maxsize=8)
def walker_for(redacted_keys: frozenset[str]) -> Walker:
    """The shared walker of this list of keys, with what it has cached."""
    return Walker(redacted_keys)
