"""The WHERE clause that every reading statement begins with: organization, mandatory filter, query."""

from dataclasses import dataclass
from typing import Any

from tallystick.query.conditions import EVERYTHING, And, AtPath, Condition, Contains, Not, Or, Query
from tallystick.query.scope import Scope
from tallystick.store.query_sql import sql_for


@dataclass(frozen=True, slots=True)
class Bounded:
    """The SQL of what a scope may see of a query.

    `scans`: the condition compares text that no index finds, so the cost grows with the rows read. `estimate`: SQL that
    counts fast and may count too much; None if there is none.
    """

    where: str
    parameters: dict[str, Any]
    scans: bool
    estimate: str | None
    exact_count_is_cheap: bool


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
        scans=text and not compiled.indexed,
        estimate=None if compiled.estimate is None else f"{organization} AND ({compiled.estimate})",
        exact_count_is_cheap=not text,
    )


def _has_text(condition: Condition) -> bool:
    match condition:
        case Contains() | AtPath():
            return True
        case And(conditions) | Or(conditions):
            return any(_has_text(one) for one in conditions)
        case Not(inner):
            return _has_text(inner)
        case _:
            return False
