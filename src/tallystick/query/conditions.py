"""Conditions on an event; a search, a filter or a rule is a tree of these.

Text is compared after `query.case_folding.fold`. A field that an event lacks ("" in the record) equals nothing, not
even the pattern `*`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Literal

from tallystick.query.case_folding import fold

Field = Literal[
    "user", "action", "category", "status", "severity", "resource", "resource_type", "id", "session", "request",
    "trace", "external_id", "actor_type", "on_behalf_of", "recorded_by", "status_reason", "original_action",
    "user_agent", "source", "channel", "account", "region", "country", "network", "auth_method", "credential", "tool",
    "model", "mode",
]  # fmt: skip

# Where the value of a field stands in a record, and in the row of the event store of the same name. A field of several
# columns equals a pattern if any of them does; some columns hold several values (MULTIPLE).
STANDS_IN: Mapping[Field, tuple[str, ...]] = {
    "user": ("actor_email", "actor_id", "actor_name", "behalf_email", "behalf_id", "behalf_name"),
    "action": ("action",),
    "category": ("category",),
    "status": ("status",),
    "severity": ("severity",),
    "resource": ("resource_name", "resource_id", "other_resource_names", "other_resource_ids"),
    "resource_type": ("resource_type", "other_resource_types"),
    "session": ("session_id", "agent_session_id"),
    "request": ("request_id",),
    "trace": ("trace_id",),
    "external_id": ("external_id",),
    "actor_type": ("actor_type",),
    "on_behalf_of": ("behalf_email", "behalf_id", "behalf_name"),
    "recorded_by": ("recorder_email", "recorder_id", "recorder_name"),
    "status_reason": ("status_reason",),
    "original_action": ("original_action",),
    "user_agent": ("user_agent",),
    "source": ("source",),
    "channel": ("channel",),
    "account": ("account",),
    "region": ("region",),
    "country": ("country",),
    "network": ("network",),
    "auth_method": ("auth_method",),
    "credential": ("credential_id",),
    "tool": ("tool",),
    "model": ("model",),
    "mode": ("mode",),
}
# Where ids stand that a word finds as a whole, besides the id of the event.
IDENTIFIERS = ("session_id", "agent_session_id", "request_id", "trace_id", "external_id")
MULTIPLE = frozenset({"other_resource_types", "other_resource_ids", "other_resource_names"})


@dataclass(frozen=True, slots=True)
class Contains:
    """Some searchable field, or one value in the details, contains `needle` (folded, not empty)."""

    needle: str


@dataclass(frozen=True, slots=True)
class ContainsInOrder:
    """Some searchable field, or one value in the details, contains all `pieces` (folded, not empty), one behind the
    other."""

    pieces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HasIdentifier:
    """The id of the event, or its external, request, session, agent session or trace id, is one of `values` (folded,
    not empty)."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Equals:
    """`field` equals one of `patterns` (folded).

    `*` in a pattern stands for any run of characters, and `\\*` for a star (`values.pieces_of`), unless `wildcards` is
    off: then patterns are values. `user` is the e-mail, id or name of
    the actor or of the person acted for; `resource` is the id or name of any resource; `id` is the `evt_…` text, in
    which a `*` may only stand at the end (`values.event_id_span`).
    """

    field: Field
    patterns: tuple[str, ...]
    wildcards: bool = True


@dataclass(frozen=True, slots=True)
class IsResource:
    """One resource of the event has this type, and one of these ids or names (all folded, not empty)."""

    type: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InNetwork:
    """The IP address lies in one of the networks (`values.network_span`); an event without address lies in none."""

    networks: tuple[IPv4Network | IPv6Network, ...]


@dataclass(frozen=True, slots=True)
class AtPath:
    """A value in the details at `path` (folded) or below it contains one of `needles` (folded, not empty)."""

    path: str
    needles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EqualTo:
    """A value that is this text (folded), or the same number."""

    text: str


@dataclass(frozen=True, slots=True)
class NumberWithin:
    """A value that is a number between these decimal numbers; None is open. They belong to it if the flag says so."""

    low: str | None
    high: str | None
    has_low: bool = True
    has_high: bool = True


@dataclass(frozen=True, slots=True)
class TimeWithin:
    """A value that is a date or time with start ≤ time < end, microseconds since 1970 UTC; None is open.

    A date is its first moment in UTC, as is a time without a zone.
    """

    start: int | None
    end: int | None


ValueTest = EqualTo | NumberWithin | TimeWithin


@dataclass(frozen=True, slots=True)
class HasPath:
    """The details have a value at `path` (folded) or below it."""

    path: str


@dataclass(frozen=True, slots=True)
class ValueAtPath:
    """A value in the details at `path` (folded) or below it passes the test."""

    path: str
    test: ValueTest


@dataclass(frozen=True, slots=True)
class InElement:
    """One element of a list in the details at `path` (folded) fulfils the condition.

    Lists within the list have their elements in it too, a single object is a list of one, and what has no value (an
    empty object) is no element. The condition is made of
    AtPath, HasPath and ValueAtPath, whose paths begin at the element, by Not, And and Or.
    """

    path: str
    condition: "Condition"


@dataclass(frozen=True, slots=True)
class Between:
    """start ≤ event timestamp < end, microseconds since 1970 UTC; None is open."""

    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class RecordedByTallystick:
    """Tallystick itself recorded the event (`own_records.is_own_record`)."""


@dataclass(frozen=True, slots=True)
class Not:
    condition: "Condition"


@dataclass(frozen=True, slots=True)
class And:
    """All of these hold; empty: always true."""

    conditions: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of these holds; empty: never true."""

    conditions: tuple["Condition", ...]


InDetails = AtPath | HasPath | ValueAtPath | InElement
Condition = (
    Contains
    | ContainsInOrder
    | HasIdentifier
    | Equals
    | IsResource
    | InNetwork
    | InDetails
    | Between
    | RecordedByTallystick
    | Not
    | And
    | Or
)

EVERYTHING = And(())


@dataclass(frozen=True, slots=True)
class Query:
    """The condition and the period start ≤ timestamp < end. `needles` are the words to highlight in results."""

    condition: Condition = EVERYTHING
    start: int | None = None
    end: int | None = None
    needles: tuple[str, ...] = field(default=(), compare=False)


def exactly(name: Field, *values: str) -> Equals:
    """`name` equals one of `values`, ignoring case, with `*` as a literal star; an empty value matches nothing."""
    return Equals(name, tuple(fold(value) for value in values if value), wildcards=False)
