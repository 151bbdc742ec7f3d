"""Previews an intake rule on the events of the past: what it saves, and what would have missed something."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select

from tallystick import ids
from tallystick.access import organizations
from tallystick.access.scopes import require, require_whole_trail
from tallystick.alerts.compiled_rule import CompiledRule
from tallystick.alerts.rule import list_rules
from tallystick.cases.case import PREFIX as CASE
from tallystick.cases.case import visible_clause
from tallystick.cases.tables import case_events, cases
from tallystick.clock import DAY_US
from tallystick.compliance.framework import load_frameworks
from tallystick.database.engine import Database
from tallystick.events.copies import record_of
from tallystick.ids import milliseconds_of
from tallystick.intake_rules.rule import Effect, IntakeRule, check_rule, conditions_of
from tallystick.intake_rules.rule_list import read_rule_list
from tallystick.query.conditions import And, Condition, Not, Or, Query
from tallystick.query.own_records import require_own_records
from tallystick.query.scope import Scope
from tallystick.retention import holds
from tallystick.search.grammar import parse
from tallystick.search.match import compile_match
from tallystick.store.condition_counts import count_conditions
from tallystick.store.events import EventStore
from tallystick.store.reading import by_ids
from tallystick.work.stop_signal import until_stop

PERIOD_DAYS = 30
BUDGET_SECONDS = 2.5
MOST_CONDITIONS = 300
MOST_CASE_EVENTS = 1000


@dataclass(frozen=True, slots=True)
class AffectedItem:
    """An alert rule, a question of a report or a case, and how many of the events it would have missed.

    `is_most`: at most so many, since the rule looks at more than its search says.
    """

    id: str
    name: str
    events: int
    is_most: bool = False


@dataclass(frozen=True, slots=True)
class IntakePreview:
    """What a rule would have done with the events of start ≤ timestamp < end (microseconds).

    A rule that drops: those of the last PERIOD_DAYS. One that keeps: those older than its days, which it deletes.
    `is_partial`: `events`, `bytes` and what is affected are at least so many, since there was no time or too much to
    look at; `start` says how far back events were read.
    """

    query: str
    do: Effect
    days: int | None
    start: int
    end: int
    is_partial: bool
    events: int
    bytes: int
    alert_rules: Sequence[AffectedItem]
    questions: Sequence[AffectedItem]
    cases: Sequence[AffectedItem]


@dataclass(frozen=True, slots=True)
class _Candidate:
    item_id: str
    name: str
    condition: Condition
    is_most: bool = False


def preview_rule(
    database: Database,
    store: EventStore,
    scope: Scope,
    query: str,
    do: str,
    days: int | None = None,
    position: int | None = None,
    *,
    frameworks: Path | None,
    now: int,
) -> IntakePreview:
    """Preview a rule at a position of the list (from 1; by default the last). Changes nothing; blocks.

    `frameworks` is the folder of the operator's framework files. Raises as `changes.add_rule` for an invalid rule.
    """
    require_whole_trail(scope)
    require(scope, "admin", "events:read", "alerts")
    with database.read() as connection:
        organization = organizations.of_scope(connection, scope)
        kept = organization.retention_days
        effect, kept_days = check_rule(query.strip(), do, days, kept)
        before = read_rule_list(connection, scope.org_id, now).decided[: None if position is None else position - 1]
        rule = IntakeRule("", query.strip(), effect, kept_days, "", now)
        *earlier, condition = conditions_of((*before, rule))
        free = holds.unheld_condition(holds.active(connection, scope)) if effect == "keep" else And(())
        # Rules see an event as it is recorded: how long it is kept makes no difference to them.
        watching = list(_alert_rules(connection, scope)) if effect == "drop" else []
        pinned = _case_events(connection, scope)
    asking = list(_questions(frameworks, organization.slug))
    first, end = now - kept * DAY_US, now - (kept_days or 0) * DAY_US
    start = max(first, end - PERIOD_DAYS * DAY_US) if effect == "drop" else first
    wanted = Query(And((condition, free, *map(Not, earlier))), start, end)
    # What several ask for is counted once.
    conditions = list(dict.fromkeys(one.condition for one in (*watching, *asking)))[:MOST_CONDITIONS]
    found = count_conditions(store, scope, wanted, conditions, BUDGET_SECONDS)
    counts = dict(zip(conditions, found.counts, strict=True))
    is_cut = any(one.condition not in counts for one in (*watching, *asking)) or len(pinned) > MOST_CASE_EVENTS
    return IntakePreview(
        query=rule.query,
        do=effect,
        days=kept_days,
        start=start if found.since is None else found.since,
        end=end,
        is_partial=is_cut or found.since is not None,
        events=found.events,
        bytes=found.bytes,
        alert_rules=_affected(watching, counts),
        questions=_affected(asking, counts),
        cases=_affected_cases(store, scope, wanted, pinned[:MOST_CASE_EVENTS]),
    )


def _affected(candidates: Sequence[_Candidate], counts: dict[Condition, int]) -> list[AffectedItem]:
    return [
        AffectedItem(one.item_id, one.name, number, one.is_most)
        for one in candidates
        if (number := counts.get(one.condition, 0))
    ]


def _alert_rules(connection: Connection, scope: Scope) -> Iterator[_Candidate]:
    for rule in list_rules(connection, scope):
        if rule.enabled:
            steps = tuple(step.condition for step in CompiledRule(rule.rule_id, rule.definition).steps)
            yield _Candidate(rule.public_id, rule.name, Or(steps), is_most=bool(rule.definition.where))


def _questions(folder: Path | None, slug: str) -> Iterator[_Candidate]:
    for framework in load_frameworks(folder, slug).frameworks.values():
        for control in framework.controls:
            for question in control.questions:
                searches = [question.query, *(one.query for one in question.exceptions)]
                searches += [one.without for one in question.exceptions if one.without]
                asked = tuple(require_own_records(parse(search, now=0)) for search in dict.fromkeys(searches))
                yield _Candidate(f"{framework.id} {control.id}", question.asks, Or(asked))


def _case_events(connection: Connection, scope: Scope) -> list[tuple[str, str, bytes]]:
    """Id and title of each case, and an event of it; the newest ones, one more than are looked at."""
    mine = (case_events.c.org_id == cases.c.org_id) & (case_events.c.case_id == cases.c.case_id)
    rows = connection.execute(
        select(cases.c.case_id, cases.c.title, case_events.c.event_id)
        .join(case_events, mine)
        .where(visible_clause(scope))
        .order_by(case_events.c.occurred_at.desc(), case_events.c.event_id)
        .limit(MOST_CASE_EVENTS + 1)
    )
    return [(ids.encode(CASE, row.case_id.bytes), row.title, row.event_id) for row in rows]


def _affected_cases(
    store: EventStore, scope: Scope, wanted: Query, pinned: Sequence[tuple[str, str, bytes]]
) -> list[AffectedItem]:
    matches, times = compile_match(wanted), {event_id: milliseconds_of(event_id) * 1000 for *_, event_id in pinned}
    missed = {event.id for event in until_stop(by_ids(store, scope, times)) if matches(record_of(event))}
    counts: dict[tuple[str, str], int] = {}
    for case_id, title, event_id in pinned:
        if event_id in missed:
            counts[case_id, title] = counts.get((case_id, title), 0) + 1
    return [AffectedItem(case_id, title, number) for (case_id, title), number in counts.items()]
