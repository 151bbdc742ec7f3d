"""Walks an event's details once: secrets are redacted, every value is listed with its path."""

from functools import lru_cache
from typing import Any

import msgspec

from tallystick.events.incoming import Details, EventInput
from tallystick.settings import normalised

REDACTED = "[redacted]"
MAX_DEPTH = 20  # objects and lists inside one another, the event itself being the first
MAX_PATH = 1024  # characters: every value repeats its path, so that long keys would multiply
MAX_VALUES = 32_768  # no more fit into an event, since each takes two bytes at least

# Clients repeat the same keys; what is known about one is kept, within bounds that no client can exceed.
MAX_KNOWN = 20_000
MAX_KNOWN_PATH = 256

_encode = msgspec.json.Encoder().encode


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
    """A path in the details without list positions, and whether its value is a secret."""

    __slots__ = ("below", "path", "secret")

    def __init__(self, path: str, secret: bool) -> None:
        self.path = path
        self.secret = secret
        self.below: dict[str, _Key] = {}


class Walker:
    """Walks the details of events; `redacted_keys` name the secrets. Threads may share one."""

    def __init__(self, redacted_keys: frozenset[str]) -> None:
        self._redacted_keys = redacted_keys
        self._forget()

    def _forget(self) -> None:
        self._known = 0
        self._roots = tuple(_Key(name, False) for name in ("changes", "request", "response", "metadata"))

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
        below = at.below
        for key, value in mapping.items():
            try:
                child = below[key]
            except KeyError:
                child = self._learn(at, key, place)
            kind = type(value)
            if child.secret:
                mapping[key] = REDACTED  # the dict keeps its size, so going on is safe
                redacted.append(f"{place}.{key}")
                paths.append(child.path)
                values.append(REDACTED)
            elif kind is str:
                paths.append(child.path)
                values.append(value)
            elif kind is dict:
                self._object(value, child, f"{place}.{key}", depth + 1, found)
            elif kind is list:
                self._list(value, child, f"{place}.{key}", depth + 1, found)
            elif value is not None:
                paths.append(child.path)
                values.append(str(value) if kind is int else _encode(value).decode())

    def _list(self, items: list[Any], at: _Key, place: str, depth: int, found: Found) -> None:
        paths, values, _ = found
        if depth > MAX_DEPTH or len(items) + len(values) > MAX_VALUES:
            raise Unfit("too_deep" if depth > MAX_DEPTH else "too_many_values", place)
        path = at.path
        for position, value in enumerate(items):
            kind = type(value)
            if kind is str:
                paths.append(path)
                values.append(value)
            elif kind is dict:
                self._object(value, at, f"{place}.{position}", depth + 1, found)
            elif kind is list:
                self._list(value, at, f"{place}.{position}", depth + 1, found)
            elif value is not None:
                paths.append(path)
                values.append(str(value) if kind is int else _encode(value).decode())

    def _learn(self, at: _Key, key: str, place: str) -> _Key:
        path = f"{at.path}.{key}"
        if len(path) > MAX_PATH:
            raise Unfit("path_too_long", place)
        child = _Key(path, normalised(key) in self._redacted_keys)
        if len(path) <= MAX_KNOWN_PATH:
            self._known += 1
            if self._known > MAX_KNOWN:
                self._forget()
            at.below[key] = child
        return child


@lru_cache(maxsize=8)
def walker_for(redacted_keys: frozenset[str]) -> Walker:
    """The shared walker of this list of keys, with what it has cached."""
    return Walker(redacted_keys)
