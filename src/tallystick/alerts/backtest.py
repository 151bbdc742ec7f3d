"""Back-tests: what a rule would have found in the stored events of a past period, with the detectors of live rules."""

import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from tallystick import ids
from tallystick.actions.catalogues import read_catalogue
from tallystick.alerts.baseline import LOOK_BACK
from tallystick.alerts.columnar import HitColumns, event_ids_of, find_firings
from tallystick.alerts.compiled_rule import CompiledRule
from tallystick.alerts.definition import RuleDefinition, invalid_rule
from tallystick.alerts.detectors import BaselineDetector, Detector, Firing, run_detector
from tallystick.alerts.history import RuleHistory
from tallystick.alerts.rule import require_read
from tallystick.clock import DAY_US, from_us
from tallystick.database.engine import Database
from tallystick.journal.lost_events import lost_within
from tallystick.journal.missing_ranges import IndexRange, missing_within
from tallystick.query.scope import Scope
from tallystick.store.events import EventStore
from tallystick.work.stop_signal import until_stop

MOST_SHOWN = 200
MOST_GROUPS = 20
# Group keys of a back-test are only compared with each other, so that any id serves as the key of their digests.
_RULE_ID = UUID(int=1)


@dataclass(frozen=True, slots=True)
class PastFiring:
    """A firing that a back-test found: the group's display name, its time (microseconds), count and event ids."""

    group: str
    at: int
    number: int
    event_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Backtest:
    """The result of a back-test over start ≤ time < end (microseconds).

    `looked_at` counts the events that the rule's searches match, `fired` the firings. `days` (UTC dates) and
    `groups` count all of them; `firings` holds the last MOST_SHOWN. `seconds` is how long the back-test took.
    `missing` and `lost`: ranges of indexes whose events could not be read, since the event store lacks them.
    """

    start: int
    end: int
    looked_at: int
    fired: int
    days: Mapping[str, int]
    groups: Mapping[str, int]
    firings: tuple[PastFiring, ...]
    seconds: float
    missing: Sequence[IndexRange] = ()
    lost: Sequence[IndexRange] = ()


def backtest(
    database: Database, store: EventStore, scope: Scope, definition: RuleDefinition, start: int, end: int
) -> Backtest:
    """Returns what a rule would have found between `start` and `end` (microseconds) among the events still kept.

    Raises BadRequest (`bad_rule`) for a rule of kind silence, which depends on the clock, and for one that matches
    more than history.MOST_EVENTS; Forbidden. Blocks for seconds, and may use a few hundred megabytes: bound how many
    run at once.
    """
    require_read(scope)
    if definition.kind == "silence":
        raise invalid_rule("kind", "A silence rule depends on the current time and cannot be back-tested.")
    if not 0 <= start < end:
        raise invalid_rule("start", "start must be 1970 or later and before end.")
    began = time.monotonic()
    with database.read() as connection:
        compiled = CompiledRule(_RULE_ID, definition, read_catalogue(connection, scope.org_id))
    history = RuleHistory(database, store, scope, compiled, start, end)
    columns = history.columns()
    if columns is not None:
        summary = _from_columns(history, definition, columns)
    else:
        detector = compiled.new_detector()
        if isinstance(detector, BaselineDetector):
            # As live, where the baseline worker reads as much of the past before the rule starts.
            for hit in until_stop(
                RuleHistory(database, store, scope, compiled, max(0, start - LOOK_BACK), start).hits()
            ):
                detector.learn(hit)
        summary = _from_detector(history, detector)
    with database.read() as connection:
        missing = missing_within(connection, scope, start=start)
        lost = lost_within(connection, scope, start=start)
    days = {f"{from_us(day * DAY_US):%Y-%m-%d}": number for day, number in summary.days.items()}
    groups: Counter[str] = Counter()
    for key, number in summary.groups.items():
        groups[history.names.get(key, "")] += number
    return Backtest(
        start,
        end,
        history.looked_at,
        summary.days.total(),
        dict(sorted(days.items())),
        dict(groups.most_common(MOST_GROUPS)),
        tuple(summary.firings),
        time.monotonic() - began,
        missing,
        lost,
    )


class _FiringSummary(NamedTuple):
    """All firings counted by day (since 1970, UTC) and by group key, and the last MOST_SHOWN of them."""

    days: Counter[int]
    groups: Counter[bytes]
    firings: Sequence[PastFiring]


def _from_columns(history: RuleHistory, definition: RuleDefinition, columns: HitColumns) -> _FiringSummary:
    firings = find_firings(definition, columns)
    last = firings[-MOST_SHOWN:]
    return _FiringSummary(
        Counter(firing.at // DAY_US for firing in firings),
        Counter(columns.keys[firing.group] for firing in firings),
        [
            _past_firing(history, columns.keys[firing.group], firing.at, firing.number, event_ids)
            for firing, event_ids in zip(last, event_ids_of(definition, columns, last), strict=True)
        ],
    )


def _from_detector(history: RuleHistory, detector: Detector) -> _FiringSummary:
    days: Counter[int] = Counter()
    groups: Counter[bytes] = Counter()
    last: deque[Firing] = deque(maxlen=MOST_SHOWN)  # bounded, since each firing holds its events
    for firing, _ in run_detector(detector, until_stop(history.hits())):
        days[firing.at // DAY_US] += 1
        groups[firing.key] += 1
        last.append(firing)
    firings = [
        _past_firing(history, firing.key, firing.at, firing.number, [hit.event_id for hit in firing.events])
        for firing in last
    ]
    return _FiringSummary(days, groups, firings)


def _past_firing(history: RuleHistory, key: bytes, at: int, number: int, event_ids: Sequence[bytes]) -> PastFiring:
    return PastFiring(history.names.get(key, ""), at, number, tuple(ids.encode("evt", raw) for raw in event_ids))
