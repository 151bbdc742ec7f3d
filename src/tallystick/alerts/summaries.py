"""Summaries: what a rule finds in events that were recorded late, such as an import of years of logs.

Such findings are no news that somebody has to be woken for: each rule makes one alert of them, which grows while more
are found, and one message, which waits until none was added for a while. The alert of a single one says what any alert
says.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Connection, Row, select, update

from tallystick import ids
from tallystick.alerts import message_text
from tallystick.alerts.alert import PREFIX
from tallystick.alerts.detectors import MOST_IDS, Firing
from tallystick.alerts.fields import digest
from tallystick.alerts.rule import Rule
from tallystick.alerts.tables import alerts
from tallystick.clock import DAY_US, SECOND_US, from_us
from tallystick.events.record import Record

FOUND = "Found"  # label of the fact that counts findings
LATE_US = DAY_US  # between an event and its recording
GROWS_US = DAY_US  # after its first finding
QUIET_US = 10 * SECOND_US  # without another finding, before the message is sent
LONGEST_WAIT_US = 300 * SECOND_US


class Summary(NamedTuple):
    """A summary after some findings: the values of its row, its sentence and facts, and when its message may be sent.

    `is_new`: its row does not exist yet.
    """

    alert_id: UUID
    values: dict[str, Any]
    sentence: str
    facts: list[tuple[str, str]]
    firing: Firing
    is_new: bool
    not_before: int

    @property
    def public_id(self) -> str:
        return ids.encode(PREFIX, self.alert_id.bytes)


def is_late(firing: Firing, record: Record | None) -> bool:
    """Whether the event that a firing is about was more than a day old when it was recorded."""
    return firing.hit is not None and record is not None and record.received_at - firing.at > LATE_US


def summarize(
    connection: Connection, rule: Rule, firings: Sequence[Firing], alert_id: UUID, *, now: int
) -> Summary | None:
    """The rule's summary with these findings: the one that still grows, or a new one with this id.

    None if there is no other than a single finding.
    """
    key = summary_key(rule)
    found = connection.execute(
        select(alerts)
        .where(alerts.c.org_id == rule.org_id, alerts.c.rule_id == rule.rule_id, alerts.c.key == key)
        .where(alerts.c.state == "open", alerts.c.fired_at > now - GROWS_US)
        .order_by(alerts.c.alert_id.desc())
        .limit(1)
    ).first()
    firing = _joined(key, firings, found)
    if found is None and len(firings) == 1:
        return None
    since, until = (f"{from_us(at):%Y-%m-%d %H:%M}" for at in (firing.first_at, firing.last_at))
    number = len(firings) + (0 if found is None else _findings(found))
    times = "once" if number == 1 else f"{number:,} times"
    sentence = (
        f"Found {times} in events that were recorded more than a day after they happened, such as an import: "
        f"from {since} to {until} UTC."
    )
    facts = [(FOUND, times), ("Period", f"{since} to {until} UTC")]
    values = {
        "group_name": "", "sentence": sentence, "facts": msgspec.json.encode(facts).decode(), "number": firing.number,
        "search": msgspec.json.encode(message_text.search_parameters(rule, firing, "")).decode(),
        "first_seq": min(hit.seq for hit in firing.events), "last_seq": max(hit.seq for hit in firing.events),
        "event_ids": b"".join(hit.event_id for hit in firing.events)[-16 * MOST_IDS :],
        "at": firing.at, "first_at": firing.first_at, "last_at": firing.last_at,
    }  # fmt: skip
    if found is None:
        return Summary(alert_id, values, sentence, facts, firing, True, now + QUIET_US)
    values["first_seq"] = min(found.first_seq, values["first_seq"])
    values["last_seq"] = max(found.last_seq, values["last_seq"])
    values["event_ids"] = (found.event_ids + values["event_ids"])[-16 * MOST_IDS :]
    not_before = min(now + QUIET_US, found.fired_at + LONGEST_WAIT_US)
    return Summary(found.alert_id, values, sentence, facts, firing, False, not_before)


def grow(connection: Connection, rule: Rule, summary: Summary) -> None:
    """Write what was added to a summary."""
    mine = (alerts.c.org_id == rule.org_id) & (alerts.c.alert_id == summary.alert_id)
    connection.execute(update(alerts).where(mine).values(summary.values))


def summary_key(rule: Rule) -> bytes:
    """The key of a rule's summaries, which no group has."""
    return digest(rule.rule_id, "\0summary")


def _findings(row: Row[Any]) -> int:
    """How many findings an alert with the key of a summary is of: a single one has the facts of any alert."""
    said = next((value for label, value in msgspec.json.decode(row.facts) if label == FOUND), "once")
    return 1 if said == "once" else int(said.removesuffix(" times").replace(",", ""))


def _joined(key: bytes, firings: Sequence[Firing], found: Row[Any] | None) -> Firing:
    """All findings as one, with the events of all; an event of several findings counts for each."""
    events = sorted(hit for firing in firings for hit in firing.events)[-MOST_IDS:]
    first_at, last_at = min(one.first_at for one in firings), max(one.last_at for one in firings)
    number = sum(one.number for one in firings)
    if found is not None:
        first_at, last_at = min(first_at, found.first_at), max(last_at, found.last_at)
        number += found.number
    return Firing(key, last_at, number, first_at, last_at, tuple(events))
