"""What a change of the retention says beforehand, and what was exported."""

from tallystick import clock
from tallystick.access import organizations
from tallystick.clock import DAY_US
from tallystick.query.scope import Scope
from tallystick.retention import exported_ranges, holds
from tallystick.retention.change import preview_change
from tallystick.retention.forecast import forecast
from tests.fixtures.spine import Spine
from tests.retention.test_purge import event, purge


def look(spine: Spine, scope: Scope, days: int):
    return preview_change(spine.database, spine.store, scope, days, None, now=clock.now_us())


def note(spine: Spine, scope: Scope, *ranges: tuple[int, int]) -> None:
    with spine.database.write() as connection:
        exported_ranges.add_ranges(connection, scope, ranges)


def test_a_preview_counts_exactly_what_goes_because_of_the_change(spine: Spine) -> None:
    scope, charlie = spine.organization(days=90), spine.organization("charlie", days=90)
    spine.record(scope, event(100), event(60), event(40), event(29.5), event(28), event(0))
    spine.record(charlie, event(60))
    spine.ship()
    found = look(spine, scope, 30)
    assert (found.deletes.events, found.deletes.complete) == (3, True)  # 29.5 days are 30.5 when it takes effect
    assert found.deletes.oldest is not None
    assert abs(found.deletes.oldest - (clock.now_us() - 60 * DAY_US)) < DAY_US
    with spine.database.write() as connection:
        organizations.set_retention(connection, scope, 30, now=clock.now_us())
    before = set(spine.indexes(scope.org_id))
    purge(spine)
    assert len(before) - len(set(spine.indexes(scope.org_id)) & before) == 1  # the one of 100 days went anyway
    purge(spine, later=DAY_US + 1)
    assert len(before) - len(set(spine.indexes(scope.org_id)) & before) == 4


def test_a_preview_leaves_out_what_is_held(sqlite_spine: Spine) -> None:
    spine = sqlite_spine
    scope = spine.organization(days=90)
    spine.record(scope, event(60, description="kept for the court"), event(60))
    spine.ship()
    with spine.database.write() as connection:
        holds.place(connection, scope, "Case 7", "court", now=clock.now_us())
    assert look(spine, scope, 30).deletes.events == 1


def test_a_longer_retention_deletes_nothing(sqlite_spine: Spine) -> None:
    scope = sqlite_spine.organization(days=90)
    sqlite_spine.record(scope, event(100))
    sqlite_spine.ship()
    assert look(sqlite_spine, scope, 400).deletes.events == 0


def test_the_forecast_tells_what_never_left(spine: Spine) -> None:
    scope, charlie = spine.organization(days=30), spine.organization("charlie", days=30)
    sent = [one.index for one in spine.record(scope, *[event(25) for _ in range(10)], event(1)).events]
    spine.record(charlie, event(25))
    spine.ship()
    found = forecast(spine.database, spine.store, scope).expiring
    assert (found.events, found.outside, found.complete) == (10, 10, True)
    note(spine, scope, (sent[0], sent[3]), (sent[4], sent[6]))
    found = forecast(spine.database, spine.store, scope).expiring
    assert (found.events, found.outside) == (10, 3)
    assert forecast(spine.database, spine.store, charlie).expiring.outside == 1


def test_what_was_exported_is_merged_and_too_much_of_it_forgets_the_smallest(sqlite_spine: Spine, monkeypatch) -> None:
    monkeypatch.setattr("tallystick.retention.exported_ranges.MAX_RANGES", 2)
    scope = sqlite_spine.organization()
    note(sqlite_spine, scope, (10, 19), (0, 4))
    note(sqlite_spine, scope, (20, 30), (5, 5), (7, 6))
    note(sqlite_spine, scope, (100, 100))
    with sqlite_spine.database.read() as connection:
        assert exported_ranges.read_ranges(connection, scope) == [(0, 5), (10, 30)]
