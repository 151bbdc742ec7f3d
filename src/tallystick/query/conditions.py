"""Conditions on an event; a tree of these is what a search box, a filter or a rule means.

Text is compared after `search.fold`; `*` in a pattern stands for any run of characters.
"""

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Literal

Field = Literal["user", "action", "category", "status", "resource", "resource_type", "id", "session", "request"]


@dataclass(frozen=True, slots=True)
class Contains:
    """Some searchable field, or one value in the details, contains `needle` (folded, not empty)."""

    needle: str


@dataclass(frozen=True, slots=True)
class Equals:
    """`field` equals one of `patterns` (folded; `*` is a wildcard). `user` is e-mail, id or name of the
    actor or of the person acted for; `resource` is id or name; `id` is the `evt_…` text."""

    field: Field
    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InNetwork:
    """The address lies in one of the networks; an event without an address lies in none."""

    networks: tuple[IPv4Network | IPv6Network, ...]


@dataclass(frozen=True, slots=True)
class AtPath:
    """A value in the details at `path` or below it contains one of `needles` (folded)."""

    path: str
    needles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """start ≤ event timestamp < end, microseconds since 1970 UTC; None is open."""

    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Not:
    condition: "Condition"


@dataclass(frozen=True, slots=True)
class And:
    conditions: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Or:
    conditions: tuple["Condition", ...]


Condition = Contains | Equals | InNetwork | AtPath | Between | Not | And | Or

EVERYTHING = And(())


@dataclass(frozen=True, slots=True)
class Query:
    """start ≤ timestamp < end, and the condition. `needles` are the words to mark in a page."""

    condition: Condition = EVERYTHING
    start: int | None = None
    end: int | None = None
    needles: tuple[str, ...] = field(default=(), compare=False)
