"""Finding events: the one way in for API, pages and command line."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, tzinfo
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from tallystick import clock, ids
from tallystick.access import organizations
from tallystick.actions.catalogues import ActionCatalogues
from tallystick.clock import DAY_US
from tallystick.database.engine import Database
from tallystick.events.record import Record, StoredEvent, with_catalogue
from tallystick.journal import batches, set_aside
from tallystick.journal.lost_events import lost_within
from tallystick.journal.missing_ranges import IndexRange, missing_within, refuse_missing
from tallystick.ledger.tables import logs
from tallystick.query.conditions import Condition, Query
from tallystick.query.scope import Scope
from tallystick.search import counts
from tallystick.search.identifiers import KnownIdentifiers
from tallystick.search.match import compile_match
from tallystick.search.page import Order, Page, Relation, decode, fingerprint
from tallystick.search.paging import PageRequest, as_stored_event, by_time, page_by_index
from tallystick.store.bounds import with_mandatory_filter
from tallystick.store.client_words import ClientWords
from tallystick.store.errors import StoreTimeout
from tallystick.store.events import EventStore
from tallystick.store.grouping import earliest
from tallystick.store.reading import by_ids, in_order
from tallystick.store.windows import Budget, Direction, Place

SECONDS = 0.75
COUNT_SECONDS = 0.6
COUNT_WORKERS = 2
Aside = list[tuple[int, Record]]


class StreamBlock(NamedTuple):
    """Events of a stream, and the place after which it continues; None at the end."""

    events: list[StoredEvent]
    reached: Place | None


class Finder:
    """Reads events within a scope. Every method blocks: call it in a worker thread.

    Words of a query are looked for in the sentences of the organization's catalogue too, and the events that are
    returned have that catalogue.
    """

    def __init__(self, database: Database, store: EventStore) -> None:
        self._database = database
        self._store = store
        self._client_words = ClientWords(store)
        self.catalogues = ActionCatalogues(database)
        self._identifiers = KnownIdentifiers(store)
        self._counting = ThreadPoolExecutor(COUNT_WORKERS, thread_name_prefix="counting")

    def close(self) -> None:
        self._counting.shutdown()

    def page(
        self,
        scope: Scope,
        query: Query,
        *,
        limit: int = 50,
        offset: int = 0,
        cursor: str | None = None,
        order: Order = "desc",
        count: str = "estimate",
        after: int | None = None,
        question: str | None = None,
        allow_missing: bool = True,
    ) -> Page:
        """One page. `question` is what must be equal when the cursor comes back; default: the query itself.

        Unless `allow_missing`, a page in order of recording that meets missing events is refused with Conflict
        (`events_missing`).
        """
        budget = Budget(SECONDS)
        asked = question if question is not None else repr(query)
        # A cursor belongs to what its reader may see: its place, and what it counts, tell of no other events.
        mark = fingerprint(scope.org_id, order, f"{asked} {scope.mandatory!r}" if scope.is_filtered else asked)
        position = decode(cursor, mark) if cursor else None
        catalogue = self.catalogues.of(scope.org_id)
        query = catalogue.expand_query(query)
        with self._database.read() as connection:
            through, retention_start = self._index_state(connection, scope)
            aside = _aside(connection, scope, query)
            missing = missing_within(connection, scope, start=query.start)
            lost = lost_within(connection, scope, start=query.start)
        query = self._identifiers.narrow(scope, query, through)
        total: Future[tuple[int, Relation]] | None = None
        if count != "none":
            seconds = SECONDS if count == "exact" else COUNT_SECONDS
            total = self._counting.submit(
                counts.total, self._store, self._client_words, scope, query, exact=count == "exact", seconds=seconds
            )
        request = PageRequest(scope, query, limit, mark, [as_stored_event(index, record) for index, record in aside])
        if order == "recorded":
            begin = position.index if position else (-1 if after is None else after)
            data, cursor_out, partial = page_by_index(self._store, request, begin, through, budget)
            reached = decode(cursor_out, mark).index if cursor_out else through
            missing, lost = (
                [pair for pair in pairs if pair[1] > begin and pair[0] <= reached] for pairs in (missing, lost)
            )
            if not allow_missing:
                refuse_missing(missing)
        else:
            left = position.offset if position else offset
            place = (position.occurred_at, position.index) if position and position.index >= 0 else None
            data, cursor_out, partial = by_time(self._store, request, order, place, left, budget)
        number, relation = total.result() if total is not None else (None, None)
        if number is not None:
            number = max(number + len(aside), len(data))
        if missing and relation == "exact":
            relation = "at_least"
        data = with_catalogue(data, catalogue)
        return Page(data, number, relation, cursor_out, partial, through, retention_start, missing, lost)

    def total(self, scope: Scope, query: Query) -> tuple[int, Relation]:
        """The number of matching events, as exactly as the time allows."""
        query = self.catalogues.of(scope.org_id).expand_query(query)
        aside = self._aside(scope, query)
        query = self._narrowed(scope, query)
        number, relation = counts.total(
            self._store, self._client_words, scope, query, exact=False, seconds=COUNT_SECONDS
        )
        if relation == "exact" and self.missing(scope, query):
            relation = "at_least"
        return number + len(aside), relation

    def missing(self, scope: Scope, query: Query) -> list[IndexRange]:
        """The missing ranges that an answer to the query meets."""
        with self._database.read() as connection:
            return missing_within(connection, scope, start=query.start)

    def lost(self, scope: Scope, query: Query) -> list[IndexRange]:
        """The ranges of events that are lost for good and that an answer to the query meets."""
        with self._database.read() as connection:
            return lost_within(connection, scope, start=query.start)

    def find_one(self, scope: Scope, event_id: bytes) -> StoredEvent | None:
        """The event, also right after it was recorded; None if this scope has no such event."""
        return self.several(scope, [event_id]).get(event_id)

    def several(self, scope: Scope, event_ids: Sequence[bytes]) -> dict[bytes, StoredEvent]:
        """The events with these ids that this scope has, by id."""
        times = {event_id: ids.milliseconds_of(event_id) * 1000 for event_id in event_ids}
        visible = compile_match(Query(scope.mandatory))
        found: dict[bytes, StoredEvent] = {}

        def take(index: int, record: Record) -> None:
            if record.id in times and visible(record):
                found[record.id] = as_stored_event(index, record)

        with self._database.read() as connection:
            for index, record in set_aside.of_organization(connection, scope.org_id):
                take(index, record)
            for event_id, at_us in times.items():
                if event_id in found:
                    continue
                for batch in batches.read_received_within(connection, scope.org_id, at_us, at_us + 999):
                    for index, record in enumerate(batch.records, batch.first):
                        take(index, record)
        left = {event_id: at_us for event_id, at_us in times.items() if event_id not in found}
        found |= {event.id: event for event in by_ids(self._store, scope, left)}
        catalogue = self.catalogues.of(scope.org_id)
        return {event.id: event for event in with_catalogue(found.values(), catalogue)}

    def histogram(self, scope: Scope, query: Query, *, buckets: int = 60, zone: tzinfo = UTC) -> dict[str, Any]:
        """Counts by time and status: {start, end, interval_seconds, buckets: [{start, end, success, failed}], partial}.

        With `missing`, ranges of indexes, where events that might be counted are missing; `partial` is of time alone.
        """
        query = self.catalogues.of(scope.org_id).expand_query(query)
        aside = self._aside(scope, query)
        query = self._narrowed(scope, query)
        counted = counts.histogram(self._store, scope, query, aside, buckets=buckets, zone=zone)
        return self._marked(scope, query, counted)

    def facets(
        self, scope: Scope, query: Query, field: str, *, limit: int = 20, containing: str = ""
    ) -> dict[str, Any]:
        """The top values of a field, most frequent first: {field, values: [{value, count}], overlapping, partial}.

        Each count is that of the filter for the value, and `value` its most frequent spelling; `containing` is a text
        that it contains, ignoring case. `overlapping`: an event can have several of the values, so that the counts can
        add up to more than the events. `missing` as in a histogram.
        """
        query = self.catalogues.of(scope.org_id).expand_query(query)
        aside = self._aside(scope, query)
        query = self._narrowed(scope, query)
        counted = counts.facets(self._store, scope, query, aside, field, limit=limit, containing=containing)
        return self._marked(scope, query, counted)

    def _marked(self, scope: Scope, query: Query, counted: dict[str, Any]) -> dict[str, Any]:
        missing = self.missing(scope, query)
        return counted | {"missing": missing} if missing else counted

    def block(self, scope: Scope, query: Query, order: Direction, after: Place | None, need: int) -> StreamBlock:
        """The next block of every match in order, of at most `need` events; `after` is the place of the block before.

        Takes about as long as a page, so that a stream lets others have their turn between two blocks. Set-aside
        events come last.
        """
        catalogue = self.catalogues.of(scope.org_id)
        query = catalogue.expand_query(query)
        found = in_order(
            self._store, scope, query, order, start=after, offset=0, need=need, budget=Budget(SECONDS)
        )  # fmt: skip
        if len(found.rows) >= need:
            reached = (found.rows[-1].occurred_at, found.rows[-1].index)
            return StreamBlock(with_catalogue(found.rows, catalogue), reached)
        if not found.complete:  # by time or by bytes
            return StreamBlock(with_catalogue(found.rows, catalogue), found.reached)
        aside = [as_stored_event(index, record) for index, record in self._aside(scope, query)]
        return StreamBlock(with_catalogue([*found.rows, *aside], catalogue), None)

    def earliest(
        self, scope: Scope, query: Query, conditions: Sequence[Condition], *, seconds: float
    ) -> list[int | None] | None:
        """For each condition the first timestamp among the query's events, None where none matches; None as a whole if
        the time did not suffice."""
        query = self.catalogues.of(scope.org_id).expand_query(query)
        try:
            found = earliest(self._store, scope, query, conditions, seconds)
        except StoreTimeout:
            return None
        aside = [record for _, record in self._aside(scope, query)]
        judges = [compile_match(Query(condition)) for condition in conditions] if aside else []
        for place, judge in enumerate(judges):
            times = [record.occurred_at for record in aside if judge(record)]
            found[place] = min((at for at in (found[place], *times) if at is not None), default=None)
        return found

    def _narrowed(self, scope: Scope, query: Query) -> Query:
        with self._database.read() as connection:
            through, _ = self._index_state(connection, scope)
        return self._identifiers.narrow(scope, query, through)

    def _aside(self, scope: Scope, query: Query) -> Aside:
        with self._database.read() as connection:
            return _aside(connection, scope, query)

    def _index_state(self, connection: Connection, scope: Scope) -> tuple[int, int]:
        stored = connection.execute(select(logs.c.stored_end).where(logs.c.org_id == scope.org_id)).scalar()
        days = organizations.retention_days(connection, scope.org_id)
        return int(stored or 0) - 1, clock.now_us() - days * DAY_US


def _aside(connection: Connection, scope: Scope, query: Query) -> Aside:
    kept = set_aside.of_organization(connection, scope.org_id)
    if not kept:
        return []
    wanted = compile_match(with_mandatory_filter(scope, query))
    return [(index, record) for index, record in kept if wanted(record)]
