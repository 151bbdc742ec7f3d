"""What a rule would have done with what is stored: the judges of every day, over a period of the past."""

import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import NamedTuple
from uuid import UUID

from tallystick import ids
from tallystick.alerts.baseline import LOOK_BACK
from tallystick.alerts.columnar import Rows, counted, events_of
from tallystick.alerts.compiled_rule import Watched
from tallystick.alerts.definition import Shape, bad
from tallystick.alerts.history import Past
from tallystick.alerts.judges import Firing, Judge, Remembering, fired_by
from tallystick.clock import DAY_US, from_us
from tallystick.database.engine import Database
from tallystick.destinations.destination import require_read
from tallystick.errors import TooMany
from tallystick.query.scope import Scope
from tallystick.store.events import EventStore

MOST_SHOWN = 200
WAIT_SECONDS = 20.0
MOST_GROUPS = 20
LONGEST_US = 400 * DAY_US
# Each may hold a few hundred megabytes for a moment.
_AT_ONCE = BoundedSemaphore(2)
# Digests of a back-test are compared among themselves alone.
_PROBE = UUID(int=1)


@dataclass(frozen=True, slots=True)
class Fired:
    """One firing of the past; times in microseconds."""

    group: str
    at: int
    number: int
    event_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Backtest:
    """What would have been: every firing is counted by its day (UTC) and group, the last MOST_SHOWN are shown.

    `looked_at` is how many events the searches of the rule match.
    """

    start: int
    end: int
    looked_at: int
    fired: int
    days: Mapping[str, int]
    groups: Mapping[str, int]
    firings: tuple[Fired, ...]
    seconds: float


def backtest(database: Database, store: EventStore, scope: Scope, shape: Shape, start: int, end: int) -> Backtest:
    """What the rule would have done, had it been on from `start` until before `end`, with what is kept of that.

    BadRequest (`bad_rule`) for a rule that waits for silence, which goes by the clock, and for one that matches more
    than can be looked at; Forbidden, TooMany.
    """
    require_read(scope)
    if shape.kind == "silence":
        raise bad("kind", "A rule that waits for silence goes by the clock: there is no past to test it on.")
    if not 0 <= start < end <= start + LONGEST_US:
        raise bad("start", f"start is 1970 or later, and before end, by {LONGEST_US // DAY_US} days at most.")
    began = time.monotonic()
    if not _AT_ONCE.acquire(timeout=WAIT_SECONDS):
        raise TooMany("Other back-tests are running. Try again when they are over.", retry_after=10)
    try:
        return _tested(database, store, scope, shape, (start, end), began)
    finally:
        _AT_ONCE.release()


def _tested(
    database: Database, store: EventStore, scope: Scope, shape: Shape, period: tuple[int, int], began: float
) -> Backtest:
    start, end = period
    watched = Watched(_PROBE, shape)
    past = Past(database, store, scope, watched, start, end)
    rows = past.rows()
    if rows is not None:
        found = _counted(past, shape, rows)
    else:
        judge = watched.judge()
        if isinstance(judge, Remembering):
            for hit in Past(database, store, scope, watched, start - LOOK_BACK, start).hits():
                judge.learn(hit)
        found = _judged(past, judge)
    days = {f"{from_us(day * DAY_US):%Y-%m-%d}": number for day, number in found.days.items()}
    groups: Counter[str] = Counter()
    for key, number in found.groups.items():
        groups[past.names.get(key, "")] += number
    return Backtest(
        start, end, past.looked_at, found.days.total(), dict(sorted(days.items())),
        dict(groups.most_common(MOST_GROUPS)), tuple(found.shown), time.monotonic() - began,
    )  # fmt: skip


class _Found(NamedTuple):
    """Firings counted by day since 1970 and by key, and the last of them."""

    days: Counter[int]
    groups: Counter[bytes]
    shown: Sequence[Fired]


def _counted(past: Past, shape: Shape, rows: Rows) -> _Found:
    firings = counted(shape, rows)
    last = firings[-MOST_SHOWN:]
    return _Found(
        Counter(one.at // DAY_US for one in firings),
        Counter(rows.keys[one.group] for one in firings),
        [
            _shown(past, rows.keys[one.group], one.at, one.number, events)
            for one, events in zip(last, events_of(shape, rows, last), strict=True)
        ],
    )


def _judged(past: Past, judge: Judge) -> _Found:
    days: Counter[int] = Counter()
    groups: Counter[bytes] = Counter()
    last: deque[Firing] = deque(maxlen=MOST_SHOWN)  # each holds its events
    for firing, _ in fired_by(judge, past.hits()):
        days[firing.at // DAY_US] += 1
        groups[firing.key] += 1
        last.append(firing)
    shown = [_shown(past, one.key, one.at, one.number, [hit.event_id for hit in one.events]) for one in last]
    return _Found(days, groups, shown)


def _shown(past: Past, group: bytes, at: int, number: int, event_ids: Sequence[bytes]) -> Fired:
    return Fired(past.names.get(group, ""), at, number, tuple(ids.encode("evt", one) for one in event_ids))
