"""What a judge needs of the past: loaded for the groups that a batch is about, written back with its outcome."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, and_, delete, insert, or_, select, tuple_

from tallystick.alerts.definition import RuleDefinition
from tallystick.alerts.detectors import THEN, BaselineDetector, Detector, Hit, SequenceDetector, ThresholdDetector
from tallystick.alerts.rule import Rule
from tallystick.alerts.tables import alert_hits, alert_memory, alerts
from tallystick.clock import DAY_US
from tallystick.database.engine import Database

KEYS_PER_QUERY = 300
TOGETHER_US = DAY_US
FAR = 1 << 62


Spans = dict[bytes, tuple[int, int]]
"""From when to when the hits of each group are."""


def missing_spans(detector: Detector, hits: Iterable[Hit]) -> Spans:
    """What the judge does not know and needs to judge these hits."""
    spans: Spans = {}
    for hit in hits:
        for key in hit.keys:
            low, high = spans.get(key, (hit.at, hit.at))
            spans[key] = min(low, hit.at), max(high, hit.at)
    return {key: span for key, span in spans.items() if detector.complete_since.get(key, FAR) > span[0]}


def load_state(connection: Connection, rule: Rule, detector: Detector, spans: Spans, newest_at: int) -> int:
    """Tell the judge; how many rows that were. `newest_at`: the latest time among all events judged so far."""
    definition = rule.definition
    for key in spans:
        detector.forget(key)
    if definition.cooldown_us:
        for row in _rows_near(connection, alerts, rule, spans, definition.cooldown_us, (alerts.c.key, alerts.c.at)):
            detector.fired_at[row.key].append(row.at)
        for key in spans:
            detector.fired_at[key].sort()
    number = 0
    if isinstance(detector, BaselineDetector):
        number = _load_memory(connection, rule, detector, spans)
    elif isinstance(detector, SequenceDetector | ThresholdDetector) and _stores_hits(definition):
        if isinstance(detector, ThresholdDetector):
            spans = {key: span for key, span in spans.items() if not _covered_by_cooldown(detector, key, span)}
        number = _load_hits(connection, rule, detector, spans)
    for key, (low, high) in spans.items():
        if high + min(definition.window_us, definition.cooldown_us or definition.window_us) >= newest_at:
            detector.complete_since[key] = low
    return number


def _load_hits(connection: Connection, rule: Rule, detector: ThresholdDetector | SequenceDetector, spans: Spans) -> int:
    number = 0
    for row in _rows_near(connection, alert_hits, rule, spans, rule.definition.window_us, tuple(alert_hits.c)):
        hit = Hit(row.at, row.seq, row.step, (row.key,), row.value, row.event_id)
        hits_by_key = detector.hits_by_key[row.step] if isinstance(detector, SequenceDetector) else detector.hits_by_key
        hits_by_key[row.key].append(hit)
        number += 1
    for kept in detector.hits_by_key.values() if isinstance(detector, SequenceDetector) else (detector.hits_by_key,):
        for key in spans.keys() & kept.keys():
            kept[key].sort()
    return number


def save_hits(connection: Connection, found: Iterable[tuple[Rule, Sequence[Hit]]]) -> None:
    """For those to come. What ends a sequence is not kept: the store is asked for it when it is needed."""
    rows = [
        {"org_id": rule.org_id, "rule_id": rule.rule_id, "key": key, "at": hit.at, "seq": hit.seq, "step": hit.step,
         "value": hit.value, "event_id": hit.event_id}
        for rule, hits in found if _stores_hits(rule.definition)
        for hit in hits if hit.step != THEN
        for key in (hit.keys if rule.definition.kind == "sequence" else hit.keys[:1])
    ]  # fmt: skip
    if rows:
        connection.execute(insert(alert_hits), rows)


def _stores_hits(definition: RuleDefinition) -> bool:
    return definition.kind == "sequence" or (definition.kind == "threshold" and definition.count > 1)


def save_memory(connection: Connection, rule: Rule, detector: BaselineDetector) -> None:
    """What the judge learnt."""
    changed = sorted(detector.changed)
    mine = _rule_clause(alert_memory, rule.org_id, rule.rule_id)
    for start in range(0, len(changed), KEYS_PER_QUERY):
        some = changed[start : start + KEYS_PER_QUERY]
        connection.execute(delete(alert_memory).where(mine, tuple_(alert_memory.c.key, alert_memory.c.value).in_(some)))
        rows = []
        for key, value in some:
            at, data = detector.memory[key][value]
            rows.append({"org_id": rule.org_id, "rule_id": rule.rule_id, "key": key, "value": value, "at": at,
                         "data": msgspec.json.encode(data).decode()})  # fmt: skip
        connection.execute(insert(alert_memory), rows)


def delete_state(connection: Connection, org_id: UUID, rule_id: UUID) -> None:
    """All that a rule knows; its alerts stay."""
    for table in (alert_hits, alert_memory):
        connection.execute(delete(table).where(_rule_clause(table, org_id, rule_id)))


def load_all_memory(database: Database, rule: Rule, detector: BaselineDetector) -> None:
    """Give the judge all that its rule remembers."""
    with database.read() as connection:
        for row in connection.execute(
            select(alert_memory).where(_rule_clause(alert_memory, rule.org_id, rule.rule_id))
        ):
            detector.memory[row.key][row.value] = row.at, msgspec.json.decode(row.data)


def _load_memory(connection: Connection, rule: Rule, detector: BaselineDetector, keys: Iterable[bytes]) -> int:
    ordered = sorted(keys)
    mine = _rule_clause(alert_memory, rule.org_id, rule.rule_id)
    number = 0
    for start in range(0, len(ordered), KEYS_PER_QUERY):
        some = ordered[start : start + KEYS_PER_QUERY]
        for row in connection.execute(select(alert_memory).where(mine, alert_memory.c.key.in_(some))):
            detector.memory[row.key][row.value] = row.at, msgspec.json.decode(row.data)
            number += 1
    return number


def _rows_near(
    connection: Connection,
    table: Any,
    rule: Rule,
    spans: Spans,
    around_us: int,
    columns: Sequence[Any],
) -> Iterable[Row[Any]]:
    """The rows of each group from so long before its span to so long after, and some more."""
    of_rule = _rule_clause(table, rule.org_id, rule.rule_id)
    ordered = sorted(spans)
    for start in range(0, len(ordered), KEYS_PER_QUERY):
        some = ordered[start : start + KEYS_PER_QUERY]
        low = min(spans[key][0] for key in some) - around_us
        high = max(spans[key][1] for key in some) + around_us
        if high - low <= 2 * around_us + TOGETHER_US:
            near: ColumnElement[bool] = and_(table.c.key.in_(some), table.c.at >= low, table.c.at <= high)
        else:  # they lie far apart: what is between is nobody's
            near = or_(*(and_(table.c.key == key, table.c.at >= spans[key][0] - around_us,
                              table.c.at <= spans[key][1] + around_us) for key in some))  # fmt: skip
        yield from connection.execute(select(*columns).where(of_rule, near))


def _covered_by_cooldown(detector: Detector, key: bytes, span: tuple[int, int]) -> bool:
    """Whether one firing's cool-down covers all: then nothing has to be counted."""
    length = detector.definition.cooldown_us
    return any(abs(span[0] - at) < length and abs(span[1] - at) < length for at in detector.fired_at[key])


def _rule_clause(table: Any, org_id: UUID, rule_id: UUID) -> ColumnElement[bool]:
    mine: ColumnElement[bool] = (table.c.org_id == org_id) & (table.c.rule_id == rule_id)
    return mine
