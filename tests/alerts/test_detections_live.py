"""Each shipped detection on real recording: two organizations at once, late events, and times of another zone."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from tallystick.alerts import summaries
from tallystick.alerts.backtest import backtest
from tallystick.alerts.rule_tests import RuleTest, expand_events, failures
from tallystick.alerts.rules_file import RuleSpec, find_detection, shipped_detections
from tallystick.clock import DAY_US, to_us
from tallystick.query.own_records import RESERVED
from tests.alerts.rule_driver import Watch

# Rules that depend on the time of receiving, which a sender cannot choose.
OTHERS = {"clock_skew", "source_silent"}
INDIA = timezone(timedelta(hours=5, minutes=30))
TRIALS = [(rule, test) for rule in shipped_detections() if rule.id not in OTHERS for test in rule.tests]


def sent(test: RuleTest, zone: timezone) -> list[dict[str, Any]]:
    """The events of a test as a program in that zone sends them, in the order of recording."""
    events: list[dict[str, Any]] = []
    for event, _, _ in expand_events(test.events):
        assert event.timestamp is not None
        told = msgspec.to_builtins(event)
        written = {name: value for name, value in told.items() if value not in (None, {}, [])}
        events.append(written | {"timestamp": event.timestamp.astimezone(zone).isoformat()})
    return events


@pytest.fixture(autouse=True)
def _each_alert_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a rule finds in late events is one summary; here each finding is compared."""
    monkeypatch.setattr(summaries, "LATE_US", 1 << 60)


@pytest.mark.parametrize(("rule", "test"), TRIALS, ids=lambda part: getattr(part, "id", None) or part.name[:40])
def test_two_organizations_late_events_and_zones_change_nothing(rule: RuleSpec, test: RuleTest, sqlite_watch: Watch):
    """The events of 2024 arrive years late, from two zones, those of two organizations by turns."""
    watch = sqlite_watch
    scopes = [watch.spine.organization(slug) for slug in ("acme", "other")]
    watch.settle()
    definition = {name: value for name, value in msgspec.to_builtins(rule.definition).items() if value}
    rules = [watch.rule(scope, rule.name, **definition) for scope in scopes]
    watch.settle()  # what has to learn first has nothing to learn from
    events = [sent(test, zone) for zone in (UTC, INDIA)]  # type: ignore[arg-type]
    for start in range(0, len(events[0]), 50):
        for scope, those in zip(scopes, events, strict=True):
            for is_own, some in groupby(those[start : start + 50], lambda one: one["action"].startswith(RESERVED)):
                if is_own:
                    [watch.spine.record_own(scope, one) for one in some]
                else:
                    watch.spine.record(scope, *some)
        watch.settle()
    for scope, made in zip(scopes, rules, strict=True):
        groups = [alert.group for alert in watch.alerts(scope) if alert.rule_id == made.rule_id]
        assert (len(groups) if isinstance(test.fires, int) else groups) == test.fires


OF_COUNTRIES = [trial for trial in TRIALS if trial[0].id in ("new_country", "impossible_travel")]


@pytest.mark.parametrize(("rule", "test"), OF_COUNTRIES, ids=lambda part: getattr(part, "id", None) or part.name[:40])
def test_a_back_test_of_countries_finds_what_was_found_live(rule: RuleSpec, test: RuleTest, sqlite_watch: Watch):
    watch = sqlite_watch
    scope = watch.spine.organization()
    watch.settle()
    definition = {name: value for name, value in msgspec.to_builtins(rule.definition).items() if value}
    watch.rule(scope, rule.name, **definition)
    watch.settle()
    events = sent(test, UTC)  # type: ignore[arg-type]
    watch.spine.record(scope, *events)
    watch.settle()
    watch.spine.ship()
    start = to_us(datetime.fromisoformat(min(event["timestamp"] for event in events)))
    found = backtest(watch.spine.database, watch.spine.store, scope, rule.definition, start, start + 399 * DAY_US)
    live = [(alert.group, alert.at) for alert in watch.alerts(scope)]
    assert [(firing.group, firing.at) for firing in found.firings] == live


@pytest.mark.parametrize("change", ["2026-03-29", "2026-10-25"])
def test_the_change_to_and_from_summer_time_makes_no_hour_unusual(change):
    """Somebody in Berlin who works from nine to five by the clock on the wall, and once at three in the morning."""
    unusual = find_detection("off_hours")
    berlin = ZoneInfo("Europe/Berlin")
    first = datetime.fromisoformat(change).replace(tzinfo=berlin) - timedelta(days=20)
    worked = [
        {"action": "project.viewed", "user": "jo@acme.com", "at": (first + timedelta(days=day, hours=hour)).isoformat()}
        for day in range(30)
        for hour in range(9, 18)
    ]
    night = {**worked[0], "at": (first + timedelta(days=30, hours=3)).isoformat()}
    test = {"name": "working hours", "events": [*worked, night], "fires": ["jo@acme.com"]}
    made = [msgspec.convert(test | more, RuleTest) for more in ({}, {"events": worked, "fires": 0})]
    assert failures(unusual.name, unusual.definition, made) == []
