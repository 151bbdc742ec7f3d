"""Shortens an event that is too large to be recorded, at its longest values, and says so in it.

`metadata.shortened` then has `sha256` and `bytes` of the whole original record, as compact JSON in UTF-8, and in
`values` the places that were shortened. Whoever keeps the original can so prove that it is the one.
"""

import hashlib
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import msgspec

MOST_BYTES = 60 << 10  # of an event as it is sent: less than the server stores, which adds what it knows
MOST_PATH_CHARACTERS = 200 << 10  # of the paths of all values, less than the server takes
_ALWAYS_FITS = 512  # bytes, in which nothing is too long or too deep
_MOST_DEPTH = 18
_MOST_NAMED = 20
_LONGEST_PATH = 1000  # characters of one, less than the server takes
_LONGEST_PLACE = 200  # characters of a place that is named
_DETAILS = ("changes", "request", "response", "metadata")
# The longest text, and the most members of an object or list, that are left, the least loss first.
_CAPS = (
    *((1 << power, 1 << 20) for power in range(15, 9, -1)),
    *((1 << power, 64 << power - 5) for power in range(10, 4, -1)),
    (64, 16), (32, 4), (16, 2),
)  # fmt: skip
_encode = msgspec.json.encode


def shorten(event: dict[str, Any], original: Any) -> dict[str, Any]:
    """The event itself if it can be recorded; else one with shortened details, and the hash of the original."""
    if _fits(event):
        return event
    whole = _encode(original)
    hashed = {"sha256": hashlib.sha256(whole).hexdigest(), "bytes": len(whole)}
    for longest, most in _CAPS:
        places: list[str] = []
        details = {name: _shortened(event[name], longest, most, name, 2, places) for name in _DETAILS if name in event}
        note = hashed | {"values": places[:_MOST_NAMED]}
        shorter = event | details | {"metadata": details.get("metadata", {}) | {"shortened": note}}
        if _fits(shorter):
            return shorter
    left = {name: value for name, value in event.items() if name not in _DETAILS}
    return left | {"metadata": {"shortened": hashed | {"values": list(_DETAILS)}}}


def _fits(event: Mapping[str, Any]) -> bool:
    size = len(_encode(event))
    if size > MOST_BYTES:
        return False
    if size <= _ALWAYS_FITS:
        return True
    paths = longest = depth = 0
    for length, level in _paths({name: event[name] for name in _DETAILS if name in event}, 0, 1):
        paths, longest, depth = paths + length, max(longest, length), max(depth, level)
    return depth <= _MOST_DEPTH + 1 and longest <= _LONGEST_PATH and paths <= MOST_PATH_CHARACTERS


def _paths(value: Any, length: int, depth: int) -> Iterator[tuple[int, int]]:
    """The length of the path of each value, and its depth."""
    yield length, depth
    if depth > 2 * _MOST_DEPTH:
        return
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _paths(one, length + len(name) + 1, depth + 1)
    elif isinstance(value, list):
        for one in value:
            yield from _paths(one, length, depth + 1)


def _few(part: dict[str, Any], most: int, place: str, places: list[str]) -> dict[str, Any]:
    if len(part) <= most:
        return part
    places.append(place)
    return dict(islice(part.items(), most)) | {"…": f"{len(part) - most:,} more"}


def _shortened(value: Any, longest: int, most: int, place: str, depth: int, places: list[str]) -> Any:
    """The value with texts, lists and names of at most this length; their places are added to `places`."""
    place = place[:_LONGEST_PLACE]
    if isinstance(value, str):
        if len(value) <= longest:
            return value
        places.append(place)
        return f"{value[:longest]}… [{len(value):,} characters]"
    if not isinstance(value, dict | list) or not value:
        return value
    if depth >= _MOST_DEPTH:
        return _shortened(_text_of(value, longest), longest, most, place, depth, places)
    if isinstance(value, list):
        left = [_shortened(one, longest, most, place, depth + 1, places) for one in value[:most]]
        if len(value) <= most:
            return left
        places.append(place)
        return [*left, f"… {len(value) - most:,} more"]
    longest_name = min(longest, 500) if longest > 1024 else 40
    members = _few(value, most, place, places)
    if any(len(name) > longest_name for name in members):
        places.append(place)
    return {
        name[:longest_name]: _shortened(one, longest, most, f"{place}.{name}", depth + 1, places)
        for name, one in members.items()
    }


def _text_of(value: Any, longest: int) -> str:
    """What is nested too deeply, as JSON."""
    try:
        return _encode(value).decode()
    except RecursionError:
        return "…" * (longest + 1)
