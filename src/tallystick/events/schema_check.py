"""Checks the events of a request with the schemas that an organization gave its actions."""

from typing import Any

import msgspec

from tallystick.events.action_catalogue import ActionCatalogue
from tallystick.events.action_schema import MOST_COST_OF_EVENT, MOST_COST_OF_REQUEST
from tallystick.events.incoming import EventInput
from tallystick.events.problems import Problems, excerpt

MISMATCH, TOO_COSTLY = "schema_mismatch", "schema_too_costly"
_TOO_COSTLY = (
    "Checking this event with the schema of its action would take too long. Send fewer events in one request, or "
    "simplify the schema."
)
MOST_LISTED = 500  # warnings of one request; further events have one each
_json = msgspec.json.Encoder().encode


class SchemaWarning(msgspec.Struct, frozen=True, gc=False):
    """A place of a recorded event that does not fit the schema of its action."""

    field: str
    code: str
    detail: str


class SchemaCheck:
    """The check of one request. What all its events may cost is bounded."""

    def __init__(self, catalogue: ActionCatalogue, problems: Problems) -> None:
        self._own = catalogue.own
        self._problems = problems
        self._left = MOST_COST_OF_REQUEST
        self._listed = 0

    def check(self, index: int, event: EventInput) -> tuple[SchemaWarning, ...]:
        """The warnings for an event as it is stored, so with redacted values; or add its problems, as the mode says."""
        described = self._own.get(event.action)
        if described is None or described.checked_schema is None:
            return ()
        schema = described.checked_schema
        instance: dict[str, Any] = {
            name: value for name in ("changes", "metadata") if (value := getattr(event, name)) is not None
        }
        cost = schema.cost(_json(instance))
        self._left -= cost
        if cost > MOST_COST_OF_EVENT or self._left < 0:
            warnings = [SchemaWarning("", TOO_COSTLY, _TOO_COSTLY)]
        else:
            warnings = [SchemaWarning(excerpt(one.field), MISMATCH, one.detail) for one in schema.mismatches(instance)]
        if described.mode == "warn":
            self._listed += len(warnings)
            return tuple(warnings if self._listed <= MOST_LISTED else warnings[:1])
        for one in warnings:
            self._problems.add(index, one.field, one.code, one.detail)
        return ()
