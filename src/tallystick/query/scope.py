"""The scope: whose events may be touched, by whom, to do what. Only `access` makes one."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from tallystick.query.conditions import EVERYTHING, Condition

Permission = Literal["events:write", "events:read", "exports", "alerts", "streams", "admin"]


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts: `kind` is user, api_key, system; `id` as shown (`usr_…`, `key_…`)."""

    kind: Literal["user", "api_key", "system"]
    id: str
    name: str
    email: str = ""


@dataclass(frozen=True, slots=True)
class Scope:
    """One organization, one principal, what it may do, and the filter that no reading may leave out."""

    org_id: UUID
    principal: Principal
    permissions: frozenset[Permission]
    mandatory: Condition = EVERYTHING
    role: str = ""
