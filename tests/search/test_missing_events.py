"""Answers over a hole that was made in the real store: what they say, and what they refuse."""

import json
from typing import Any

import pytest

from tallystick.api.count_events import _marked
from tallystick.api.find_events import _page, find_event
from tallystick.api.follow_events import refuse_gap
from tallystick.api.parameters import Parameters
from tallystick.api.stream_events import _EventStream
from tallystick.clock import DAY_US, now_us, rfc3339
from tallystick.errors import Conflict, NotFound
from tallystick.integrity.missing_events import MissingEvents
from tallystick.query.conditions import Equals, Query
from tallystick.query.scope import Scope
from tallystick.render.csv_lines import csv_lines
from tallystick.render.json_lines import ndjson
from tallystick.web.event_list import load_event_list
from tallystick.web.filters import read_filters
from tests.fixtures.spine import Spine

pytestmark = pytest.mark.one_engine

GAP = (4, 6)
NONE_LIKE_IT = Query(Equals("action", ("deployment.failed",)))


class Holed:
    """Acme lacks the events of GAP; Globex has all of its events."""

    def __init__(self, spine: Spine) -> None:
        self.spine = spine
        self.acme, self.globex = spine.organization(), spine.organization("globex")
        recorded = spine.record(self.acme, *[{"action": "user.login"}] * 11).events
        spine.record(self.globex, *[{"action": "user.login"}] * 11)
        spine.ship()
        self.lost_id = recorded[GAP[0] - 1].id
        spine.lose(self.acme, range(GAP[0], GAP[1] + 1))
        checks = MissingEvents(spine.database, spine.store)
        checks.step()
        checks.close()

    def page(self, scope: Scope, **given: str) -> Any:
        parameters = Parameters({name: [value] for name, value in given.items()})
        return json.loads(_page(self.spine.finder, scope, parameters))


@pytest.fixture
def holed(sqlite_spine: Spine) -> Holed:
    return Holed(sqlite_spine)


def test_every_page_names_the_hole_whatever_its_filter(holed: Holed) -> None:
    for given in ({}, {"action": "deployment.failed"}, {"order": "asc"}, {"end": "2001-01-01"}):
        page = holed.page(holed.acme, **given)
        assert (page["partial"], page["missing"]) == (True, [list(GAP)])


def test_a_count_over_a_hole_is_not_exact(holed: Holed) -> None:
    page = holed.page(holed.acme, count="exact")
    assert (page["total"], page["total_relation"]) == (9, "at_least")
    assert holed.spine.finder.total(holed.acme, Query()) == (9, "at_least")


def test_a_list_over_a_hole_claims_neither_an_exact_count_nor_that_nothing_matches(holed: Holed) -> None:
    listed = load_event_list(holed.acme, holed.spine.finder, read_filters([]), None)
    assert listed.count == "at least 9 events"
    empty = load_event_list(holed.acme, holed.spine.finder, read_filters([("q", "nowhere")]), None)
    assert (empty.count, empty.is_count_deferred) == ("", False)
    assert empty.empty_text.startswith("No events found. Some events are missing")


def test_another_organization_is_told_nothing(holed: Holed) -> None:
    page = holed.page(holed.globex, count="exact")
    assert (page["partial"], page["total"], page["total_relation"]) == (False, 12, "exact")
    assert "missing" not in page
    assert "missing" not in holed.spine.finder.facets(holed.globex, Query(), "action")
    assert holed.page(holed.globex, order="recorded", after="-1")["partial"] is False


def test_a_time_range_after_the_hole_was_noticed_is_whole(holed: Holed) -> None:
    page = holed.page(holed.acme, start=rfc3339(now_us() + DAY_US))
    assert page["partial"] is False
    assert "missing" not in page


def test_histogram_and_facets_name_the_hole(holed: Holed) -> None:
    for counted in (
        holed.spine.finder.histogram(holed.acme, NONE_LIKE_IT),
        holed.spine.finder.facets(holed.acme, NONE_LIKE_IT, "action"),
    ):
        assert (_marked(counted)["partial"], counted["missing"]) == (True, [GAP])


def test_reading_in_order_of_recording_stops_before_the_hole(holed: Holed) -> None:
    before = holed.page(holed.acme, order="recorded", after="-1", limit="4")
    assert [event["index"] for event in before["data"]] == [0, 1, 2, 3]
    assert before["partial"] is False
    with pytest.raises(Conflict) as refusal:
        holed.page(holed.acme, order="recorded", after="3", limit="4")
    assert refusal.value.code == "events_missing"
    assert refusal.value.extra["missing"] == [list(GAP)]


def test_reading_goes_on_over_the_hole_where_that_is_asked_for(holed: Holed) -> None:
    over = holed.page(holed.acme, order="recorded", after="3", allow_missing="true")
    assert [event["index"] for event in over["data"]] == list(range(GAP[1] + 1, 12))
    assert (over["partial"], over["missing"]) == (True, [list(GAP)])
    behind = holed.page(holed.acme, order="recorded", after=str(GAP[1]))
    assert behind["partial"] is False


def test_an_event_of_the_hole_is_not_said_to_be_expired(holed: Holed) -> None:
    with pytest.raises(NotFound) as refusal:
        find_event(holed.spine.finder, holed.acme, holed.lost_id)
    assert refusal.value.extra["missing"] == [GAP]
    assert "retention" not in refusal.value.detail


def test_following_from_before_a_hole_is_refused(holed: Holed) -> None:
    with pytest.raises(Conflict, match="4-6"):
        refuse_gap(holed.spine.database, holed.acme, Query(), GAP[1] - 1)
    refuse_gap(holed.spine.database, holed.acme, Query(), GAP[1])
    refuse_gap(holed.spine.database, holed.globex, Query(), -1)


def test_a_stream_over_a_hole_is_refused_unless_that_is_asked_for(holed: Holed) -> None:
    def block(scope: Scope, *, allow_missing: bool) -> bytes:
        stream = _EventStream(holed.spine.finder, scope, Parameters({}), "desc", ndjson, None, allow_missing)
        return stream.next_block()

    with pytest.raises(Conflict, match="4-6"):
        block(holed.acme, allow_missing=False)
    *events, last = block(holed.acme, allow_missing=True).splitlines()
    assert len(events) == 9
    assert json.loads(last) == {"missing": [[4, 6]]}
    assert len(block(holed.globex, allow_missing=False).splitlines()) == 12


def test_headers_of_a_stream_name_the_hole_and_csv_has_no_line_of_it(holed: Holed) -> None:
    stream = _EventStream(holed.spine.finder, holed.acme, Parameters({}), "desc", csv_lines, None, True)
    assert len(stream.next_block().splitlines()) == 9
    assert stream.gap_headers() == {"Tallystick-Missing-Events": "4-6"}


def test_a_hole_that_is_noticed_while_a_stream_runs_breaks_it_off(
    holed: Holed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallystick.api.stream_events.BLOCK_EVENTS", 2)
    stream = _EventStream(holed.spine.finder, holed.acme, Parameters({}), "desc", ndjson, None, True)
    stream.next_block()
    holed.spine.lose(holed.acme, [1])
    MissingEvents(holed.spine.database, holed.spine.store).step()
    with pytest.raises(Conflict, match="1"):
        stream.next_block()
