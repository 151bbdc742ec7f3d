"""How many events were dropped: counted with the answer, and recorded in the trail once for each hour."""

from typing import Any

import msgspec
import pytest

from tallystick import clock
from tallystick.ingest.dropped_events import (
    HOUR_US,
    MOST_ROWS,
    Drops,
    count_drops,
    read_drops,
    record_ended_hours,
)
from tallystick.intake_rules.drop_report import DropReporter
from tallystick.outbox import write as outbox
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tests.access.town import at_once
from tests.fixtures.spine import Spine
from tests.intake_rules.lists import drop, set_rules

pytestmark = pytest.mark.one_engine
HOUR = 1_705_329_000_000_000 // HOUR_US * HOUR_US


def count(spine: Spine, scope: Scope, *drops: Drops, now: int = HOUR) -> None:
    with spine.database.write() as connection:
        count_drops(connection, scope.org_id, drops, now=now)


def drops_of(number: int = 1, *, rule: str = "irl_1", sender: str = "key_1", action: str = "project.viewed") -> Drops:
    return Drops(dict.fromkeys(range(number), rule), sender, {(rule, action): (number, 100 * number)})


def report(spine: Spine, now: int) -> list[dict[str, Any]]:
    """What is written to the outbox for the hours that are over."""
    with spine.database.write() as connection:
        outbox.delete(connection, waiting(connection))
        record_ended_hours(connection, now)
        return [dict(entry.event)["metadata"] for entry in waiting(connection)]


def waiting(connection: Any) -> list[outbox.OutboxEntry]:
    return [one for org_id in outbox.organizations_waiting(connection) for one in outbox.take(connection, org_id, 100)]


@pytest.mark.both_engines
def test_the_drops_of_an_hour_are_recorded_once_by_rule_key_and_action(spine: Spine) -> None:
    scope = spine.organization()
    count(spine, scope, drops_of(3), drops_of(2), drops_of(sender="key_2"), drops_of(rule="irl_2", action="a.b"))
    assert report(spine, HOUR + HOUR_US - 1) == []
    (said,) = report(spine, HOUR + HOUR_US)
    assert (said["events"], said["bytes"]) == (7, 700)
    assert said["drops"] == [
        {"rule": "irl_1", "sender": "key_1", "action": "project.viewed", "events": 5, "bytes": 500},
        {"rule": "irl_1", "sender": "key_2", "action": "project.viewed", "events": 1, "bytes": 100},
        {"rule": "irl_2", "sender": "key_1", "action": "a.b", "events": 1, "bytes": 100},
    ]
    assert report(spine, HOUR + 2 * HOUR_US) == []


@pytest.mark.both_engines
def test_a_drop_that_comes_late_into_a_recorded_hour_is_recorded_too_and_nothing_twice(spine: Spine) -> None:
    scope = spine.organization()
    count(spine, scope, drops_of(3))
    report(spine, HOUR + HOUR_US)
    count(spine, scope, drops_of(2))
    assert [said["events"] for said in report(spine, HOUR + HOUR_US)] == [2]


@pytest.mark.both_engines
def test_processes_that_report_at_once_record_each_drop_once(spine: Spine) -> None:
    scope = spine.organization()
    count(spine, scope, drops_of(3), drops_of(2, sender="key_2"))
    reporters = [DropReporter(spine.database, lambda: None) for _ in range(4)]
    at_once(4, lambda number: reporters[number].step(HOUR + HOUR_US))
    with spine.database.read() as connection:
        assert [dict(entry.event)["metadata"]["events"] for entry in waiting(connection)] == [5]


def test_drops_are_counted_with_the_answer_and_survive_a_restart(sqlite_spine: Spine) -> None:
    scope = sqlite_spine.organization()
    set_rules(sqlite_spine, scope, drop("action:project.viewed", "irl_1"))
    sqlite_spine.record(
        scope, {"action": "project.viewed"}, {"action": "project.updated"}, {"action": "project.viewed"}
    )
    sqlite_spine.sequencer.stop()
    with sqlite_spine.database.read() as connection:
        ((_, rule, events, size),) = read_drops(connection, scope.org_id, clock.now_us() - HOUR_US)
    assert (rule, events) == ("irl_1", 2)
    assert size > 100


def test_a_retry_of_a_request_counts_its_drops_once(sqlite_spine: Spine) -> None:
    scope = sqlite_spine.organization()
    set_rules(sqlite_spine, scope, drop("action:project.viewed"))
    for _ in range(3):
        sqlite_spine.record(scope, {"action": "project.viewed"}, key="once")
    with sqlite_spine.database.read() as connection:
        assert [row[2] for row in read_drops(connection, scope.org_id, clock.now_us() - HOUR_US)] == [1]


def test_many_actions_of_one_hour_are_counted_together_and_none_is_lost(sqlite_spine: Spine) -> None:
    scope = sqlite_spine.organization()
    for number in range(MOST_ROWS + 50):
        count(sqlite_spine, scope, drops_of(action=f"a.b{number}"))
    (said,) = report(sqlite_spine, HOUR + HOUR_US)
    assert said["events"] == MOST_ROWS + 50
    assert len(said["drops"]) == MOST_ROWS + 1
    assert {"rule": "irl_1", "events": 50, "bytes": 5000} in said["drops"]


def test_the_worker_writes_the_event_into_the_trail_as_our_own(sqlite_spine: Spine) -> None:
    scope, told = sqlite_spine.organization(), []
    set_rules(sqlite_spine, scope, drop("action:project.viewed"))
    sqlite_spine.record(scope, {"action": "project.viewed"})
    reporter = DropReporter(sqlite_spine.database, lambda: told.append(1))
    assert not reporter.step()
    assert reporter.step(clock.now_us() + HOUR_US)
    sqlite_spine.sequencer.tick([])
    sqlite_spine.ship()
    newest = sqlite_spine.finder.page(scope, Query()).data[0]
    assert msgspec.json.decode(newest.what)["action"] == "audit_log.events_dropped"
    assert told == [1]
    assert not reporter.step(clock.now_us() + HOUR_US)


def test_counts_are_shown_for_a_week_after_they_were_recorded(sqlite_spine: Spine) -> None:
    scope = sqlite_spine.organization()
    count(sqlite_spine, scope, drops_of(1))
    for days, shown in ((7, 1), (8, 0)):
        report(sqlite_spine, HOUR + days * 24 * HOUR_US)
        with sqlite_spine.database.read() as connection:
            assert len(read_drops(connection, scope.org_id, 0)) == shown
