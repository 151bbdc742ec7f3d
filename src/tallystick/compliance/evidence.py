"""What the trail answers to one question: exact counts below the report's position, and events to look at."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from tallystick.clock import SECOND_US, rfc3339
from tallystick.compliance import framework
from tallystick.database.engine import Database
from tallystick.events.output import event_of
from tallystick.events.record import Record, StoredEvent
from tallystick.query.conditions import And, Query, exactly
from tallystick.query.fold import fold
from tallystick.query.scope import Scope
from tallystick.render.compliance_report import EventLine, ExceptionReport, QuestionReport, ValueCount, ValueGroup
from tallystick.search import scan
from tallystick.search.filters import query_from
from tallystick.search.match import compile_match
from tallystick.search.paging import as_stored_event
from tallystick.store import grouping
from tallystick.store.bounds import with_mandatory_filter
from tallystick.store.events import EventStore

MOST_NEWEST = 5
MOST_FAILURES = 10
MOST_EXCEPTIONAL = 20
MOST_TOP = 10
MOST_CELL = 300  # characters of a value
HOUR_US = 3600 * SECOND_US
_FIELDS: dict[str, tuple[str, Callable[[Record], str]]] = {
    "user": (grouping.USER, lambda one: one.actor_email or one.actor_name or one.actor_id),
    "resource": (grouping.RESOURCE, lambda one: one.resource_name or one.resource_id),
    "ip": (grouping.IP, lambda one: one.ip_address),
}
Values = Callable[[Record], tuple[Any, ...]]


@dataclass(frozen=True)
class Evidence:
    """Answers for one report. `period` is start, end and zone in the names of finding events.

    `aside` are the events that the store would not take: counted like the others. `look` is called before each
    statement and now and then within long ones: whoever waits for the report may have given it up.
    """

    database: Database
    store: EventStore
    scope: Scope
    period: dict[str, Sequence[str]]
    position: int
    asked_at: int
    aside: Sequence[tuple[int, Record]]
    look: Callable[[], None] = lambda: None

    def query(self, search: str = "") -> Query:
        """A search within the period."""
        given = {**self.period, "q": [search]} if search else self.period
        return query_from(given, now=self.asked_at)

    def statuses(self, query: Query) -> Counter[str]:
        """How many of each status."""
        counts = self._counted(query, (grouping.STATUS,), lambda one: (one.status,))
        return Counter({key[0]: number for key, number in counts.items()})

    def answer(self, question: framework.Question) -> QuestionReport:
        """One question answered."""
        query = self.query(question.query)
        by_both = self._counted(query, (grouping.STATUS, grouping.ACTION), lambda one: (one.status, one.action))
        statuses, actions = Counter[str](), Counter[str]()
        for (status, action), number in by_both.items():
            statuses[status] += number
            actions[action] += number
        total = statuses.total()
        by_user = self._top(query, "user") if total else []
        return QuestionReport(
            question.asks,
            question.query,
            total,
            statuses["success"],
            statuses["failed"],
            self._users(query) if total else 0,
            tuple(ValueCount(value[:MOST_CELL], number) for value, number in by_user),
            tuple(ValueCount(value, number) for value, number in _by_count(actions)[:MOST_TOP]),
            len(actions),
            self._newest(_with_status(query, "failed"), MOST_FAILURES) if statuses["failed"] else (),
            self._newest(_with_status(query, "success"), MOST_NEWEST) if statuses["success"] else (),
            tuple(map(self.exceptional, question.exceptions)),
        )

    def exceptional(self, one: framework.ExceptionSearch) -> ExceptionReport:
        """What stands out, in the shape that the mapping asks for."""
        query = self.query(one.query)
        if one.at_least and one.per:
            return self._repeated(one, query)
        if one.without:
            return self._without(one, query)
        if one.own:
            return self._own(one, query)
        count = sum(self._counted(query, (grouping.STATUS,), lambda found: (found.status,)).values())
        samples = self._newest(query, MOST_EXCEPTIONAL) if count else ()
        return ExceptionReport(one.says, one.query, count, "event", samples, all_shown=len(samples) == count)

    def _repeated(self, one: framework.ExceptionSearch, query: Query) -> ExceptionReport:
        """Hours in which one value has many."""
        self.look()
        column, value_of = _FIELDS[one.per or "user"]
        # What is set aside may complete a group, so that all groups are counted before the small ones go.
        mine = self.mine(query)
        least = 1 if mine else one.at_least
        counts: Counter[tuple[str, int]] = Counter()
        for value, hour, number in grouping.count_groups(
            self.store, self.scope, query, self.position, (column, grouping.HOUR), at_least=least
        ):
            counts[value, hour] = number
        counts.update((value_of(record), record.occurred_at // HOUR_US) for record in mine)
        large = [(key, number) for key, number in counts.items() if number >= one.at_least and key[0]]
        large.sort(key=lambda pair: (-pair[1], -pair[0][1], pair[0][0]))
        groups = tuple(
            ValueGroup(
                value[:MOST_CELL], number, one.per or "user", rfc3339(hour * HOUR_US), rfc3339((hour + 1) * HOUR_US)
            )
            for (value, hour), number in large[:MOST_EXCEPTIONAL]
        )
        return ExceptionReport(
            one.says, one.query, len(large), f"{one.per} and hour", (), groups, len(groups) == len(large), True
        )

    def _without(self, one: framework.ExceptionSearch, query: Query) -> ExceptionReport:
        """Resources of which the other search finds nothing."""
        column, value_of = _FIELDS["resource"]
        there = self._counted(query, (column,), lambda found: (value_of(found),))
        other = self._counted(self.query(one.without), (column,), lambda found: (value_of(found),))
        left = [(key[0], number) for key, number in there.items() if key[0] and key not in other]
        left.sort(key=lambda pair: (-pair[1], pair[0]))
        groups = tuple(ValueGroup(value[:MOST_CELL], number, "resource") for value, number in left[:MOST_EXCEPTIONAL])
        return ExceptionReport(one.says, one.query, len(left), "resource", (), groups, len(groups) == len(left), True)

    def _own(self, one: framework.ExceptionSearch, query: Query) -> ExceptionReport:
        """Events whose actor is their resource: read one by one, since no search says it."""
        count, samples = 0, list[EventLine]()
        blocks = scan.newest_first(self.database, self.store, self.scope, query, self.position)
        with closing(blocks):
            for block in blocks:
                self.look()
                own = [event for event in block if _acts_on_itself(event)]
                count += len(own)
                samples += map(sample_of, own[: MOST_EXCEPTIONAL - len(samples)])
        return ExceptionReport(
            one.says, one.query, count, "event", tuple(samples), all_shown=len(samples) == count, query_is_wider=True
        )

    def _counted(self, query: Query, by: Sequence[str], values: Values) -> Counter[tuple[Any, ...]]:
        self.look()
        rows = grouping.count_groups(self.store, self.scope, query, self.position, by)
        counts: Counter[tuple[Any, ...]] = Counter({row[:-1]: row[-1] for row in rows})
        counts.update(values(record) for record in self.mine(query))
        return counts

    def _top(self, query: Query, name: str) -> list[tuple[str, int]]:
        self.look()
        column, value_of = _FIELDS[name]
        mine = self.mine(query)
        most = None if mine else MOST_TOP + 1
        rows = grouping.count_groups(self.store, self.scope, query, self.position, (column,), most=most)
        counts: Counter[str] = Counter({row[0]: row[1] for row in rows})
        counts.update(map(value_of, mine))
        counts.pop("", None)
        return _by_count(counts)[:MOST_TOP]

    def _users(self, query: Query) -> int:
        self.look()
        mine = self.mine(query)
        if not mine:
            return grouping.count_distinct(self.store, self.scope, query, self.position, grouping.USER)
        rows = grouping.count_groups(self.store, self.scope, query, self.position, (grouping.USER,))
        return len(({row[0] for row in rows} | {_FIELDS["user"][1](record) for record in mine}) - {""})

    def _newest(self, query: Query, most: int) -> tuple[EventLine, ...]:
        self.look()
        found = grouping.newest_events(self.store, self.scope, query, self.position, most)
        found += [as_stored_event(index, record) for index, record in self._mine_with_index(query)]
        found.sort(key=lambda event: (event.occurred_at, event.index), reverse=True)
        return tuple(map(sample_of, found[:most]))

    def mine(self, query: Query) -> list[Record]:
        """Those of the events that were set aside which the query finds."""
        return [record for _, record in self._mine_with_index(query)]

    def _mine_with_index(self, query: Query) -> list[tuple[int, Record]]:
        if not self.aside:
            return []
        matches = compile_match(with_mandatory_filter(self.scope, query))
        return [(index, record) for index, record in self.aside if index < self.position and matches(record)]


def sample_of(stored: StoredEvent) -> EventLine:
    """An event as a line."""
    event = event_of(stored)
    actor, resource = event.get("actor", {}), event.get("resource", {})
    return EventLine(
        event["id"],
        event["index"],
        rfc3339(stored.occurred_at),
        str(actor.get("email") or actor.get("name") or actor.get("id") or "")[:MOST_CELL],
        event["action"],
        str(resource.get("name") or resource.get("id") or "")[:MOST_CELL],
        str(event.get("context", {}).get("ip_address", "")),
        event["status"],
        event["summary"][:MOST_CELL],
    )


def _acts_on_itself(stored: StoredEvent) -> bool:
    event = event_of(stored)
    actor, resource = event.get("actor", {}), event.get("resource", {})
    names = {fold(str(actor[name])) for name in ("id", "email") if actor.get(name)}
    return bool(names & {fold(str(resource[name])) for name in ("id", "name") if resource.get(name)})


def _with_status(query: Query, status: str) -> Query:
    return Query(And((query.condition, exactly("status", status))), query.start, query.end)


def _by_count(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
