"""Viewers of one query share its evaluation, and viewers of different scopes share nothing."""

from dataclasses import replace

import pytest

from tallystick.events import output
from tallystick.live import channel as live_channel
from tallystick.live.batch import LiveBatch
from tallystick.query.conditions import EVERYTHING, And, Equals
from tests.live.viewers import Viewing, indexes_of, indexes_of_all


@pytest.fixture
def selections(monkeypatch) -> list[int]:
    """The number of events at each evaluation of a query on a block."""
    sizes: list[int] = []
    compile_selection = live_channel.compile_selection

    def compile_counted(query):
        select = compile_selection(query)
        return lambda block, rows: sizes.append(len(rows)) or select(block, rows)

    monkeypatch.setattr(live_channel, "compile_selection", compile_counted)
    return sizes


def test_a_query_is_evaluated_once_for_all_its_viewers(viewing: Viewing, selections):
    scope = viewing.spine.organization()
    end = viewing.spine.size(scope.org_id) - 1

    async def test() -> None:
        viewers = [await viewing.view(scope, "apple OR pear", end) for _ in range(20)]
        apple, _, pear = viewing.record(scope, "an apple", "a stone", "a pear")
        viewing.match()
        assert await indexes_of_all(viewers) == [[apple, pear]] * 20
        assert selections == [3]

    viewing.run(test)


def test_viewers_that_come_later_share_too_once_they_have_caught_up(viewing: Viewing, selections):
    scope = viewing.spine.organization()

    async def test() -> None:
        first = viewing.record(scope, "an apple")
        early = await viewing.view(scope, "apple", first[0])
        late = await viewing.view(scope, "apple", -1)
        second = viewing.record(scope, "an apple")
        viewing.match()
        assert await indexes_of_all([early, late]) == [second, first + second]
        selections.clear()
        third = viewing.record(scope, "an apple")
        viewing.match()
        assert await indexes_of_all([early, late]) == [third, third]
        assert selections == [1]

    viewing.run(test)


def test_equal_queries_of_different_scope_filters_share_nothing(viewing: Viewing):
    scope = viewing.spine.organization()
    end = viewing.spine.size(scope.org_id) - 1
    filters = (EVERYTHING, Equals("user", ("ann@acme.com",)), Equals("user", ("bob@acme.com",)), Equals("user", ()))

    async def test() -> None:
        viewers = [await viewing.view(replace(scope, mandatory=one), "apple", end) for one in filters]
        events = [
            {"action": "thing.done", "description": "an apple", "actor": {"email": email}}
            for email in ("ann@acme.com", "bob@acme.com", "eve@acme.com")
        ]
        ann, bob, eve = (event.index for event in viewing.spine.record(scope, *events).events)
        viewing.match()
        assert await indexes_of_all(viewers) == [[ann, bob, eve], [ann], [bob], []]

    viewing.run(test)


def test_a_filter_of_the_scope_is_not_taken_for_a_part_of_the_query(viewing: Viewing):
    scope = viewing.spine.organization()
    ann = Equals("user", ("ann@acme.com",))
    mandatory = live_channel.Channel(replace(scope, mandatory=ann), live_channel.Query(), 0)
    asked = live_channel.Channel(scope, live_channel.Query(ann), 0)
    both = live_channel.Channel(scope, live_channel.Query(And((ann, EVERYTHING))), 0)
    assert len({mandatory.key, asked.key, both.key}) == 3


def test_one_organization_is_given_nothing_of_another(viewing: Viewing):
    acme, charlie = viewing.spine.organization(), viewing.spine.organization("charlie")

    async def test() -> None:
        theirs = await viewing.view(charlie, "", viewing.spine.size(charlie.org_id) - 1)
        ours = await viewing.view(acme, "", viewing.spine.size(acme.org_id) - 1)
        indexes = viewing.record(acme, "an apple", "a pear")
        viewing.match()
        assert await indexes_of_all([theirs, ours]) == [[], indexes]

    viewing.run(test)


def test_an_event_is_encoded_once_for_all_queries_that_it_matches(viewing: Viewing, monkeypatch):
    scope = viewing.spine.organization()
    end = viewing.spine.size(scope.org_id) - 1
    encoded: list[int] = []
    monkeypatch.setattr(
        "tallystick.live.batch.event_of", lambda stored: encoded.append(stored.index) or output.event_of(stored)
    )

    def as_json(batch: LiveBatch) -> bytes:
        assert all(event.json for event in batch.events)
        return indexes_of(batch)

    async def test() -> None:
        viewers = [await viewing.view(scope, f"apple -w{number}", end, as_json) for number in range(10)]
        indexes = viewing.record(scope, "an apple", "another apple")
        viewing.match()
        assert await indexes_of_all(viewers) == [indexes] * 10
        assert encoded == indexes

    viewing.run(test)


def test_recording_only_wakes_the_worker(viewing: Viewing, selections):
    scope = viewing.spine.organization()
    viewing.spine.sequencer.listeners.append(viewing.hub.notify)

    async def test() -> None:
        viewer = await viewing.view(scope, "apple", -1)
        viewing.matcher._woken.clear()
        viewing.record(scope, "an apple")
        assert selections == []
        assert viewing.matcher._woken.wait(10)
        viewing.match()
        assert len(await viewer.indexes()) == 1

    viewing.run(test)
