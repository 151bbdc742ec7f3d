"""What every statement that reads events begins with: the organization, the mandatory filter, the query."""

from dataclasses import dataclass
from typing import Any

from tallystick.query.conditions import EVERYTHING, And, AtPath, Condition, Contains, Not, Or, Query
from tallystick.query.scope import Scope
from tallystick.store.conditions import sql_for


@dataclass(frozen=True, slots=True)
class Bounded:
    """SQL for what a scope may see of a query.

    `scans`: text is compared that no index finds, so that the cost grows with the rows looked at.
    `estimate`: SQL that counts fast and may count too much; None where there is no such thing.
    """

    where: str
    parameters: dict[str, Any]
    scans: bool
    estimate: str | None
    exact_count_is_cheap: bool


def with_mandatory_filter(scope: Scope, query: Query) -> Query:
    """The query with the scope's mandatory filter in it."""
    if scope.mandatory == EVERYTHING:
        return query
    return Query(And((scope.mandatory, query.condition)), query.start, query.end)


def compile_bounded(scope: Scope, query: Query) -> Bounded:
    """The only place where a scope and a query become SQL."""
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
