"""What a judge needs of the past: loaded for the groups that a batch is about, written back with its outcome."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, and_, delete, insert, or_, select, tuple_

from tallystick.alerts.definition import Shape
from tallystick.alerts.judges import THEN, Hit, InOrder, Judge, Remembering, Threshold
from tallystick.alerts.rule import Rule
from tallystick.alerts.tables import alert_hits, alert_memory, alerts
from tallystick.clock import DAY_US
from tallystick.database.engine import Database

AT_ONCE = 300
TOGETHER_US = DAY_US
FAR = 1 << 62


Spans = dict[bytes, tuple[int, int]]
"""From when to when the hits of each group are."""


def unknown(judge: Judge, hits: Iterable[Hit]) -> Spans:
    """What the judge does not know and needs to judge these hits."""
    spans: Spans = {}
    for hit in hits:
        for key in hit.keys:
            low, high = spans.get(key, (hit.at, hit.at))
            spans[key] = min(low, hit.at), max(high, hit.at)
    return {key: span for key, span in spans.items() if judge.known.get(key, FAR) > span[0]}


def load(connection: Connection, rule: Rule, judge: Judge, spans: Spans, newest_at: int) -> int:
    """Tell the judge; how many rows that were. `newest_at`: the latest time among all events judged so far."""
    shape = rule.shape
    for key in spans:
        judge.forget(key)
    if shape.cooldown_us:
        for row in _between(connection, alerts, rule, spans, shape.cooldown_us, (alerts.c.key, alerts.c.at)):
            judge.fired[row.key].append(row.at)
        for key in spans:
            judge.fired[key].sort()
    number = 0
    if isinstance(judge, Remembering):
        number = _load_memory(connection, rule, judge, spans)
    elif isinstance(judge, InOrder | Threshold) and _counts(shape):
        if isinstance(judge, Threshold):
            spans = {key: span for key, span in spans.items() if not _sleeps(judge, key, span)}
        number = _load_past(connection, rule, judge, spans)
    for key, (low, high) in spans.items():
        if high + min(shape.window_us, shape.cooldown_us or shape.window_us) >= newest_at:
            judge.known[key] = low
    return number


def _load_past(connection: Connection, rule: Rule, judge: Threshold | InOrder, spans: Spans) -> int:
    number = 0
    for row in _between(connection, alert_hits, rule, spans, rule.shape.window_us, tuple(alert_hits.c)):
        hit = Hit(row.at, row.seq, row.step, (row.key,), row.value, row.event_id)
        past = judge.past[row.step] if isinstance(judge, InOrder) else judge.past
        past[row.key].append(hit)
        number += 1
    for kept in judge.past.values() if isinstance(judge, InOrder) else (judge.past,):
        for key in spans.keys() & kept.keys():
            kept[key].sort()
    return number


def keep_hits(connection: Connection, found: Iterable[tuple[Rule, Sequence[Hit]]]) -> None:
    """For those to come. What ends a sequence is not kept: the store is asked for it when it is needed."""
    rows = [
        {"org_id": rule.org_id, "rule_id": rule.rule_id, "key": key, "at": hit.at, "seq": hit.seq, "step": hit.step,
         "value": hit.value, "event_id": hit.event_id}
        for rule, hits in found if _counts(rule.shape)
        for hit in hits if hit.step != THEN
        for key in (hit.keys if rule.shape.kind == "sequence" else hit.keys[:1])
    ]  # fmt: skip
    if rows:
        connection.execute(insert(alert_hits), rows)


def _counts(shape: Shape) -> bool:
    return shape.kind == "sequence" or (shape.kind == "threshold" and shape.count > 1)


def keep_memory(connection: Connection, rule: Rule, judge: Remembering) -> None:
    """What the judge learnt."""
    touched = sorted(judge.touched)
    mine = _of(alert_memory, rule.org_id, rule.rule_id)
    for start in range(0, len(touched), AT_ONCE):
        some = touched[start : start + AT_ONCE]
        connection.execute(delete(alert_memory).where(mine, tuple_(alert_memory.c.key, alert_memory.c.value).in_(some)))
        rows = []
        for key, value in some:
            at, data = judge.memory[key][value]
            rows.append({"org_id": rule.org_id, "rule_id": rule.rule_id, "key": key, "value": value, "at": at,
                         "data": msgspec.json.encode(data).decode()})  # fmt: skip
        connection.execute(insert(alert_memory), rows)


def forget(connection: Connection, org_id: UUID, rule_id: UUID) -> None:
    """All that a rule knows; its alerts stay."""
    for table in (alert_hits, alert_memory):
        connection.execute(delete(table).where(_of(table, org_id, rule_id)))


def remembered(database: Database, rule: Rule, judge: Remembering) -> None:
    """Give the judge all that its rule remembers."""
    with database.read() as connection:
        for row in connection.execute(select(alert_memory).where(_of(alert_memory, rule.org_id, rule.rule_id))):
            judge.memory[row.key][row.value] = row.at, msgspec.json.decode(row.data)


def _load_memory(connection: Connection, rule: Rule, judge: Remembering, keys: Iterable[bytes]) -> int:
    ordered = sorted(keys)
    mine = _of(alert_memory, rule.org_id, rule.rule_id)
    number = 0
    for start in range(0, len(ordered), AT_ONCE):
        some = ordered[start : start + AT_ONCE]
        for row in connection.execute(select(alert_memory).where(mine, alert_memory.c.key.in_(some))):
            judge.memory[row.key][row.value] = row.at, msgspec.json.decode(row.data)
            number += 1
    return number


def _between(
    connection: Connection,
    table: Any,
    rule: Rule,
    spans: Spans,
    around_us: int,
    columns: Sequence[Any],
) -> Iterable[Row[Any]]:
    """The rows of each group from so long before its span to so long after, and some more."""
    of_rule = _of(table, rule.org_id, rule.rule_id)
    ordered = sorted(spans)
    for start in range(0, len(ordered), AT_ONCE):
        some = ordered[start : start + AT_ONCE]
        low = min(spans[key][0] for key in some) - around_us
        high = max(spans[key][1] for key in some) + around_us
        if high - low <= 2 * around_us + TOGETHER_US:
            near: ColumnElement[bool] = and_(table.c.key.in_(some), table.c.at >= low, table.c.at <= high)
        else:  # they lie far apart: what is between is nobody's
            near = or_(*(and_(table.c.key == key, table.c.at >= spans[key][0] - around_us,
                              table.c.at <= spans[key][1] + around_us) for key in some))  # fmt: skip
        yield from connection.execute(select(*columns).where(of_rule, near))


def _sleeps(judge: Judge, key: bytes, span: tuple[int, int]) -> bool:
    """Whether one firing's cool-down covers all: then nothing has to be counted."""
    length = judge.shape.cooldown_us
    return any(abs(span[0] - at) < length and abs(span[1] - at) < length for at in judge.fired[key])


def _of(table: Any, org_id: UUID, rule_id: UUID) -> ColumnElement[bool]:
    mine: ColumnElement[bool] = (table.c.org_id == org_id) & (table.c.rule_id == rule_id)
    return mine
