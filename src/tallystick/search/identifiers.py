"""Leaves out of a query the ids that no event has: words are looked for among ids, and few words are any."""

from collections.abc import Iterator
from uuid import UUID

from tallystick.query.conditions import EVERYTHING, And, Condition, HasIdentifier, Not, Or, Query
from tallystick.query.scope import Scope
from tallystick.query.values import event_id_span
from tallystick.store.errors import StoreTimeout
from tallystick.store.events import EventStore
from tallystick.store.identifiers import has_identifier

SECONDS = 0.2
MOST_KEPT = 500
NEVER = Or(())


class KnownIdentifiers:
    """Knows for a while which words are ids of stored events. Thread-safe."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._known: dict[tuple[UUID, int, tuple[str, ...]], bool] = {}

    def narrow(self, scope: Scope, query: Query, through: int) -> Query:
        """The query without conditions on ids if no event has them; it finds the same stored events.

        `through` is the index through which events are stored: what was found is valid until it grows.
        """
        values = tuple(dict.fromkeys(_identifiers(query.condition)))
        if not values or any(event_id_span(value) for value in values):
            return query
        key = (scope.org_id, through, values)
        if (is_there := self._known.get(key)) is None:
            try:
                is_there = has_identifier(self._store, scope, values, seconds=SECONDS)
            except StoreTimeout:
                return query
            if len(self._known) >= MOST_KEPT:
                self._known.clear()
            self._known[key] = is_there
        return query if is_there else Query(_without(query.condition), query.start, query.end, query.needles)


def _identifiers(condition: Condition) -> Iterator[str]:
    match condition:
        case HasIdentifier(values):
            yield from values
        case Not(inner):
            yield from _identifiers(inner)
        case And(conditions) | Or(conditions):
            for one in conditions:
                yield from _identifiers(one)
        case _:
            return


def _without(condition: Condition) -> Condition:
    match condition:
        case HasIdentifier():
            return NEVER
        case Not(inner):
            left = _without(inner)
            return EVERYTHING if left == NEVER else Not(left)
        case And(conditions):
            kept = tuple(one for one in map(_without, conditions) if one != EVERYTHING)
            return kept[0] if len(kept) == 1 else And(kept)
        case Or(conditions):
            kept = tuple(one for one in map(_without, conditions) if one != NEVER)
            return kept[0] if len(kept) == 1 else Or(kept)
        case _:
            return condition
