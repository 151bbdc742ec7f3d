"""Writing down what came of judging, in one transaction: alerts, deliveries, memory, position."""

from collections.abc import Iterable, Sequence
from uuid import UUID

import msgspec
from sqlalchemy import Connection, bindparam, insert, select, update

from tallystick import ids
from tallystick.access.audit import NOWHERE, tell
from tallystick.alerts import message_text, rule_state
from tallystick.alerts.alert import PREFIX
from tallystick.alerts.evaluation import Found, Outcome
from tallystick.alerts.judges import Firing, Remembering
from tallystick.alerts.rule import Rule, is_one
from tallystick.alerts.tables import alert_positions, alert_rules, alerts
from tallystick.clock import rfc3339
from tallystick.destinations import deliveries
from tallystick.destinations.destination import PREFIX as DESTINATION_PREFIX
from tallystick.destinations.message import Message
from tallystick.events.record import Record
from tallystick.outbox.write import TALLYSTICK


def write(connection: Connection, outcomes: Sequence[Outcome], public_url: str, *, now: int) -> dict[UUID, int]:
    """Outcomes of as many organizations, all in this transaction; how many alerts of each came of it.

    One is left out, and is judged again, where another process judged these events meanwhile or a rule is another.
    """
    still = _untouched(connection, [one.org_id for one in outcomes])
    mine = [one for one in outcomes if still.get(one.org_id) == (one.first, one.rules)]
    if mine:
        rows = [{"of": one.org_id, "next_index": one.next_index, "newest_at": one.newest_at} for one in mine]
        connection.execute(update(alert_positions).where(alert_positions.c.org_id == bindparam("of")), rows)
    rule_state.keep_hits(connection, [(found.rule, found.hits) for one in mine for found in one.found])
    return {one.org_id: sum(_write(connection, found, public_url, now) for found in one.found) for one in mine}


def write_silence(connection: Connection, found: Found, public_url: str, *, now: int) -> int:
    """What a rule that waits for silence found by the clock, unless it was changed meanwhile."""
    rule = found.rule
    still = is_one(rule.org_id, rule.rule_id) & alert_rules.c.enabled & (alert_rules.c.version == rule.version)
    if connection.execute(select(alert_rules.c.rule_id).where(still)).first() is None:
        return 0
    return _write(connection, found, public_url, now)


def _untouched(connection: Connection, org_ids: Sequence[UUID]) -> dict[UUID, tuple[int, set[tuple[UUID, int]]]]:
    """Where each organization stands now, and its rules with their versions."""
    positions = select(alert_positions.c.org_id, alert_positions.c.next_index).where(
        alert_positions.c.org_id.in_(org_ids)
    )
    # In one order, so that two processes do not wait for each other.
    locked = connection.execute(positions.order_by(alert_positions.c.org_id).with_for_update())
    found: dict[UUID, tuple[int, set[tuple[UUID, int]]]] = {row.org_id: (row.next_index, set()) for row in locked}
    rules = select(alert_rules.c.org_id, alert_rules.c.rule_id, alert_rules.c.version).where(
        alert_rules.c.org_id.in_(list(found)), alert_rules.c.enabled, alert_rules.c.learnt
    )
    for row in connection.execute(rules):
        found[row.org_id][1].add((row.rule_id, row.version))
    return found


def _write(connection: Connection, found: Found, public_url: str, now: int) -> int:
    """What one rule found, and what it will remember beside the hits."""
    if isinstance(found.judge, Remembering):
        rule_state.keep_memory(connection, found.rule, found.judge)
    # In the order of firing, which is that of their ids.
    fresh = sorted(ids.new_uuid(now) for _ in found.firings)
    for alert_id, (firing, record) in zip(fresh, found.firings, strict=True):
        _fire(connection, found.rule, firing, record, alert_id, public_url=public_url, now=now)
    for (key, at), more in found.judge.suppressed.items():
        connection.execute(
            update(alerts)
            .where(alerts.c.org_id == found.rule.org_id, alerts.c.rule_id == found.rule.rule_id)
            .where(alerts.c.key == key, alerts.c.at == at)
            .values(more=alerts.c.more + more)
        )
    return len(found.firings)


def _fire(
    connection: Connection,
    rule: Rule,
    firing: Firing,
    record: Record | None,
    alert_id: UUID,
    *,
    public_url: str,
    now: int,
) -> None:
    step = firing.hit.step if firing.hit else 0
    group = message_text.group_of(rule, record, step)
    sentence = message_text.sentence(rule, firing, record, group)
    facts = message_text.facts(firing, record, group)
    shown_id = ids.encode(PREFIX, alert_id.bytes)
    indexes = [hit.seq for hit in firing.events]
    muted = rule.is_muted(now)
    connection.execute(
        insert(alerts).values(
            org_id=rule.org_id, alert_id=alert_id, rule_id=rule.rule_id, rule_name=rule.name,
            detection=rule.detection, severity=rule.severity, key=firing.key, group_name=group, sentence=sentence,
            facts=msgspec.json.encode(facts).decode(), number=firing.number,
            search=msgspec.json.encode(message_text.search(rule, firing, group)).decode(),
            first_seq=min(indexes, default=None), last_seq=max(indexes, default=None),
            event_ids=b"".join(hit.event_id for hit in firing.events), at=firing.at, first_at=firing.first_at,
            last_at=firing.last_at, fired_at=now, more=0, state="open", muted=muted, acknowledged_by="", note="",
        )
    )  # fmt: skip
    told = {"rule": rule.shown_id, "alert": shown_id, "severity": rule.severity, "events": firing.number}
    about = {"type": "alert_rule", "id": rule.shown_id, "name": rule.name}
    tell(connection, rule.org_id, "audit_log.alert_triggered", by=TALLYSTICK, caller=NOWHERE, on=about, now=now,
         metadata=told)  # fmt: skip
    if muted:
        return
    message = Message(
        id=shown_id, type="alert.fired", at=now, title=rule.name, sentence=sentence, severity=rule.severity,
        facts=tuple(facts), links=_links(rule, shown_id, public_url),
        data=_data(rule, firing, shown_id, group, sentence, now),
    )  # fmt: skip
    for destination in _destinations(rule.destinations):
        deliveries.put(connection, rule.org_id, destination, message, now=now)


def _links(rule: Rule, shown_id: str, public_url: str) -> tuple[tuple[str, str], ...]:
    links = [("Show the events", f"{public_url}/alerts/{shown_id}")]
    if rule.runbook.startswith("https://"):
        links.append(("What to do", rule.runbook))
    return tuple(links)


def _data(rule: Rule, firing: Firing, shown_id: str, group: str, sentence: str, now: int) -> dict[str, object]:
    """What a webhook gets: no more than what the alert says, and where to ask for the rest."""
    return {
        "id": shown_id,
        "rule": {"id": rule.shown_id, "name": rule.name, "severity": rule.severity, "runbook": rule.runbook or None},
        "group": group or None,
        "count": firing.number,
        "sentence": sentence,
        "first_event": rfc3339(firing.first_at),
        "last_event": rfc3339(firing.last_at),
        "event_ids": [ids.encode("evt", hit.event_id) for hit in firing.events],
        "fired_at": rfc3339(now),
    }


def _destinations(shown: Iterable[str]) -> list[UUID]:
    return [UUID(bytes=ids.decode(DESTINATION_PREFIX, one)) for one in shown]
