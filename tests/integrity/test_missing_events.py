"""Missing events, with holes made in the real store: when they are found, which ranges are named, when they leave."""

import pytest
from sqlalchemy import delete
from structlog.testing import capture_logs

from tallystick import clock, telemetry
from tallystick.clock import DAY_US
from tallystick.integrity import missing_events
from tallystick.integrity.checker import Checker
from tallystick.integrity.missing_events import MissingEvents
from tallystick.journal import batches, tail
from tallystick.journal.missing_ranges import IndexGap, MissingRange, join_closest, read_missing
from tallystick.query.scope import Scope
from tallystick.retention.purge import Purger
from tallystick.retention.tables import purged_indexes
from tests.fixtures.spine import Spine
from tests.integrity.lost_events import COUNT, organization, purge

pytestmark = [pytest.mark.one_engine, pytest.mark.both_stores]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(missing_events, "BLOCK", 8)
    monkeypatch.setattr(missing_events, "WINDOW", 16)


def missing(spine: Spine, scope: Scope) -> list[MissingRange]:
    with spine.database.read() as connection:
        return read_missing(connection, scope.org_id)


def ranges(spine: Spine, scope: Scope) -> list[tuple[int, int]]:
    return [(one.first, one.last) for one in missing(spine, scope)]


def checker(spine: Spine) -> MissingEvents:
    return MissingEvents(spine.database, spine.store)


def test_a_whole_store_has_no_missing_events(spine: Spine) -> None:
    scope = organization(spine)
    checker(spine).step()
    assert missing(spine, scope) == []


@pytest.mark.both_stores
def test_lost_rows_are_named_by_their_ranges_and_of_no_other_organization(spine: Spine) -> None:
    scope, other = organization(spine), organization(spine, "globex")
    spine.lose(scope, [0, 1, 2, 7, 8, 9, 25, COUNT - 1])
    checker(spine).step()
    assert ranges(spine, scope) == [(0, 2), (7, 9), (25, 25), (COUNT - 1, COUNT - 1)]
    assert missing(spine, other) == []


def test_a_lost_data_part_is_found(sqlite_spine: Spine) -> None:
    spine = sqlite_spine
    scope = organization(spine)
    first_new = spine.size(scope.org_id)
    spine.store.allow_merges(False)
    spine.record(scope, *[{"action": "user.logout"}] * 5)
    spine.ship()
    (part,) = spine.store.rows(
        "SELECT DISTINCT _part FROM events WHERE org_id = {org:UUID} AND seq >= {first:UInt64}",
        {"org": str(scope.org_id), "first": first_new},
    )
    spine.store.change(f"ALTER TABLE events DROP PART '{part[0]}'")
    spine.store.allow_merges(True)
    spine.forget_tail(scope, range(first_new, first_new + 5))
    checker(spine).step()
    assert ranges(spine, scope) == [(first_new, first_new + 4)]


def test_a_store_that_lost_everything_is_one_range(spine: Spine) -> None:
    scope = organization(spine)
    spine.lose(scope, range(COUNT))
    checker(spine).step()
    (found,) = missing(spine, scope)
    assert (found.first, found.last, found.events) == (0, COUNT - 1, COUNT)


def test_the_start_marks_the_whole_log_until_it_is_searched(spine: Spine) -> None:
    scope = organization(spine)
    spine.lose(scope, [3, 4])
    started = checker(spine)
    started.open()
    (marked,) = missing(spine, scope)
    assert (marked.first, marked.last, marked.events, marked.noticed_by) == (0, COUNT - 1, 2, "start")
    started.step()
    (found,) = missing(spine, scope)
    assert (found.first, found.last, found.events) == (3, 4, 2)
    assert found.received_before >= marked.received_before


def test_rows_that_are_there_again_are_missing_no_more_also_for_another_process(spine: Spine) -> None:
    scope = organization(spine)
    spine.record(scope, *[{"action": "user.logout"}] * 3)
    with spine.database.read() as connection:
        waiting = batches.read(connection, scope.org_id, COUNT, COUNT + 3)
    spine.ship()
    spine.lose(scope, [COUNT, COUNT + 1, COUNT + 2])
    first = checker(spine)
    first.step()
    first.close()
    assert ranges(spine, scope) == [(COUNT, COUNT + 2)]
    groups = [(scope.org_id, one.first, one.records) for one in waiting]
    spine.store.insert(groups, f"again {scope.org_id}")
    checker(spine).step()
    assert missing(spine, scope) == []


def test_purged_events_are_not_missing(spine: Spine) -> None:
    scope = organization(spine, old=10)
    purge(spine)
    checks = checker(spine)
    checks.open()
    checks.step()
    assert missing(spine, scope) == []


def test_a_purge_killed_between_deletion_and_note_is_no_loss(spine: Spine, monkeypatch: pytest.MonkeyPatch) -> None:
    scope = organization(spine, old=10)
    purger, now = Purger(spine.database, spine.store), clock.now_us()
    purger.step(now)
    spine.sequencer.tick([])
    spine.ship()
    with monkeypatch.context() as patched:
        patched.setattr("tallystick.retention.purge.set_aside.remove", _die)
        with pytest.raises(KeyboardInterrupt):
            purger.step(now)
    assert len(spine.indexes(scope.org_id)) == COUNT - 10 + 1  # and the record
    checks = checker(spine)
    checks.open()
    checks.step()
    assert missing(spine, scope) == []


def _die(*_arguments: object) -> None:
    raise KeyboardInterrupt


def test_a_loss_beside_a_purge_is_told_apart(spine: Spine) -> None:
    scope = organization(spine, old=10)
    purge(spine)
    spine.lose(scope, [15, 30, 31])
    checker(spine).step()
    assert ranges(spine, scope) == [(15, 15), (30, 31)]


def test_purges_of_earlier_versions_are_told_apart_by_their_records(spine: Spine) -> None:
    scope = organization(spine, old=10)
    purge(spine)
    spine.lose(scope, [15])
    with spine.database.write() as connection:
        connection.execute(delete(purged_indexes).where(purged_indexes.c.org_id == scope.org_id))
    checker(spine).step()
    assert ranges(spine, scope) == [(15, 15)]


def test_events_on_their_way_into_the_store_are_not_missing(spine: Spine) -> None:
    scope = organization(spine)
    spine.record(scope, *[{"action": "user.login"}] * 10)
    checks = checker(spine)
    checks.step()
    assert spine.shipper.step()  # in the store, and not settled
    spine.lose(scope, [4])
    checks.step()
    assert ranges(spine, scope) == [(4, 4)]


@pytest.mark.both_stores
def test_a_doubled_event_hides_no_loss_and_is_named_and_stored_once_again(spine: Spine) -> None:
    scope = organization(spine)
    insert_again(spine, scope, 20)
    spine.lose(scope, [5])
    with capture_logs() as lines:
        checker(spine).step()
    assert ranges(spine, scope) == [(5, 5)]
    assert [(line["indexes"], line["rows_removed"]) for line in lines if line["event"] == "events_doubled"] == [
        ("20", 1)
    ]
    assert spine.indexes(scope.org_id) == [index for index in range(COUNT) if index != 5]


def test_of_two_different_rows_of_an_event_both_stay_for_the_integrity_check(spine: Spine) -> None:
    scope = organization(spine)
    insert_again(spine, scope, 20, who="toValidUTF8('{}')")
    checker(spine).step()
    assert spine.indexes(scope.org_id).count(20) == 2


def insert_again(spine: Spine, scope: Scope, index: int, **changed: str) -> None:
    """Insert a copy of a row, with these columns changed."""
    columns = ", ".join(f"{text} AS {name}" for name, text in changed.items())
    replaced = f" REPLACE ({columns})" if changed else ""
    spine.store.change(
        f"INSERT INTO events (* EXCEPT search_text) SELECT * EXCEPT search_text{replaced} FROM events "
        f"WHERE org_id = {{org:UUID}} AND seq = {index}",
        {"org": str(scope.org_id)},
    )


def test_the_integrity_check_marks_a_loss_that_a_purged_event_hides_from_the_counts(spine: Spine) -> None:
    scope = organization(spine, old=3)
    with spine.database.read() as connection:
        (batch,) = tail.read(connection, scope.org_id, 1, 4, most=1)
    purge(spine)
    spine.lose(scope, [5])
    spine.store.insert([(scope.org_id, 1, [batch.records[1 - batch.first]])], "late")
    checker(spine).step()
    assert missing(spine, scope) == []
    checks, tomorrow = Checker(spine.database, spine.store), clock.now_us() + DAY_US
    while checks.step(tomorrow):
        pass
    assert [(one.first, one.last, one.noticed_by) for one in missing(spine, scope)] == [(5, 5, "integrity_check")]


def test_the_metric_counts_the_missing_events_of_all(spine: Spine) -> None:
    scope = organization(spine)
    before = _metric(spine)
    spine.lose(scope, [5, 6, 7])
    checker(spine).step()
    assert _metric(spine) == before + 3


def _metric(spine: Spine) -> float:
    checker(spine)._measure()
    return telemetry.registry.get_sample_value("tallystick_store_missing_events") or 0.0


def test_too_many_ranges_are_joined_over_the_narrowest_gaps() -> None:
    gaps = [IndexGap(0, 1, 2), IndexGap(3, 3, 1), IndexGap(50, 59, 10), IndexGap(61, 61, 1)]
    assert join_closest(gaps, 2) == [IndexGap(0, 3, 3), IndexGap(50, 61, 11)]
