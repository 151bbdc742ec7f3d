"""What is said to have happened for the first time did."""

from tallystick.cases import first_times as module
from tallystick.cases.around import around
from tallystick.cases.first_times import first_times
from tallystick.events.output import event_of
from tests.cases.material import HERE, PROJECT, happened, scene

BEFORE = [
    happened("09:00:00", "user.login", context=HERE),
    happened("09:01:00", "deployment.started", context=HERE, resource=PROJECT),
]
ELSEWHERE = {"ip_address": "203.0.113.5"}


def firsts_around(here, action, **options):
    events = [one.stored for one in around(here.spine.finder, here.scope, here.found(action), **options).events]
    found = first_times(here.spine.finder, here.scope, events)
    return {
        event_of(one)["timestamp"][11:19]: found.words[one.index] for one in events if one.index in found.words
    }, found.unanswered


def test_only_what_never_was_before_is_a_first(sqlite_spine):
    here = scene(
        sqlite_spine, "acme", *BEFORE,
        happened("14:00:00", "user.login", context=HERE),
        happened("14:01:00", "user.login", context=ELSEWHERE),
        happened("14:02:00", "project.deleted", context=ELSEWHERE, resource=PROJECT),
        happened("14:03:00", "project.deleted", context=ELSEWHERE, resource={**PROJECT, "id": "p2", "name": "two"}),
    )  # fmt: skip
    found, unanswered = firsts_around(here, "project.deleted")
    assert unanswered == 0
    assert found == {
        "14:01:00": ["First time from 203.0.113.5"],
        "14:02:00": ["First project.deleted"],
        "14:03:00": ["First time on two"],
    }


def test_of_an_actors_first_event_it_is_said_once(sqlite_spine):
    here = scene(sqlite_spine, "acme", *BEFORE)
    found, _ = firsts_around(here, "deployment.started")
    assert found["09:00:00"] == ["First event by sarah@acme.com"]


def test_what_there_was_no_time_to_look_up_is_counted_and_not_claimed(sqlite_spine, monkeypatch):
    here = scene(sqlite_spine, "acme", *BEFORE)
    events = [one.stored for one in around(here.spine.finder, here.scope, here.found("deployment.started")).events]
    monkeypatch.setattr(module.time, "monotonic", iter(range(1000)).__next__)
    found = first_times(here.spine.finder, here.scope, events, seconds=0)
    assert found.words == {}
    assert found.unanswered > 0
