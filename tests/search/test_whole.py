"""Evidence is whole: stored or not, set aside or not, each event once and in order of index."""

import pytest

from tallystick.access import organizations
from tallystick.clock import now_us
from tallystick.query.conditions import Equals, Query
from tallystick.search import whole
from tests.fixtures.spine import Spine


def indexes(spine: Spine, scope, query=None, first=0, end=1000) -> list[int]:
    blocks = whole.in_order_of_index(spine.database, spine.store, scope, query or Query(), first, end)
    return [event.index for block in blocks for event in block]


@pytest.mark.parametrize("shipped", [True, False])
def test_every_event_comes_once_in_order_whether_it_is_stored_or_not(sqlite_spine: Spine, monkeypatch, shipped):
    monkeypatch.setattr(whole, "STEP", 7)
    scope = sqlite_spine.organization()
    sqlite_spine.record(scope, *[{"action": "thing.done"}] * 20)
    sqlite_spine.ship()
    sqlite_spine.record(scope, *[{"action": "thing.done"}] * 20)
    if shipped:
        sqlite_spine.ship()
    assert indexes(sqlite_spine, scope) == list(range(41))
    assert indexes(sqlite_spine, scope, first=5, end=30) == list(range(5, 30))
    assert indexes(sqlite_spine, scope, Query(Equals("action", ("organization.created",)))) == [0]


def test_each_has_the_seed_that_opens_it(sqlite_spine: Spine):
    scope = sqlite_spine.organization()
    sqlite_spine.record(scope, {"action": "thing.done"})
    before = [
        event.seed
        for block in whole.in_order_of_index(sqlite_spine.database, sqlite_spine.store, scope, Query(), 0, 9)
        for event in block
    ]
    sqlite_spine.ship()
    after = [
        event.seed
        for block in whole.in_order_of_index(sqlite_spine.database, sqlite_spine.store, scope, Query(), 0, 9)
        for event in block
    ]
    assert before == after
    assert {len(seed) for seed in after} == {16}
    assert len(set(after)) == 2


def test_a_stranger_gets_nothing_of_it(sqlite_spine: Spine):
    alice, bob = sqlite_spine.organization("alice"), sqlite_spine.organization("bob")
    sqlite_spine.record(bob, *[{"action": "bobs.thing"}] * 5)
    sqlite_spine.ship()
    assert indexes(sqlite_spine, alice) == [0]
    assert indexes(sqlite_spine, alice, Query(Equals("action", ("bobs.thing",)))) == []


def test_the_records_that_explain_are_found_stored_and_not(sqlite_spine: Spine):
    scope = sqlite_spine.organization()
    sqlite_spine.record(scope, {"action": "thing.done"})
    sqlite_spine.ship()
    with sqlite_spine.database.write() as connection:
        organizations.set_retention(connection, scope, 90, now=now_us())
    sqlite_spine.sequencer.tick([])
    found = list(whole.records(sqlite_spine.database, sqlite_spine.store, scope, 100))
    assert [event.index for event in found] == [0, 2]
    sqlite_spine.ship()
    assert [event.index for event in whole.records(sqlite_spine.database, sqlite_spine.store, scope, 100)] == [0, 2]
    assert [event.index for event in whole.records(sqlite_spine.database, sqlite_spine.store, scope, 2)] == [0]
