"""The scope: which organization's events may be read or changed, by whom, and how. Only `access` constructs one."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Literal
from uuid import UUID

from tallystick.query.conditions import EVERYTHING, Condition

Permission = Literal["events:write", "events:read", "exports", "alerts", "admin"]


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts: `kind` is user, api_key or system; `id` is the public id (`usr_…`, `key_…`).

    `records_for_others`: an event that names no actor, recorded by this principal, is nobody's.
    """

    kind: Literal["user", "api_key", "system"]
    id: str
    name: str
    email: str = ""
    records_for_others: bool = False

    @property
    def label(self) -> str:
        """How people recognize the principal: e-mail address, else name, else id."""
        return self.email or self.name or self.id


TALLYSTICK = Principal("system", "tallystick", "Tallystick")  # acts by itself: background work, alerts
OPERATOR = Principal("system", "operator", "operator")  # whoever runs the server, at the command line


@dataclass(frozen=True, slots=True)
class Scope:
    """One organization, one principal, its permissions, and the filter that every reading must apply.

    `filter` is the text of the filter that an owner set, "" without one: a member's own activity has none.
    """

    org_id: UUID
    principal: Principal
    permissions: frozenset[Permission]
    mandatory: Condition = EVERYTHING
    role: str = ""
    filter: str = ""

    @property
    def is_filtered(self) -> bool:
        """Whether the scope reads a part of the trail only."""
        return self.mandatory != EVERYTHING

    @property
    def view(self) -> str:
        """A digest of the filter that an owner set; "" without one. Files made under another view stay closed."""
        return sha256(repr(self.mandatory).encode()).hexdigest() if self.filter else ""
