"""The timeline around an event."""

import pytest

from tallystick import ids
from tallystick.cases.related_events import find_related_events
from tallystick.errors import BadRequest
from tallystick.search import find
from tallystick.search.filters import query_from
from tallystick.store import windows
from tests.cases.material import OTHERS, STORY, Scene, actions, happened, scene
from tests.fixtures.spine import Spine


@pytest.fixture
def here(sqlite_spine: Spine) -> Scene:
    return scene(sqlite_spine)


def test_all_threads_together_tell_the_whole_story_in_order(here):
    found = find_related_events(here.spine.finder, here.scope, here.found("deployment.failed"))
    assert actions(found.events) == [
        "user.login", "project.file_updated", "policy.violation", "user.login",
        "deployment.started", "deployment.failed",
    ]  # fmt: skip
    assert (found.more_before, found.more_after, found.partial) == (False, False, False)


@pytest.mark.parametrize(
    ("relation", "value", "expected"),
    [
        ("actor", "sarah@acme.com", ["user.login", "project.file_updated", "deployment.started", "deployment.failed"]),
        ("session", "ses_1", ["user.login", "project.file_updated", "deployment.started", "deployment.failed"]),
        (
            "resource", "api-infrastructure",
            ["project.file_updated", "policy.violation", "deployment.started", "deployment.failed"],
        ),
        (
            "address", "192.168.1.50",
            ["user.login", "project.file_updated", "user.login", "deployment.started", "deployment.failed"],
        ),
    ],
)  # fmt: skip
def test_one_thread_leads_to_its_own_events_alone(here, relation, value, expected):
    found = find_related_events(here.spine.finder, here.scope, here.found("deployment.failed"), by=[relation])
    assert [(thread.relation, thread.value) for thread in found.threads] == [(relation, value)]
    assert actions(found.events) == expected
    assert {one.relations for one in found.events} == {(relation,)}


def test_a_resource_of_another_type_with_the_same_id_is_another_resource(here):
    found = find_related_events(here.spine.finder, here.scope, here.found("deployment.failed"), by=["resource"])
    assert "widget.made" not in actions(found.events)


def test_type_and_id_of_a_resource_are_those_of_one_of_several(sqlite_spine):
    scope = sqlite_spine.organization()
    user, project, other = (
        {"type": kind, "id": one} for kind, one in (("user", "7"), ("project", "7"), ("project", "8"))
    )
    several = {
        "project.viewed": [project], "project.shared": [other, project], "project.joined": [user, other],
    }  # fmt: skip
    sqlite_spine.record(scope, *({"action": action, "resources": listed} for action, listed in several.items()))
    sqlite_spine.ship()
    page = sqlite_spine.finder.page(scope, query_from({"action": ["project.viewed"]}, now=0), limit=1)
    found = find_related_events(sqlite_spine.finder, scope, page.data[0], by=["resource"])
    assert actions(found.events) == ["project.viewed", "project.shared"]


def test_a_thread_that_the_event_does_not_have_leads_nowhere(here):
    found = find_related_events(here.spine.finder, here.scope, here.found("deployment.failed"), by=["request"])
    assert (found.threads, actions(found.events)) == ([], ["deployment.failed"])


def test_events_outside_the_span_stay_out(here):
    found = find_related_events(
        here.spine.finder, here.scope, here.found("deployment.failed"), by=["actor"], before="3m"
    )
    assert actions(found.events) == ["project.file_updated", "deployment.started", "deployment.failed"]
    middle = here.found("deployment.started")
    later = find_related_events(here.spine.finder, here.scope, middle, by=["actor"], before="0m", after="1m")
    assert actions(later.events) == ["deployment.started", "deployment.failed"]


def test_of_too_many_the_nearest_are_shown_and_it_is_said(sqlite_spine):
    crowd = [happened(f"12:{minute:02}:00", f"step.n{minute}") for minute in range(21)]
    here = scene(sqlite_spine, "crowd", *crowd)
    found = find_related_events(here.spine.finder, here.scope, here.found("step.n10"), limit=3)
    assert actions(found.events) == [f"step.n{minute}" for minute in range(7, 14)]
    assert (found.more_before, found.more_after) == (True, True)
    all_of_them = find_related_events(here.spine.finder, here.scope, here.found("step.n10"), limit=10)
    assert len(all_of_them.events) == 21
    assert (all_of_them.more_before, all_of_them.more_after) == (False, False)


def test_events_of_the_same_microsecond_are_all_there(sqlite_spine):
    here = scene(sqlite_spine, "same", *[happened("12:00:00", f"step.n{number}") for number in range(5)])
    found = find_related_events(here.spine.finder, here.scope, here.found("step.n2"), before="0m", after="0m")
    assert actions(found.events) == [f"step.n{number}" for number in range(5)]


def test_right_after_it_was_recorded_an_event_is_in_its_own_timeline(sqlite_spine):
    here = scene(sqlite_spine, "fresh")
    answer = here.spine.record(here.scope, happened("14:31:00", "deployment.retried"))
    stored = here.spine.finder.find_one(here.scope, ids.decode("evt", answer.events[0].id))
    assert stored is not None
    assert "deployment.retried" in actions(find_related_events(here.spine.finder, here.scope, stored).events)


def test_what_could_not_be_read_in_time_is_said(here, monkeypatch):
    middle = here.found("deployment.failed")
    monkeypatch.setattr(find, "SECONDS", 0.0)
    monkeypatch.setattr(windows, "FIRST_ROWS", 2)
    monkeypatch.setattr(windows, "LEAST_ROWS", 2)
    found = find_related_events(here.spine.finder, here.scope, middle)
    assert found.partial
    assert middle.index in [one.stored.index for one in found.events]


@pytest.mark.parametrize("wrong", [{"by": ["friends"]}, {"before": "yesterday"}, {"after": "-1h"}, {"before": "500d"}])
def test_a_mistake_is_named(here, wrong):
    with pytest.raises(BadRequest) as said:
        find_related_events(here.spine.finder, here.scope, here.found("deployment.failed"), **wrong)
    assert said.value.code == "bad_parameter"
    assert said.value.extra["parameter"] in wrong


def test_charlies_timeline_never_holds_anothers_events(sqlite_spine):
    acme = scene(sqlite_spine)
    charlie = scene(sqlite_spine, "charlie", *STORY, *OTHERS)
    ours = {
        one.stored.id
        for one in find_related_events(acme.spine.finder, acme.scope, acme.found("deployment.failed")).events
    }
    found = find_related_events(charlie.spine.finder, charlie.scope, charlie.found("deployment.failed"))
    theirs = {one.stored.id for one in found.events}
    assert ours.isdisjoint(theirs)
    # Even around an event that Charlie should never have got hold of.
    stolen = find_related_events(charlie.spine.finder, charlie.scope, acme.found("deployment.failed"))
    assert {one.stored.id for one in stolen.events} & ours == {acme.found("deployment.failed").id}
