"""Writes the results of an evaluation in one transaction: alerts, deliveries, rule state and the position."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Connection, bindparam, insert, select, update

from tallystick import ids
from tallystick.access.audit import NOWHERE, own_event
from tallystick.alerts import message_text, rule_state
from tallystick.alerts.alert import PREFIX
from tallystick.alerts.detectors import BaselineDetector, Firing
from tallystick.alerts.evaluation import BatchResult, RuleResult
from tallystick.alerts.rule import Rule, rule_clause
from tallystick.alerts.summaries import QUIET_US, grow, is_late, summarize, summary_key
from tallystick.alerts.tables import alert_positions, alert_rules, alerts
from tallystick.clock import rfc3339
from tallystick.destinations import message_queue
from tallystick.destinations.destination import PREFIX as DESTINATION_PREFIX
from tallystick.destinations.message import Message
from tallystick.destinations.message_queue import NewMessage
from tallystick.events.record import Record
from tallystick.outbox import write as outbox
from tallystick.query.scope import TALLYSTICK


def write_results(
    connection: Connection, batches: Sequence[BatchResult], public_url: str, *, now: int
) -> dict[UUID, int]:
    """Writes the results of several organizations; returns the number of new alerts of each that was written.

    A batch is skipped, to be evaluated again, if another process has evaluated these events meanwhile, or if a rule
    was added, changed or removed. So no event is evaluated twice, and none by an outdated rule. `now` in microseconds.
    """
    current = _current_state(connection, [batch.org_id for batch in batches])
    valid = [batch for batch in batches if current.get(batch.org_id) == (batch.first, batch.versions)]
    if valid:
        rows = [{"of": batch.org_id, "next_index": batch.next_index, "newest_at": batch.newest_at} for batch in valid]
        connection.execute(update(alert_positions).where(alert_positions.c.org_id == bindparam("of")), rows)
    rule_state.save_hits(connection, [(result.rule, result.hits) for batch in valid for result in batch.results])
    return {
        batch.org_id: sum(_write_result(connection, result, public_url, now) for result in batch.results)
        for batch in valid
    }


def write_silence(connection: Connection, result: RuleResult, public_url: str, *, now: int) -> int:
    """Writes what a silence rule found; returns the number of alerts, 0 if the rule was changed meanwhile."""
    rule = result.rule
    unchanged = rule_clause(rule.org_id, rule.rule_id) & alert_rules.c.enabled & (alert_rules.c.version == rule.version)
    if connection.execute(select(alert_rules.c.rule_id).where(unchanged)).first() is None:
        return 0
    return _write_result(connection, result, public_url, now)


def _current_state(connection: Connection, org_ids: Sequence[UUID]) -> dict[UUID, tuple[int, set[tuple[UUID, int]]]]:
    """Locks the position of each organization; returns it, and the ids and versions of the rules that are on."""
    positions = select(alert_positions.c.org_id, alert_positions.c.next_index).where(
        alert_positions.c.org_id.in_(org_ids)
    )
    # Locked in one order, so that two processes cannot deadlock.
    locked = connection.execute(positions.order_by(alert_positions.c.org_id).with_for_update())
    state: dict[UUID, tuple[int, set[tuple[UUID, int]]]] = {row.org_id: (row.next_index, set()) for row in locked}
    rules = select(alert_rules.c.org_id, alert_rules.c.rule_id, alert_rules.c.version).where(
        alert_rules.c.org_id.in_(list(state)), alert_rules.c.enabled, alert_rules.c.learnt
    )
    for row in connection.execute(rules):
        state[row.org_id][1].add((row.rule_id, row.version))
    return state


class _NewAlert(NamedTuple):
    """An alert as it is written: its row, the own event that records it, and the messages that tell of it."""

    row: dict[str, Any]
    own_event: dict[str, Any]
    messages: list[NewMessage]


def _write_result(connection: Connection, result: RuleResult, public_url: str, now: int) -> int:
    """Writes the baseline changes and alerts of one rule; returns the number of alerts.

    However many there are, they are few statements: recording waits for this transaction.
    """
    rule, detector = result.rule, result.detector
    if isinstance(detector, BaselineDetector):
        rule_state.save_memory(connection, rule, detector)
    late = [(firing, record) for firing, record in result.firings if is_late(firing, record)]
    prompt = [(firing, record) for firing, record in result.firings if not is_late(firing, record)]
    # Alerts are listed in the order of their ids, which is to be that of firing.
    alert_ids = sorted(ids.new_uuid(now) for _ in range(len(prompt) + 1))
    new = [
        _new_alert(rule, firing, record, alert_id, public_url=public_url, now=now)
        for alert_id, (firing, record) in zip(alert_ids[1:], prompt, strict=True)
    ]
    if late:
        new += _write_summary(connection, rule, late, alert_ids[0], public_url=public_url, now=now)
    if new:
        connection.execute(insert(alerts), [one.row for one in new])
        outbox.write_all(connection, rule.org_id, [one.own_event for one in new], now=now)
        messages = [message for one in new for message in one.messages]
        message_queue.enqueue_all(connection, rule.org_id, messages, now=now)
    if detector.suppressed:
        rows = [{"of": key, "then": at, "again": more} for (key, at), more in detector.suppressed.items()]
        connection.execute(_COUNT_SUPPRESSED, [{"org": rule.org_id, "rule": rule.rule_id} | row for row in rows])
    return len(prompt) + bool(late)


def _write_summary(
    connection: Connection,
    rule: Rule,
    late: Sequence[tuple[Firing, Record | None]],
    alert_id: UUID,
    *,
    public_url: str,
    now: int,
) -> list[_NewAlert]:
    """Add findings in late events to the rule's summary; returns it if it is new.

    Its message waits while more are found, and says then how many there are in all.
    """
    summary = summarize(connection, rule, [firing for firing, _ in late], alert_id, now=now)
    if summary is None:
        [(firing, record)] = late
        single = _new_alert(rule, firing, record, alert_id, public_url=public_url, now=now)
        messages = [replace(one, not_before=now + QUIET_US) for one in single.messages]
        return [_NewAlert(single.row | {"key": summary_key(rule)}, single.own_event, messages)]
    message = _message(rule, summary.firing, summary.public_id, "", summary.sentence, summary.facts, public_url, now)
    messages = _messages(rule, message, not_before=summary.not_before)
    if not summary.is_new:
        grow(connection, rule, summary)
        message_queue.replace_waiting(connection, rule.org_id, messages, now=now)
        return []
    row = _alert_row(rule, summary.alert_id, now) | summary.values | {"key": summary.firing.key}
    event = _own_event(rule, summary.public_id, summary.firing.number, recorded_late=True)
    return [_NewAlert(row, event, [] if rule.is_muted(now) else messages)]


_COUNT_SUPPRESSED = (
    update(alerts)
    .where(alerts.c.org_id == bindparam("org"), alerts.c.rule_id == bindparam("rule"))
    .where(alerts.c.key == bindparam("of"), alerts.c.at == bindparam("then"))
    .values(more=alerts.c.more + bindparam("again"))
)


def _new_alert(
    rule: Rule, firing: Firing, record: Record | None, alert_id: UUID, *, public_url: str, now: int
) -> _NewAlert:
    step = firing.hit.step if firing.hit else 0
    group = message_text.group_name(rule, record, step)
    sentence = message_text.sentence(rule, firing, record, group)
    facts = message_text.facts(firing, record, group)
    public_id = ids.encode(PREFIX, alert_id.bytes)
    indexes = [hit.seq for hit in firing.events]
    row = _alert_row(rule, alert_id, now) | {
        "key": firing.key, "group_name": group,
        "sentence": sentence, "facts": msgspec.json.encode(facts).decode(), "number": firing.number,
        "search": msgspec.json.encode(message_text.search_parameters(rule, firing, group)).decode(),
        "first_seq": min(indexes, default=None), "last_seq": max(indexes, default=None),
        "event_ids": b"".join(hit.event_id for hit in firing.events), "at": firing.at, "first_at": firing.first_at,
        "last_at": firing.last_at,
    }  # fmt: skip
    event = _own_event(rule, public_id, firing.number)
    if rule.is_muted(now):
        return _NewAlert(row, event, [])
    message = _message(rule, firing, public_id, group, sentence, facts, public_url, now)
    return _NewAlert(row, event, _messages(rule, message))


def _alert_row(rule: Rule, alert_id: UUID, now: int) -> dict[str, Any]:
    """What an alert's row has of its rule, and what nothing has changed yet."""
    return {
        "org_id": rule.org_id, "alert_id": alert_id, "rule_id": rule.rule_id, "rule_name": rule.name,
        "detection": rule.detection, "severity": rule.severity, "fired_at": now, "more": 0, "state": "open",
        "muted": rule.is_muted(now), "acknowledged_by": "", "note": "",
    }  # fmt: skip


def _own_event(rule: Rule, public_id: str, number: int, **more: object) -> dict[str, Any]:
    metadata = {"rule": rule.public_id, "alert": public_id, "severity": rule.severity, "events": number}
    on = {"type": "alert_rule", "id": rule.public_id, "name": rule.name}
    return own_event("audit_log.alert_triggered", by=TALLYSTICK, caller=NOWHERE, on=on, metadata=metadata | more)


def _message(
    rule: Rule,
    firing: Firing,
    public_id: str,
    group: str,
    sentence: str,
    facts: Sequence[tuple[str, str]],
    public_url: str,
    now: int,
) -> Message:
    return Message(
        id=public_id, type="alert.fired", at=now, title=rule.name, sentence=sentence, severity=rule.severity,
        facts=tuple(facts), links=_links(rule, public_id, public_url),
        data=_webhook_data(rule, firing, public_id, group, sentence, now),
        plain_title=f"Alert ({rule.definition.kind.replace('_', ' ')})",
    )  # fmt: skip


def _messages(rule: Rule, message: Message, *, not_before: int = 0) -> list[NewMessage]:
    return [NewMessage(one, message, rule.public_id, not_before) for one in _destination_ids(rule.destinations)]


def _links(rule: Rule, public_id: str, public_url: str) -> tuple[tuple[str, str], ...]:
    links = [("Show the events", f"{public_url}/alerts/{public_id}")]
    if rule.runbook.startswith("https://"):
        links.append(("What to do", rule.runbook))
    return tuple(links)


def _webhook_data(rule: Rule, firing: Firing, public_id: str, group: str, sentence: str, now: int) -> dict[str, object]:
    """Returns the data of a webhook: what the alert says, and the ids with which the API gives the rest."""
    return {
        "id": public_id,
        "rule": {"id": rule.public_id, "name": rule.name, "severity": rule.severity, "runbook": rule.runbook or None},
        "group": group or None,
        "count": firing.number,
        "sentence": sentence,
        "first_event": rfc3339(firing.first_at),
        "last_event": rfc3339(firing.last_at),
        "event_ids": [ids.encode("evt", hit.event_id) for hit in firing.events],
        "fired_at": rfc3339(now),
    }


def _destination_ids(public_ids: Iterable[str]) -> list[UUID]:
    return [ids.parse_uuid(DESTINATION_PREFIX, public_id) for public_id in public_ids]
