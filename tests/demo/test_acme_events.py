"""What the demo's events promise: the same every time, in order, told as the documentation tells it."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.clock import DAY_US, SECOND_US, rfc3339, to_us
from tallystick.demo.agents import demo_events
from tallystick.demo.events import acme_events

NOW_US = to_us(datetime(2025, 3, 14, 9, 26, 53, tzinfo=UTC))
Event = dict[str, Any]


def some_events(now_us: int = NOW_US, count: int = 2_000, **more: Any) -> list[Event]:
    return list(acme_events(now_us=now_us, count=count, **more))


def by_id(events: list[Event]) -> dict[str, Event]:
    return {event["external_id"]: event for event in events}


def told(event: Event) -> tuple[str, str, str]:
    return event["timestamp"][11:19], event["action"], event.get("resource", {}).get("name", "")


def test_two_runs_give_the_same_events() -> None:
    assert some_events() == some_events()


def test_another_seed_gives_other_events() -> None:
    assert by_id(some_events(seed=1)) != by_id(some_events(seed=2))


def test_events_come_in_the_order_of_time_and_none_from_the_future() -> None:
    times = [event["timestamp"] for event in some_events()]
    assert times == sorted(times)
    assert times[-1] <= rfc3339(NOW_US)


def test_no_external_id_comes_twice() -> None:
    counted = Counter(event["external_id"] for event in some_events(count=8_000))
    assert counted.most_common(1)[0][1] == 1


def test_the_number_of_events_is_about_what_was_asked_for() -> None:
    assert 9_000 < len(some_events(count=9_500)) < 11_000


@settings(max_examples=8, deadline=None)
@given(hours=st.integers(min_value=0, max_value=24 * 40))
def test_a_later_start_adds_events_and_changes_none(hours: int) -> None:
    earlier = by_id(some_events())
    later = by_id(some_events(NOW_US + hours * 3600 * SECOND_US))
    shared = earlier.keys() & later.keys()
    assert shared
    assert all(earlier[name] == later[name] for name in shared)


def test_what_happened_since_the_last_start_is_what_a_whole_run_would_add() -> None:
    before = NOW_US - 5 * DAY_US
    since = by_id(some_events(since_us=before))
    whole, earlier = by_id(some_events()), by_id(some_events(before))
    assert since == {name: event for name, event in whole.items() if name not in earlier}


def test_more_events_hold_all_of_fewer_events() -> None:
    fewer, more = by_id(some_events(count=500)), by_id(some_events(count=2_500))
    assert {name: more.get(name) for name in fewer} == fewer


def test_the_story_stands_on_the_fifteenth_of_january() -> None:
    story = [event for event in islice(some_events(), 10) if event["timestamp"].startswith("2024-01-15T14")]
    assert [told(event) for event in story] == [
        ("14:25:33", "user.login", ""),
        ("14:28:10", "project.file_updated", "api-infrastructure"),
        ("14:30:42", "deployment.started", "api-infrastructure"),
        ("14:30:45", "deployment.failed", "api-infrastructure"),
    ]
    failure = story[-1]
    assert failure["actor"] == {"type": "user", "id": "usr_456", "email": "sarah@acme.com", "name": "Sarah Lin"}
    assert (failure["context"]["ip_address"], failure["context"]["user_agent"]) == ("192.168.1.50", "Chrome/120.0")
    assert failure["changes"] == {
        "error": "Policy violation: S3 encryption required",
        "resources_planned": 5,
        "resources_applied": 2,
    }
    assert failure["request"] == {"deployment_id": "dep_789", "trigger": "manual"}
    assert story[1]["description"] == "main.tf"


def test_john_applies_vpc_production_that_morning() -> None:
    apply = next(event for event in some_events() if event["timestamp"].startswith("2024-01-15T10:30:45"))
    assert told(apply) == ("10:30:45", "deployment.completed", "vpc-production")
    assert apply["description"] == "terraform apply"
    assert (apply["actor"]["email"], apply["context"]["ip_address"]) == ("john@example.com", "192.168.1.100")


def test_the_last_day_holds_the_story_again_and_nothing_else_on_that_project() -> None:
    since = rfc3339(NOW_US - DAY_US)
    events = [event for event in some_events(count=20_000) if event["timestamp"] >= since]
    there = [event for event in events if event.get("resource", {}).get("name") == "api-infrastructure"]
    assert [event["action"] for event in there] == ["project.file_updated", "deployment.started", "deployment.failed"]
    assert there[-1]["timestamp"] == rfc3339(NOW_US - 3600 * SECOND_US)


def test_only_johns_own_events_mention_his_address() -> None:
    mentions = [event for event in some_events(count=20_000) if "john@" in str(event)]
    assert mentions
    assert {event["actor"].get("email") for event in mentions} == {"john@example.com"}


@settings(max_examples=5, deadline=None)
@given(days=st.integers(min_value=0, max_value=60))
def test_any_fortnight_holds_all_three_incidents(days: int) -> None:
    now_us = NOW_US + days * DAY_US
    since = rfc3339(now_us - 15 * DAY_US)
    recent = [event for event in some_events(now_us) if event["timestamp"] >= since]
    guessed = [event for event in recent if event["context"]["ip_address"] == "203.0.113.66"]
    assert Counter(event["action"] for event in guessed)["user.login_failed"] >= 40
    assert "user.login" in {event["action"] for event in guessed}
    raised = [event for event in recent if event["action"] == "user.role_changed"]
    assert any(event["resource"]["id"] == event["actor"]["id"] for event in raised)
    assert sum(event["action"] == "project.deleted" for event in recent) >= 20


def test_people_work_in_their_hours() -> None:
    events = [event for event in some_events(count=10_000) if event["actor"].get("email") == "john@example.com"]
    hours = Counter(datetime.fromisoformat(event["timestamp"]).astimezone(UTC).hour for event in events)
    assert sum(hours[hour] for hour in range(7, 20)) > 0.95 * len(events)


def test_weekends_are_quiet() -> None:
    dates = Counter(event["timestamp"][:10] for event in some_events(count=10_000))
    monday = datetime(2025, 3, 3, tzinfo=UTC)
    counts = [dates[(monday + timedelta(days=day)).strftime("%Y-%m-%d")] for day in range(7)]
    assert max(counts[5:]) < min(counts[:5]) / 2


def agent_events(now_us: int = NOW_US, **more: Any) -> list[Event]:
    events = demo_events(now_us=now_us, count=500, **more)
    return [event for event in events if event["external_id"].startswith("demo-agent-")]


def test_the_agents_events_come_by_time_among_the_others_and_change_none() -> None:
    events = list(demo_events(now_us=NOW_US, count=500))
    times = [event["timestamp"] for event in events]
    assert times == sorted(times)
    others = [one for one in events if not one["external_id"].startswith("demo-agent-")]
    assert others == some_events(count=500)
    before = NOW_US - 5 * DAY_US
    whole, earlier = by_id(agent_events()), by_id(agent_events(before))
    since = by_id(agent_events(since_us=before))
    assert since == {name: event for name, event in whole.items() if name not in earlier}


def test_an_agent_acts_for_a_person_by_day_and_alone_one_night_in_two_weeks() -> None:
    two_weeks = [event for event in agent_events() if event["timestamp"] > rfc3339(NOW_US - 14 * DAY_US)]
    by_agent = [event for event in two_weeks if event["actor"]["type"] == "agent"]
    alone = [event for event in by_agent if "on_behalf_of" not in event["actor"]]
    assert {event["context"]["agent_session_id"] for event in alone} == {alone[0]["context"]["agent_session_id"]}
    assert {event["context"]["mode"] for event in alone} == {"autonomous"}
    assert len(by_agent) - len(alone) > 50
    assert [event["action"] for event in alone if event["action"] != "project.deleted"] == [
        "agent.session_started",
        "mcp.resource_read",
        "project.secret_viewed",
        "api_key.created",
        "policy.disabled",
        "agent.tool_denied",
        "agent.session_ended",
    ]
    start = two_weeks.index(alone[0])
    assert [event["action"] for event in two_weeks[start - 2 : start]] == [
        "agent.mode_changed",
        "agent.permissions_changed",
    ]
