"""Expired rows: which they are, and their deletion."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from tallystick.clock import DAY_US
from tallystick.events.catalogue import LASTING
from tallystick.query.conditions import EVERYTHING, Condition, Query
from tallystick.query.scope import Scope
from tallystick.store.bounds import Bounded, compile_bounded
from tallystick.store.errors import StoreTimeout
from tallystick.store.events import EventStore
from tallystick.store.query_sql import sql_for
from tallystick.store.windows import Budget, Window, Windows, narrowed

SHARE_OF_ONE_TRY = 0.5
LATE_US = DAY_US  # between an event and its recording
AT_ONCE = 5_000  # a server takes 128 KiB in one parameter
TOGETHER = 4 * AT_ONCE  # and a mebibyte in all
_LASTS = (
    "(action IN {lasting:Array(String)} AND JSONExtractString(what, 'recorded_by', 'type') = 'system' "
    "AND JSONExtractString(what, 'recorded_by', 'id') = 'tallystick')"
)


class ExpiryClass(NamedTuple):
    """Events that expire at a time of their own: those of the condition that no earlier class has.

    They expire if their timestamp is before `before` (microseconds).
    """

    condition: Condition
    before: int


def find_expired(
    store: EventStore,
    scope: Scope,
    before: int,
    *,
    only: Condition = EVERYTHING,
    classes: Sequence[ExpiryClass] = (),
    settled_at: int | None = None,
    through: int,
    most: int,
) -> dict[int, int]:
    """The oldest indexes up to `through` with timestamps before `before` (microseconds), at most `most`.

    Each with the number of its class from 1, or 0 if it has none and `before` decides. `only`: a condition, such as
    not being on legal hold. `settled_at` (microseconds): what was recorded then or later, more than a day after it
    happened, is left out.
    """
    cutoff = _Cutoff(before, classes)
    if settled_at is not None:
        cutoff.add_lateness(settled_at, "NOT")
    whole = compile_bounded(scope, Query(only))
    rows = store.rows(
        f"SELECT seq, {cutoff.number} FROM events WHERE {whole.where} AND {cutoff.where} AND NOT {_LASTS} "
        "AND seq <= {through:Int64} ORDER BY occurred_at, seq LIMIT {most:UInt64}",
        whole.parameters | cutoff.parameters | {"lasting": list(LASTING), "through": through, "most": most},
    )
    return {row[0]: row[1] for row in rows}


@dataclass(slots=True)
class ExpiryCount:
    """Events that expire: their number, how many lie outside the given ranges, and the oldest timestamp (µs).

    If `complete` is False the time did not suffice, and there are at least that many.
    """

    events: int = 0
    outside: int = 0
    oldest: int | None = None
    complete: bool = False


def count_expiring(
    store: EventStore,
    scope: Scope,
    before: int,
    *,
    since: int | None = None,
    only: Condition = EVERYTHING,
    classes: Sequence[ExpiryClass] = (),
    ranges: Sequence[tuple[int, int]] = (),
    unsettled_since: int | None = None,
    seconds: float,
) -> ExpiryCount:
    """Count what expires at the cut-off `before` of the events since `since` (microseconds), oldest first, in time.

    `only`: a condition on the events; `classes` as for `find_expired`; `ranges`: pairs of first and last index that
    are counted apart; `unsettled_since` (microseconds): only what `find_expired` leaves out for it.
    """
    cutoff = _Cutoff(before, classes)
    if unsettled_since is not None:
        cutoff.add_lateness(unsettled_since)
    span = compile_bounded(scope, Query(start=since, end=cutoff.latest))
    bound = compile_bounded(scope, Query(only, since, cutoff.latest))
    bound = replace(
        bound,
        where=f"{bound.where} AND {cutoff.where} AND NOT {_LASTS}",
        parameters=bound.parameters | cutoff.parameters | {"lasting": list(LASTING)},
    )
    inside = " OR ".join(f"seq BETWEEN {{r{i}:UInt64}} AND {{s{i}:UInt64}}" for i in range(len(ranges))) or "false"
    edges = {f"{letter}{i}": pair[side] for i, pair in enumerate(ranges) for side, letter in enumerate("rs")}
    found, budget = ExpiryCount(), Budget(seconds)

    def add(window: Window, seconds: float | None) -> bool:
        where, parameters = narrowed(bound, window, "asc")
        events, outside, oldest = store.rows(
            f"SELECT count(), countIf(NOT ({inside})), toUnixTimestamp64Micro(min(occurred_at)) "
            f"FROM events WHERE {where}",
            parameters | edges, seconds=seconds,
        )[0]  # fmt: skip
        if events:
            found.oldest = oldest if found.oldest is None else min(found.oldest, oldest)
        found.events += events
        found.outside += outside
        return False

    if not bound.scans:
        try:
            add(Window(None, None), budget.remaining() * SHARE_OF_ONE_TRY)
        except StoreTimeout:
            pass
        else:
            found.complete = True
            return found
    windows = Windows(store, span, "asc")
    windows.run(budget, add)
    found.complete = windows.complete
    return found


def delete_indexes(store: EventStore, scope: Scope, indexes: Sequence[int]) -> None:
    """Delete these rows; missing ones are no error. The bytes go with the next merge.

    A deletion rewrites every data part, however few rows it takes: over 10 million events, deleting 5,000 takes 4 s,
    20,000 takes 5 s.
    """
    whole = _whole(scope)
    for start in range(0, len(indexes), TOGETHER):
        some = list(indexes[start : start + TOGETHER])
        pieces = {f"some{at}": some[at : at + AT_ONCE] for at in range(0, len(some), AT_ONCE)}
        listed = ", ".join(f"{{{name}:Array(UInt64)}}" for name in pieces)
        store.delete(
            f"{whole.where} AND seq >= {{first:UInt64}} AND seq <= {{last:UInt64}} AND seq IN arrayConcat({listed})",
            whole.parameters | {"first": min(some), "last": max(some)} | pieces,
        )


class _Cutoff:
    """SQL for the time before which an event has expired: `where`, and the `number` of its class."""

    def __init__(self, before: int, classes: Sequence[ExpiryClass]) -> None:
        self.latest = max([before, *(one.before for one in classes)])
        self.parameters: dict[str, Any] = {"before": self.latest}
        self.number = "0"
        # The latest of all cut-offs, by which the engine skips what is too new for any class.
        self.where = "occurred_at < fromUnixTimestamp64Micro({before:Int64}, 'UTC')"
        if not classes:
            return
        compiled = [sql_for(Query(one.condition), prefix=f"class{number}_") for number, one in enumerate(classes)]
        for one in compiled:
            self.parameters |= one.parameters
        branches = ", ".join(f"{one.sql}, {number}" for number, one in enumerate(compiled, 1))
        self.number = f"multiIf({branches}, 0)"
        self.parameters["cutoffs"] = [before, *(one.before for one in classes)]
        at = f"arrayElement({{cutoffs:Array(Int64)}}, {self.number} + 1)"
        self.where += f" AND occurred_at < fromUnixTimestamp64Micro({at}, 'UTC')"

    def add_lateness(self, since: int, negation: str = "") -> None:
        """Ask also whether an event was recorded at `since` or later, more than LATE_US after it happened."""
        self.parameters |= {"unsettled": since, "late": LATE_US}
        self.where += (
            f" AND {negation} (received_at >= fromUnixTimestamp64Micro({{unsettled:Int64}}, 'UTC') "
            "AND toUnixTimestamp64Micro(received_at) - toUnixTimestamp64Micro(occurred_at) > {late:Int64})"
        )


def _whole(scope: Scope) -> Bounded:
    return compile_bounded(scope, Query())
