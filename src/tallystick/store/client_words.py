"""Remembers for a moment whether the words of a query stand in the text of any client."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock

from tallystick.store.bounds import Bounded
from tallystick.store.events import EventStore

KEPT_SECONDS = 5.0
MOST_KEPT = 1_000  # queries


class ClientWords:
    """Whether an organization has events of a client with one of a query's words, at most KEPT_SECONDS old.

    Estimates are counted differently by it, and to ask takes about half as long as to count: who types, pages or
    refines a search would wait for it each time. Thread-safe.
    """

    def __init__(self, store: EventStore, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._monotonic = monotonic
        self._kept: OrderedDict[Hashable, tuple[bool, float]] = OrderedDict()
        self._lock = Lock()

    def has_any(self, bound: Bounded, in_clients: str, seconds: float) -> bool:
        """Whether an event fulfils `in_clients`, a part of the estimate of `bound`. StoreTimeout after `seconds`."""
        # Only what the statement names: the period may be another one with every request.
        named = {name: value for name, value in bound.parameters.items() if f"{{{name}:" in in_clients}
        key = (in_clients, *sorted(named.items()))
        now = self._monotonic()
        kept = self._kept.get(key)
        if kept is not None and now - kept[1] < KEPT_SECONDS:
            return kept[0]
        statement = f"SELECT 1 FROM events WHERE {in_clients} LIMIT 1"
        found = bool(self._store.rows(statement, named, seconds=seconds, settings=bound.counting))
        with self._lock:
            self._kept[key] = (found, now)
            self._kept.move_to_end(key)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return found
