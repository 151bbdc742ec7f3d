"""Reads values of records, which may be of any type."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

LONGEST_NAME = 1024  # characters of a name or id of an event
LONGEST_EMAIL = 320
HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"  # a value, or what was typed as a user's name and may be a password

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NOT_WORD = re.compile(r"[^a-z0-9]+")
_LONGEST_KNOWN = 200  # characters of a name that is remembered


def snake(name: str) -> str:
    """`PutBucketACL` as `put_bucket_acl`."""
    return _known_snake(name) if len(name) <= _LONGEST_KNOWN else _snake(name)


def member_name(key: str) -> str:
    """The name of a member of a call's parameters or answer: `db_instance_arn` for `dBInstanceArn`."""
    return snake(key[:1].upper() + key[1:])


def _snake(name: str) -> str:
    return _NOT_WORD.sub("_", _WORD_START.sub("_", name).lower()).strip("_")


_known_snake = lru_cache(maxsize=8192)(_snake)


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
