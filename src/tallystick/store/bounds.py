"""The WHERE clause that every reading statement begins with: organization, mandatory filter, query."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tallystick.query.conditions import (
    EVERYTHING,
    And,
    AtPath,
    Condition,
    Contains,
    ContainsInOrder,
    HasPath,
    InElement,
    Not,
    Or,
    Query,
    ValueAtPath,
)
from tallystick.query.scope import Scope
from tallystick.store.query_sql import Estimate, sql_for

# Asks the indexes before anything is read, once for each part of the table. Without it they are asked for each range
# that is read, which is better for a page of the newest: it stops after few rows.
COUNTING = {"use_skip_indexes_on_data_read": 0}


@dataclass(frozen=True, slots=True)
class Bounded:
    """The SQL of what a scope may see of a query.

    `settings`: with which the engine reads it fastest. `scans`: the condition compares text that no index finds, so the
    cost grows with the rows read. `estimate`: SQL that counts fast and may count too much; None if there is none.
    """

    where: str
    parameters: dict[str, Any]
    settings: Mapping[str, int]
    scans: bool
    estimate: Estimate | None
    exact_count_is_cheap: bool

    @property
    def counting(self) -> Mapping[str, int]:
        """The settings for a statement that reads every match."""
        return {**self.settings, **COUNTING}


def with_mandatory_filter(scope: Scope, query: Query) -> Query:
    """The query, restricted by the scope's mandatory filter."""
    if scope.mandatory == EVERYTHING:
        return query
    return Query(And((scope.mandatory, query.condition)), query.start, query.end)


def compile_bounded(scope: Scope, query: Query) -> Bounded:
    """Compile a scope and a query to SQL. The only place that does so."""
    allowed = with_mandatory_filter(scope, query)
    compiled = sql_for(allowed)
    text = _has_text(allowed.condition)
    organization = "org_id = {org:UUID}"
    return Bounded(
        where=f"{organization} AND ({compiled.sql})",
        parameters=compiled.parameters | {"org": str(scope.org_id)},
        settings=compiled.settings,
        scans=text and not compiled.indexed,
        estimate=None if compiled.estimate is None else _within(organization, compiled.estimate),
        exact_count_is_cheap=not text,
    )


def _within(organization: str, estimate: Estimate) -> Estimate:
    expressions = (estimate.words, estimate.in_clients, estimate.anywhere)
    return Estimate(*(f"{organization} AND ({sql})" for sql in expressions))


def _has_text(condition: Condition) -> bool:
    match condition:
        case Contains() | ContainsInOrder() | AtPath() | HasPath() | ValueAtPath() | InElement():
            return True
        case And(conditions) | Or(conditions):
            return any(_has_text(one) for one in conditions)
        case Not(inner):
            return _has_text(inner)
        case _:
            return False
