"""Conditions on an event; a tree of these is what a search box, a filter or a rule means.

Text is compared after `query.fold.fold`. An event without a field ("" in the record) has
nothing there that could be equal: not even the pattern `*` finds it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Literal

from tallystick.query.fold import fold

Field = Literal["user", "action", "category", "status", "resource", "resource_type", "id", "session", "request"]

# Where the value of a field stands in a record, and in the row of the event store of the same name.
STANDS_IN: Mapping[Field, tuple[str, ...]] = {
    "user": ("actor_email", "actor_id", "actor_name", "behalf_email", "behalf_id", "behalf_name"),
    "action": ("action",),
    "category": ("category",),
    "status": ("status",),
    "resource": ("resource_name", "resource_id"),
    "resource_type": ("resource_type",),
    "session": ("session_id",),
    "request": ("request_id",),
}


@dataclass(frozen=True, slots=True)
class Contains:
    """Some searchable field, or one value in the details, contains `needle` (folded, not empty)."""

    needle: str


@dataclass(frozen=True, slots=True)
class Equals:
    """`field` equals one of `patterns` (folded).

    `*` in a pattern stands for any run of characters, unless `wildcards` is off. `user` is
    e-mail, id or name of the actor or of the person acted for; `resource` is id or name; `id`
    is the `evt_…` text, in which a `*` may only stand at the end (`event_ids.span`).
    """

    field: Field
    patterns: tuple[str, ...]
    wildcards: bool = True


@dataclass(frozen=True, slots=True)
class InNetwork:
    """The address lies in one of the networks (`networks.span`); an event without an address lies in none."""

    networks: tuple[IPv4Network | IPv6Network, ...]


@dataclass(frozen=True, slots=True)
class AtPath:
    """A value in the details at `path` (folded) or below it contains one of `needles` (folded, not empty)."""

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
    """All of them; of none, everything."""

    conditions: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """One of them at least; of none, nothing."""

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


def exactly(name: Field, *values: str) -> Equals:
    """`name` is one of `values`, ignoring case, a `*` in them being a star; an empty value finds nothing."""
    return Equals(name, tuple(fold(value) for value in values if value), wildcards=False)
