"""Whether any stored event has an id, asked of the index on each kind of id by itself.

Beside the test of a word, the indexes on ids leave a few granules of false hits, whose texts are then compared. Asking
first costs a third of that, and nearly every word is no id.
"""

from collections.abc import Sequence
from typing import Any

from tallystick.query.conditions import Equals, Field, Query
from tallystick.query.scope import Scope
from tallystick.store.events import EventStore
from tallystick.store.query_sql import sql_for

FIELDS: tuple[Field, ...] = ("request", "trace", "external_id", "session")


def has_identifier(store: EventStore, scope: Scope, values: Sequence[str], *, seconds: float) -> bool:
    """Whether an event of the organization has one of these request, trace, external or session ids (folded).

    Raises StoreTimeout.
    """
    parameters: dict[str, Any] = {"org": str(scope.org_id)}
    parts = []
    for number, field in enumerate(FIELDS):
        compiled = sql_for(Query(Equals(field, tuple(values), wildcards=False)), prefix=f"id{number}_")
        parameters |= compiled.parameters
        parts.append(f"SELECT 1 FROM events WHERE org_id = {{org:UUID}} AND {compiled.sql} LIMIT 1")
    return bool(store.rows(" UNION ALL ".join(parts), parameters, seconds=seconds))
