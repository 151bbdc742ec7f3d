"""What is called a first time is one."""

from tallystick.cases import first_seen as module
from tallystick.cases.first_seen import find_first_seen
from tallystick.cases.related_events import find_related_events
from tallystick.cases.threads import threads_of
from tallystick.events.output import event_of
from tallystick.integrity.missing_events import MissingEvents
from tallystick.query.conditions import Equals, Query
from tests.cases.material import HERE, PROJECT, happened, scene

BEFORE = [
    happened("09:00:00", "user.login", context=HERE),
    happened("09:01:00", "deployment.started", context=HERE, resource=PROJECT),
]
ELSEWHERE = {"ip_address": "203.0.113.5"}


def firsts_around(here, action, **options):
    events = [
        one.stored for one in find_related_events(here.spine.finder, here.scope, here.found(action), **options).events
    ]
    found = find_first_seen(here.spine.finder, here.scope, events)
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
    events = [
        one.stored
        for one in find_related_events(here.spine.finder, here.scope, here.found("deployment.started")).events
    ]
    monkeypatch.setattr(module.time, "monotonic", iter(range(1000)).__next__)
    found = find_first_seen(here.spine.finder, here.scope, events, seconds=0)
    assert found.words == {}
    assert found.unanswered > 0


def test_the_firsts_of_several_actors_are_their_own(sqlite_spine):
    john = {"type": "user", "id": "usr_7", "email": "john@acme.com"}
    here = scene(
        sqlite_spine, "acme", *BEFORE,
        happened("09:02:00", "user.login", john, context=HERE),
        happened("14:00:00", "user.login", john, context=HERE),
        happened("14:01:00", "project.deleted", john, context=HERE, resource=PROJECT),
        happened("14:02:00", "deployment.started", context=HERE, resource=PROJECT),
    )  # fmt: skip
    found, _ = firsts_around(here, "project.deleted")
    assert found == {"14:01:00": ["First time on api-infrastructure", "First project.deleted"]}


def test_charlies_firsts_know_nothing_of_ours(sqlite_spine):
    scene(sqlite_spine, "acme", *BEFORE)
    charlie = scene(sqlite_spine, "charlie", happened("14:00:00", "user.login", context=HERE))
    found, _ = firsts_around(charlie, "user.login")
    assert found == {"14:00:00": ["First event by sarah@acme.com"]}


def test_more_questions_than_are_asked_are_counted(sqlite_spine, monkeypatch):
    here = scene(sqlite_spine, "acme", *BEFORE)
    monkeypatch.setattr(module, "MOST_QUESTIONS", 2)
    _, unanswered = firsts_around(here, "deployment.started")
    assert unanswered > 0


def test_the_earliest_is_the_first_and_nothing_is_none(sqlite_spine):
    here = scene(sqlite_spine, "acme", *BEFORE)
    events = [here.found("deployment.started")]
    early = here.found("user.login")
    thread = threads_of(event_of(early))[0]
    conditions = [thread.condition, Equals("action", ("none",))]
    found = here.spine.finder.earliest(here.scope, Query(), conditions, seconds=5)
    assert found == [early.occurred_at, None]
    assert find_first_seen(here.spine.finder, here.scope, events).words[events[0].index] == [
        "First time on api-infrastructure",
        "First deployment.started",
    ]


def test_what_is_called_a_first_time_while_events_are_missing_is_said_to_be_uncertain(sqlite_spine):
    here = scene(sqlite_spine, "acme", *BEFORE, happened("14:00:00", "user.login", context=ELSEWHERE))
    events = [here.found("user.login")]
    assert find_first_seen(sqlite_spine.finder, here.scope, events).gaps == []
    lost = here.found("deployment.started").index
    sqlite_spine.lose(here.scope, [lost])
    MissingEvents(sqlite_spine.database, sqlite_spine.store).step()
    (said,) = find_first_seen(sqlite_spine.finder, here.scope, events).gaps
    assert "An earlier one may be among them" in said
