"""Reads values of records, which may be of any type."""

import re
from collections.abc import Mapping
from typing import Any

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NOT_WORD = re.compile(r"[^a-z0-9]+")


def snake(name: str) -> str:
    """`PutBucketACL` as `put_bucket_acl`."""
    return _NOT_WORD.sub("_", _WORD_START.sub("_", name).lower()).strip("_")


def text_of(mapping: Mapping[str, Any], name: str) -> str:
    """The text under a name; empty if there is none."""
    value = mapping.get(name)
    return value if isinstance(value, str) else ""


def object_of(value: object) -> dict[str, Any]:
    """An object as it is, nothing as an empty one, any other value as an object with that one value."""
    if isinstance(value, dict):
        return value
    return {} if value is None else {"value": value}


def present(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that hold something."""
    return {name: value for name, value in fields.items() if value is not None and value != "" and value != {}}
