"""Evidence for the questions of a report: exact counts below the report's position, and events to look at."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from tallystick.clock import SECOND_US, rfc3339
from tallystick.compliance import framework
from tallystick.database.engine import Database
from tallystick.display_text import ELLIPSIS
from tallystick.events.action_catalogue import BUILT_IN, ActionCatalogue
from tallystick.events.output import event_of
from tallystick.events.record import Record, StoredEvent, with_catalogue
from tallystick.query.case_folding import fold
from tallystick.query.conditions import And, Query, exactly
from tallystick.query.own_records import require_own_records
from tallystick.query.scope import Scope
from tallystick.render.compliance_report import EventLine, ExceptionReport, QuestionReport, ValueCount, ValueGroup
from tallystick.search import scan
from tallystick.search.filters import query_from
from tallystick.search.match import compile_match
from tallystick.search.paging import as_stored_event
from tallystick.store import grouping
from tallystick.store.bounds import with_mandatory_filter
from tallystick.store.events import EventStore
from tallystick.store.value_counts import seen_values, values_of

MOST_NEWEST = 5
MOST_FAILURES = 10
MOST_EXCEPTIONAL = 20
MOST_TOP = 10
MOST_CELL = 300  # characters of a value
HOUR_US = 3600 * SECOND_US
Values = Callable[[Record], tuple[Any, ...]]


@dataclass(frozen=True)
class Evidence:
    """Answers the questions of one report.

    `period` holds `start`, `end` and `tz` as query parameters; `position` is an index of the log, `asked_at` in
    microseconds. `set_aside` are the events that the event store refused, which count like all others.
    `on_progress` is called before each statement and during long ones; it raises if the report was cancelled.
    """

    database: Database
    store: EventStore
    scope: Scope
    period: dict[str, Sequence[str]]
    position: int
    asked_at: int
    set_aside: Sequence[tuple[int, Record]]
    on_progress: Callable[[], None] = lambda: None
    catalogue: ActionCatalogue = BUILT_IN

    def query(self, search: str = "") -> Query:
        """Parses a search, limited to the report's period."""
        return self.catalogue.expand_query(question_query(self.period, search, self.asked_at))

    def statuses(self, query: Query) -> Counter[str]:
        """Counts events by status."""
        counts = self._count(query, (grouping.STATUS,), lambda record: (record.status,))
        return Counter({key[0]: number for key, number in counts.items()})

    def answer(self, question: framework.Question) -> QuestionReport:
        """Answers one question."""
        query = self.query(question.query)
        # One statement for both counts; there are few actions, and two statuses.
        columns = (grouping.STATUS, grouping.ACTION)
        counts = self._count(query, columns, lambda record: (record.status, record.action))
        statuses, actions = Counter[str](), Counter[str]()
        for (status, action), number in counts.items():
            statuses[status] += number
            actions[action] += number
        total = statuses.total()
        by_user = self._top_values(query, "user") if total else []
        return QuestionReport(
            question.asks,
            question.query,
            total,
            statuses["success"],
            statuses["failed"],
            self._count_users(query) if total else 0,
            tuple(ValueCount(_cell(value), number) for value, number in by_user),
            tuple(ValueCount(value, number) for value, number in _by_count(actions)[:MOST_TOP]),
            len(actions),
            self._newest(_with_status(query, "failed"), MOST_FAILURES) if statuses["failed"] else (),
            self._newest(_with_status(query, "success"), MOST_NEWEST) if statuses["success"] else (),
            tuple(map(self.exception_report, question.exceptions)),
        )

    def exception_report(self, search: framework.ExceptionSearch) -> ExceptionReport:
        """Finds exceptional events or groups, as the framework file defines them."""
        query = self.query(search.query)
        if search.at_least and search.per:
            return self._repeated(search, query)
        if search.without:
            return self._without(search, query)
        if search.own:
            return self._self_directed(search, query)
        count = self.statuses(query).total()
        samples = self._newest(query, MOST_EXCEPTIONAL) if count else ()
        return ExceptionReport(search.says, search.query, count, "event", samples, all_shown=len(samples) == count)

    def _repeated(self, search: framework.ExceptionSearch, query: Query) -> ExceptionReport:
        """Finds values with at least `at_least` events in one hour of the clock (UTC)."""
        self.on_progress()
        per = search.per or "user"
        # Events set aside may complete a group, so that then all groups are read and the small ones dropped here.
        set_aside_records = self.set_aside_records(query)
        least = 1 if set_aside_records else search.at_least
        spellings: dict[str, str] = {}
        counts: Counter[tuple[str, int]] = Counter()
        for row in grouping.count_values(
            self.store, self.scope, query, self.position, per, by_hour=True, at_least=least
        ):
            counts[row.key, row.hour] = row.number
            spellings.setdefault(row.key, row.usual)
        for record in set_aside_records:
            for key, spelling in seen_values(per, record):
                counts[key, record.occurred_at // HOUR_US] += 1
                spellings.setdefault(key, spelling)
        large = [(key, number) for key, number in counts.items() if number >= search.at_least]
        large.sort(key=lambda pair: (-pair[1], -pair[0][1], pair[0][0]))
        groups = tuple(
            ValueGroup(_cell(spellings[key]), number, per, rfc3339(hour * HOUR_US), rfc3339((hour + 1) * HOUR_US))
            for (key, hour), number in large[:MOST_EXCEPTIONAL]
        )
        return ExceptionReport(
            search.says, search.query, len(large), f"{per} and hour", (), groups, len(groups) == len(large), True
        )

    def _without(self, search: framework.ExceptionSearch, query: Query) -> ExceptionReport:
        """Finds resources without an event that the search `without` finds, such as a deployment without approval."""
        self.on_progress()
        other_query = self.query(search.without)
        other = grouping.distinct_keys(self.store, self.scope, other_query, self.position, "resource")
        other.update(key for record in self.set_aside_records(other_query) for key in values_of("resource", record))
        rest = [one for one in self._values(query, "resource") if one[0] not in other]
        groups = tuple(ValueGroup(_cell(usual), number, "resource") for _, usual, number in rest[:MOST_EXCEPTIONAL])
        return ExceptionReport(
            search.says, search.query, len(rest), "resource", (), groups, len(groups) == len(rest), True
        )

    def _self_directed(self, search: framework.ExceptionSearch, query: Query) -> ExceptionReport:
        """Finds events whose actor is their resource. No search expresses that, so every event is read."""
        count, samples = 0, list[EventLine]()
        blocks = scan.newest_first(self.database, self.store, self.scope, query, self.position)
        with closing(blocks):
            for block in blocks:
                self.on_progress()
                own = [event for event in block if _acts_on_itself(event)]
                count += len(own)
                samples += map(event_line, own[: MOST_EXCEPTIONAL - len(samples)])
        return ExceptionReport(
            search.says,
            search.query,
            count,
            "event",
            tuple(samples),
            all_shown=len(samples) == count,
            query_is_wider=True,
        )

    def _count(self, query: Query, by: Sequence[str], values: Values) -> Counter[tuple[Any, ...]]:
        self.on_progress()
        rows = grouping.count_groups(self.store, self.scope, query, self.position, by)
        counts: Counter[tuple[Any, ...]] = Counter({row[:-1]: row[-1] for row in rows})
        counts.update(values(record) for record in self.set_aside_records(query))
        return counts

    def _top_values(self, query: Query, name: str) -> list[tuple[str, int]]:
        return [(usual, number) for _, usual, number in self._values(query, name, MOST_TOP)[:MOST_TOP]]

    def _values(self, query: Query, name: str, most: int = grouping.MOST_VALUES) -> list[tuple[str, str, int]]:
        """The values of a field as filters compare them, as people see them, and their counts; most frequent first."""
        self.on_progress()
        set_aside_records = self.set_aside_records(query)
        most = grouping.MOST_VALUES if set_aside_records else most
        rows = grouping.count_values(self.store, self.scope, query, self.position, name, most=most)
        counts: Counter[str] = Counter({row.key: row.number for row in rows})
        spellings = {row.key: row.usual for row in rows}
        for record in set_aside_records:
            for key, spelling in seen_values(name, record):
                counts[key] += 1
                spellings.setdefault(key, spelling)
        return [(key, spellings[key], number) for key, number in _by_count(counts)]

    def _count_users(self, query: Query) -> int:
        if self.set_aside_records(query):
            return len(self._values(query, "user"))
        self.on_progress()
        return grouping.count_distinct(self.store, self.scope, query, self.position, "user")

    def _newest(self, query: Query, most: int) -> tuple[EventLine, ...]:
        self.on_progress()
        found = grouping.newest_events(self.store, self.scope, query, self.position, most)
        found += [as_stored_event(index, record) for index, record in self._set_aside_matches(query)]
        found.sort(key=lambda event: (event.occurred_at, event.index), reverse=True)
        return tuple(map(event_line, with_catalogue(found[:most], self.catalogue)))

    def set_aside_records(self, query: Query) -> list[Record]:
        """Returns the events that the query finds among those set aside."""
        return [record for _, record in self._set_aside_matches(query)]

    def _set_aside_matches(self, query: Query) -> list[tuple[int, Record]]:
        if not self.set_aside:
            return []
        matches = compile_match(with_mandatory_filter(self.scope, query))
        return [(index, record) for index, record in self.set_aside if index < self.position and matches(record)]


def question_query(period: Mapping[str, Sequence[str]], search: str, now: int) -> Query:
    """Returns the query for a search of a framework: in the period, and of Tallystick's actions only its own records.

    `period` holds `start`, `end` and `tz` as query parameters; `now` in microseconds.
    """
    query = query_from({**period, "q": [search]} if search else period, now=now)
    return replace(query, condition=require_own_records(query.condition))


def event_line(stored: StoredEvent) -> EventLine:
    """Summarizes an event in one line of a report."""
    event = event_of(stored)
    actor, resource = event.get("actor", {}), event.get("resource", {})
    return EventLine(
        event["id"],
        event["index"],
        rfc3339(stored.occurred_at),
        _cell(str(actor.get("email") or actor.get("name") or actor.get("id") or "")),
        event["action"],
        _cell(str(resource.get("name") or resource.get("id") or "")),
        str(event.get("context", {}).get("ip_address", "")),
        event["status"],
        _cell(". ".join(text for text in (event["summary"], event.get("status_reason", "")) if text)),
    )


def _acts_on_itself(stored: StoredEvent) -> bool:
    event = event_of(stored)
    actor, resources = event.get("actor", {}), event.get("resources") or [event.get("resource", {})]
    names = {fold(str(actor[name])) for name in ("id", "email") if actor.get(name)}
    return bool(names & {fold(str(one[name])) for one in resources for name in ("id", "name") if one.get(name)})


def _with_status(query: Query, status: str) -> Query:
    return Query(And((query.condition, exactly("status", status))), query.start, query.end)


def _by_count(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def _cell(value: str) -> str:
    return value if len(value) <= MOST_CELL else value[: MOST_CELL - len(ELLIPSIS)] + ELLIPSIS
