"""Loads the state that a detector needs for a batch, and saves what a batch adds to it."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, and_, delete, insert, or_, select, tuple_

from tallystick.alerts.definition import RuleDefinition
from tallystick.alerts.detectors import (
    QUERY,
    THEN,
    BaselineDetector,
    Detector,
    Hit,
    SequenceDetector,
    SilenceDetector,
    ThresholdDetector,
)
from tallystick.alerts.rule import Rule
from tallystick.alerts.tables import alert_hits, alert_memory, alerts
from tallystick.clock import DAY_US
from tallystick.database.deletion import delete_some
from tallystick.database.engine import Database

KEYS_PER_QUERY = 300
NEARBY_US = DAY_US
NEVER = 1 << 62

Spans = dict[bytes, tuple[int, int]]
"""The earliest and latest time (microseconds) of the hits of each group key in a batch."""


def missing_spans(detector: Detector, hits: Iterable[Hit]) -> Spans:
    """Returns the spans of the groups for which the detector does not hold all state that these hits need."""
    spans: Spans = {}
    for hit in hits:
        for key in hit.keys:
            low, high = spans.get(key, (hit.at, hit.at))
            spans[key] = min(low, hit.at), max(high, hit.at)
    return {key: span for key, span in spans.items() if detector.complete_since.get(key, NEVER) > span[0]}


def load_state(connection: Connection, rule: Rule, detector: Detector, spans: Spans, newest_at: int) -> int:
    """Loads the state of these groups into the detector; returns the number of hits and baseline entries.

    A hit depends only on the hits of its group within a window's length, and on firings within the cool-down. So a
    batch loads these around its span, not the group's whole past. `newest_at` is the latest time (microseconds) of
    any event evaluated before the batch: where the loaded range reaches it, nothing newer exists, and the detector
    holds everything that a later hit from the span's beginning on can need (`complete_since`). A late batch, whose
    range ends earlier, is used once and loaded again next time.
    """
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
            # Not marked as complete either: the next batch looks again whether the cool-down is over.
            spans = {key: span for key, span in spans.items() if not _covered_by_cooldown(detector, key, span)}
        number = _load_hits(connection, rule, detector, spans)
    for key, (low, high) in spans.items():
        if high + min(definition.window_us, definition.cooldown_us or definition.window_us) >= newest_at:
            detector.complete_since[key] = low
    return number


def _load_hits(connection: Connection, rule: Rule, detector: ThresholdDetector | SequenceDetector, spans: Spans) -> int:
    steps = detector.hits_by_key if isinstance(detector, SequenceDetector) else {QUERY: detector.hits_by_key}
    number = 0
    for row in _rows_near(connection, alert_hits, rule, spans, rule.definition.window_us, tuple(alert_hits.c)):
        hit = Hit(row.at, row.seq, row.step, (row.key,), row.value, row.event_id)
        steps[row.step][row.key].append(hit)
        number += 1
    for hits_by_key in steps.values():
        for key in spans.keys() & hits_by_key.keys():
            hits_by_key[key].sort()
    return number


def save_hits(connection: Connection, results: Iterable[tuple[Rule, Sequence[Hit]]]) -> None:
    """Saves the hits that later ones are counted with. Ends of sequences are searched in the event store instead."""
    rows = [
        {
            "org_id": rule.org_id,
            "rule_id": rule.rule_id,
            "key": key,
            "at": hit.at,
            "seq": hit.seq,
            "step": hit.step,
            "value": hit.value,
            "event_id": hit.event_id,
        }
        for rule, hits in results
        if _stores_hits(rule.definition)
        for hit in hits
        if hit.step != THEN
        for key in (hit.keys if rule.definition.kind == "sequence" else hit.keys[:1])
    ]
    if rows:
        connection.execute(insert(alert_hits), rows)


def _stores_hits(definition: RuleDefinition) -> bool:
    return definition.kind == "sequence" or (definition.kind == "threshold" and definition.count > 1)


def save_memory(connection: Connection, rule: Rule, detector: BaselineDetector) -> None:
    """Saves the baseline entries that changed in this batch."""
    changed = sorted(detector.changed)
    clause = _rule_clause(alert_memory, rule.org_id, rule.rule_id)
    for start in range(0, len(changed), KEYS_PER_QUERY):
        chunk = changed[start : start + KEYS_PER_QUERY]
        entry = tuple_(alert_memory.c.key, alert_memory.c.value)
        connection.execute(delete(alert_memory).where(clause, entry.in_(chunk)))
        rows = []
        for key, value in chunk:
            at, data = detector.memory[key][value]
            text = msgspec.json.encode(data).decode()
            rows.append(
                {"org_id": rule.org_id, "rule_id": rule.rule_id, "key": key, "value": value, "at": at, "data": text}
            )
        connection.execute(insert(alert_memory), rows)


def delete_state(connection: Connection, org_id: UUID, rule_id: UUID) -> None:
    """Deletes the hits and the baseline of a rule; its alerts stay."""
    for table in (alert_hits, alert_memory):
        connection.execute(delete(table).where(_rule_clause(table, org_id, rule_id)))


def delete_part(connection: Connection, org_id: UUID, rule_id: UUID) -> bool:
    """Deletes a part of the state of a rule; whether more may be left."""
    return any(delete_some(connection, one, _rule_clause(one, org_id, rule_id)) for one in (alert_hits, alert_memory))


def delete_old_hits(connection: Connection, org_id: UUID, before: int) -> bool:
    """Deletes a part of the organization's hits that are older than `before`; whether more may be left."""
    return delete_some(connection, alert_hits, (alert_hits.c.org_id == org_id) & (alert_hits.c.at < before))


def load_silent_groups(database: Database, rule: Rule, detector: SilenceDetector, *, before: int, most: int) -> None:
    """Loads the groups with no event after `before` (microseconds) whose silence was not reported, at most `most`."""
    silent = (alert_memory.c.at <= before) & ~alert_memory.c.data.contains('"told":true')
    query = select(alert_memory).where(_rule_clause(alert_memory, rule.org_id, rule.rule_id), silent).limit(most)
    with database.read() as connection:
        for row in connection.execute(query):
            detector.memory[row.key][row.value] = row.at, msgspec.json.decode(row.data)


def _load_memory(connection: Connection, rule: Rule, detector: BaselineDetector, keys: Iterable[bytes]) -> int:
    ordered = sorted(keys)
    clause = _rule_clause(alert_memory, rule.org_id, rule.rule_id)
    number = 0
    for start in range(0, len(ordered), KEYS_PER_QUERY):
        chunk = ordered[start : start + KEYS_PER_QUERY]
        for row in connection.execute(select(alert_memory).where(clause, alert_memory.c.key.in_(chunk))):
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
    """Yields the rows of each group from `around_us` before its span to as long after it, and possibly more.

    The spans of a live batch nearly coincide, so that one range for KEYS_PER_QUERY groups reads little too much.
    After an import they may lie years apart; then each group gets a range of its own.
    """
    clause = _rule_clause(table, rule.org_id, rule.rule_id)
    ordered = sorted(spans)
    for start in range(0, len(ordered), KEYS_PER_QUERY):
        chunk = ordered[start : start + KEYS_PER_QUERY]
        low = min(spans[key][0] for key in chunk) - around_us
        high = max(spans[key][1] for key in chunk) + around_us
        if high - low <= 2 * around_us + NEARBY_US:
            near: ColumnElement[bool] = and_(table.c.key.in_(chunk), table.c.at >= low, table.c.at <= high)
        else:
            ranges = [
                and_(table.c.key == key, table.c.at >= first - around_us, table.c.at <= last + around_us)
                for key, (first, last) in ((key, spans[key]) for key in chunk)
            ]
            near = or_(*ranges)
        yield from connection.execute(select(*columns).where(clause, near))


def _covered_by_cooldown(detector: Detector, key: bytes, span: tuple[int, int]) -> bool:
    """Whether the cool-down of one firing covers the whole span: then no hit can fire and none need be counted."""
    length = detector.definition.cooldown_us
    return any(abs(span[0] - at) < length and abs(span[1] - at) < length for at in detector.fired_at[key])


def _rule_clause(table: Any, org_id: UUID, rule_id: UUID) -> ColumnElement[bool]:
    clause: ColumnElement[bool] = (table.c.org_id == org_id) & (table.c.rule_id == rule_id)
    return clause
