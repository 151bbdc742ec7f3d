"""Evidence is whole: stored or not, set aside or not, each event once and in order of index."""

import pytest

from tallystick.access import organizations
from tallystick.clock import now_us
from tallystick.events.copies import record_of
from tallystick.events.record import Record
from tallystick.journal import set_aside
from tallystick.query.conditions import Equals, Query
from tallystick.query.scope import Scope
from tallystick.search import scan
from tests.fixtures.spine import Spine


def indexes(spine: Spine, scope, query=None, first=0, end=1000) -> list[int]:
    blocks = scan.in_order_of_index(spine.database, spine.store, scope, query or Query(), first, end)
    return [event.index for block in blocks for event in block]


@pytest.mark.parametrize("shipped", [True, False])
def test_every_event_comes_once_in_order_whether_it_is_stored_or_not(sqlite_spine: Spine, monkeypatch, shipped):
    monkeypatch.setattr(scan, "STEP", 7)
    scope = sqlite_spine.organization()
    sqlite_spine.record(scope, *[{"action": "thing.done"}] * 20)
    sqlite_spine.ship()
    sqlite_spine.record(scope, *[{"action": "thing.done"}] * 20)
    if shipped:
        sqlite_spine.ship()
    assert indexes(sqlite_spine, scope) == list(range(41))
    assert indexes(sqlite_spine, scope, first=5, end=30) == list(range(5, 30))
    assert indexes(sqlite_spine, scope, Query(Equals("action", ("organization.created",)))) == [0]


def test_what_is_rare_is_found_with_few_questions_and_what_is_dense_comes_in_small_blocks(
    sqlite_spine: Spine, monkeypatch
):
    monkeypatch.setattr(scan, "STEP", 8)
    asked = []
    real = scan.by_index

    def counted(*given, after, through, limit):
        asked.append(through - after)
        return real(*given, after=after, through=through, limit=limit)

    monkeypatch.setattr(scan, "by_index", counted)
    scope = sqlite_spine.organization()
    sqlite_spine.record(scope, *[{"action": "thing.done"}] * 500, *[{"action": "thing.broken"}] * 40)
    sqlite_spine.ship()
    sqlite_spine.record(scope, *[{"action": "thing.broken"}] * 20)
    rare = Query(Equals("action", ("thing.broken",)))
    blocks = list(scan.in_order_of_index(sqlite_spine.database, sqlite_spine.store, scope, rare, 0, 561))
    assert [event.index for block in blocks for event in block] == list(range(501, 561))
    assert max(map(len, blocks)) <= 8
    assert asked[:5] == [8, 16, 32, 64, 128]


def test_each_has_the_seed_that_opens_it(sqlite_spine: Spine):
    scope = sqlite_spine.organization()
    sqlite_spine.record(scope, {"action": "thing.done"})
    before = [
        event.seed
        for block in scan.in_order_of_index(sqlite_spine.database, sqlite_spine.store, scope, Query(), 0, 9)
        for event in block
    ]
    sqlite_spine.ship()
    after = [
        event.seed
        for block in scan.in_order_of_index(sqlite_spine.database, sqlite_spine.store, scope, Query(), 0, 9)
        for event in block
    ]
    assert before == after
    assert {len(seed) for seed in after} == {16}
    assert len(set(after)) == 2


@pytest.mark.parametrize("shipped", [True, False])
def test_a_senders_event_of_the_same_name_is_no_record(sqlite_spine: Spine, shipped):
    """A bundle would hold it as an explanation, and no verifier would take that bundle."""
    scope = sqlite_spine.organization()
    sqlite_spine.record_reserved(scope, {"action": "audit_log.pruned"}, {"action": "audit_log.subject_erased"})
    sqlite_spine.record(scope, {"action": "organization.created"})
    if shipped:
        sqlite_spine.ship()
    found = scan.explanatory_records(sqlite_spine.database, sqlite_spine.store, scope, 4)
    assert [event.index for event in found] == [0]


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
    found = list(scan.explanatory_records(sqlite_spine.database, sqlite_spine.store, scope, 100))
    assert [event.index for event in found] == [0, 2]
    sqlite_spine.ship()
    assert [
        event.index for event in scan.explanatory_records(sqlite_spine.database, sqlite_spine.store, scope, 100)
    ] == [0, 2]
    assert [event.index for event in scan.explanatory_records(sqlite_spine.database, sqlite_spine.store, scope, 2)] == [
        0
    ]


def test_many_records_come_a_few_at_a_time_in_order_of_index(sqlite_spine: Spine, monkeypatch: pytest.MonkeyPatch):
    """Of years there are thousands, and each may be as large as an event can be."""
    monkeypatch.setattr(scan, "RECORDS_AT_ONCE", 3)
    scope = sqlite_spine.organization()
    for days in range(31, 41):
        with sqlite_spine.database.write() as connection:
            organizations.set_retention(connection, scope, days, now=now_us())
        sqlite_spine.sequencer.tick([])
        sqlite_spine.record(scope, {"action": "thing.done"})
    sqlite_spine.ship()
    end = sqlite_spine.size(scope.org_id)
    found = [event.index for event in scan.explanatory_records(sqlite_spine.database, sqlite_spine.store, scope, end)]
    assert found == [0, *range(1, 21, 2)]
    aside = next(record for index, record in rows(sqlite_spine, scope) if index == 7)
    sqlite_spine.store.delete("org_id = {org:UUID} AND seq = 7", {"org": str(scope.org_id)})
    with sqlite_spine.database.write() as connection:
        set_aside.put(connection, scope.org_id, 7, aside, "refused", now_us())
    again = [event.index for event in scan.explanatory_records(sqlite_spine.database, sqlite_spine.store, scope, end)]
    assert again == found


def rows(spine: Spine, scope: Scope) -> list[tuple[int, Record]]:
    found = scan.in_order_of_index(spine.database, spine.store, scope, Query(), 0, 100)
    return [(event.index, record_of(event)) for block in found for event in block]
