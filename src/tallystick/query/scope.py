"""The scope: which organization's events may be read or changed, by whom, and how. Only `access` constructs one."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from tallystick.query.conditions import EVERYTHING, Condition

Permission = Literal["events:write", "events:read", "exports", "alerts", "admin"]


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts: `kind` is user, api_key or system; `id` is the public id (`usr_…`, `key_…`)."""

    kind: Literal["user", "api_key", "system"]
    id: str
    name: str
    email: str = ""

    @property
    def label(self) -> str:
        """How people recognize the principal: e-mail address, else name, else id."""
        return self.email or self.name or self.id


TALLYSTICK = Principal("system", "tallystick", "Tallystick")  # acts by itself: background work, alerts
OPERATOR = Principal("system", "operator", "operator")  # whoever runs the server, at the command line


@dataclass(frozen=True, slots=True)
class Scope:
    """One organization, one principal, its permissions, and the filter that every reading must apply."""

    org_id: UUID
    principal: Principal
    permissions: frozenset[Permission]
    mandatory: Condition = EVERYTHING
    role: str = ""
