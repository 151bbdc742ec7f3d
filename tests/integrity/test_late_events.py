"""A process that stands still between two lines, and goes on after others took over, brings back nothing deleted."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select, update

from tallystick import clock
from tallystick.backup.create import create_backup
from tallystick.clock import DAY_US
from tallystick.erasure.redact_events import redact_events
from tallystick.erasure.request import SEARCH
from tallystick.erasure.tables import erasures
from tallystick.errors import Conflict
from tallystick.events.record import Record
from tallystick.ingest.shipper import LEASE, Shipper
from tallystick.integrity import loss_acceptance
from tallystick.integrity.checker import Checker
from tallystick.integrity.late_events import remove_late
from tallystick.integrity.missing_events import MissingEvents
from tallystick.integrity.store_requests import RestoreRangeCommand, carry_out
from tallystick.integrity.tail_restore import restore_from_tail
from tallystick.integrity.verified_restore import RestoreLease, insert_as_in_log
from tallystick.journal import tail
from tallystick.journal.lost_events import count_lost
from tallystick.journal.missing_ranges import IndexGap, read_missing, replace_missing
from tallystick.ledger.tables import logs
from tallystick.merkle.remains import mask_of
from tallystick.query.scope import Scope
from tallystick.retention import purge as purge_module
from tallystick.retention.tables import prunings
from tallystick.settings import Settings
from tallystick.store import erasing, expiry
from tallystick.store.copied_columns import indexes_held
from tallystick.store.errors import StoreError
from tallystick.work import leases
from tallystick.work.leases import LeaseLost
from tests.erasure import erasure_driver
from tests.fixtures.spine import Spine
from tests.integrity.lost_events import COUNT, organization, purge

pytestmark = [pytest.mark.one_engine, pytest.mark.both_stores]
WHO = mask_of(["who"])
PURGED = [1, 2, 3]
NOT_PURGED = [0, *range(4, COUNT)]


def expire(spine: Spine, name: str) -> None:
    """A lease runs out: whoever has it has stood still for longer."""
    with spine.database.write() as connection:
        connection.execute(update(leases.leases).where(leases.leases.c.name == name).values(until=0))


def stand_still(spine: Spine, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], object]) -> None:
    """Let the next insert come only after something else has happened."""
    there = spine.store.insert

    def late(groups: Any, token: str) -> None:
        monkeypatch.setattr(spine.store, "insert", there)
        meanwhile()
        there(groups, token)

    monkeypatch.setattr(spine.store, "insert", late)


def events_of(spine: Spine, scope: Scope, indexes: Sequence[int]) -> list[tuple[int, Record]]:
    """Events as the journal's tail has them."""
    with spine.database.read() as connection:
        batches = tail.read(connection, scope.org_id, 0, 1000, most=1000)
    return [
        (index, record)
        for batch in batches
        for index, record in enumerate(batch.records, batch.first)
        if index in indexes
    ]


def held(spine: Spine, scope: Scope) -> list[int]:
    return [index for index in spine.indexes(scope.org_id) if index < COUNT]


def others_restore_and_purge(spine: Spine, scope: Scope) -> None:
    """Another process takes over, restores all that is missing, and purges what has expired."""
    expire(spine, leases.RESTORE_LEASE)
    restore_from_tail(spine.database, spine.store, scope.org_id, [IndexGap(0, COUNT - 1, COUNT)])
    purge(spine)
    assert held(spine, scope) == NOT_PURGED


@pytest.mark.both_stores
@pytest.mark.both_engines
def test_a_restore_from_the_tail_that_stood_still_brings_back_no_event_that_was_purged_meanwhile(
    spine: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = organization(spine, old=3)
    expiry.delete_indexes(spine.store, scope, [2, 9])
    stand_still(spine, monkeypatch, lambda: others_restore_and_purge(spine, scope))
    with pytest.raises(LeaseLost):
        restore_from_tail(spine.database, spine.store, scope.org_id, [IndexGap(2, 9, 2)])
    assert held(spine, scope) == NOT_PURGED


def test_a_restore_from_a_copy_that_stood_still_is_cancelled_and_goes_on_when_it_is_repeated(
    spine: Spine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = organization(spine, old=3)
    create_backup(spine.database, spine.store, tmp_path / "copy", uuid4(), lambda _done, _all: None)
    expiry.delete_indexes(spine.store, scope, [2, 9])
    environ = {"TALLYSTICK_DATA_DIR": str(tmp_path / "data"), "TALLYSTICK_EVENTS_URL": "chdb:///the-store-itself"}
    settings = Settings.load(environ)
    command = RestoreRangeCommand(str(tmp_path / "copy"))

    def restore() -> object:
        return carry_out(spine.database, spine.store, settings, command, lambda _done, _all: None)

    def others() -> None:
        others_restore_and_purge(spine, scope)
        expiry.delete_indexes(spine.store, scope, [20])

    stand_still(spine, monkeypatch, others)
    with pytest.raises(Conflict, match="Run it again"):
        restore()
    restore()
    assert held(spine, scope) == NOT_PURGED


def test_an_insert_whose_end_is_unknown_lets_deletions_wait_until_the_lease_expires(
    spine: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = organization(spine)
    monkeypatch.setattr(spine.store, "embedded", False)
    monkeypatch.setattr(spine.store, "insert", _fail)
    events = events_of(spine, scope, [2])
    with pytest.raises(StoreError), RestoreLease(spine.database) as lease:
        lease.wait()
        insert_as_in_log(spine.database, spine.store, scope.org_id, events, lease)
    with spine.database.write() as connection:
        assert leases.deletions_must_wait(connection)


def _fail(_groups: Any, _token: str) -> None:
    raise StoreError("the event store does not answer")


def test_parts_that_were_erased_meanwhile_are_erased_again(
    spine: Spine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = spine.organization()
    spine.record(scope, *[erasure_driver.by_sarah()] * 6)
    spine.ship()
    work = erasure_driver.eraser(spine, tmp_path)
    events = events_of(spine, scope, [2, 3])

    def erase() -> None:
        expire(spine, leases.RESTORE_LEASE)
        erasure_driver.erase(spine, scope, work)
        expiry.delete_indexes(spine.store, scope, [2, 3])  # the store lost them again

    with RestoreLease(spine.database) as lease:
        lease.wait()
        stand_still(spine, monkeypatch, erase)
        with pytest.raises(LeaseLost):
            insert_as_in_log(spine.database, spine.store, scope.org_id, events, lease)
    erasure_driver.run(spine, work)
    remains = indexes_held(spine.store, scope, 1, 7)
    assert all(remains[index] for index in (2, 3))


@pytest.mark.both_stores
def test_purged_events_that_a_dead_process_inserted_late_are_deleted_within_a_round(spine: Spine) -> None:
    scope = organization(spine, old=3)
    events = events_of(spine, scope, PURGED)
    purge(spine)
    spine.store.insert([(scope.org_id, index, [record]) for index, record in events], f"late {uuid4()}")
    checks = MissingEvents(spine.database, spine.store)
    checks.step()
    assert held(spine, scope) == NOT_PURGED
    with spine.database.write() as connection:
        assert not leases.deletions_must_wait(connection)


def test_erased_parts_that_a_dead_process_brought_back_are_erased_after_the_integrity_check(
    spine: Spine, tmp_path: Path
) -> None:
    scope = spine.organization()
    spine.record(scope, *[erasure_driver.by_sarah()] * 6)
    spine.ship()
    events = events_of(spine, scope, [2])
    work = erasure_driver.eraser(spine, tmp_path)
    erasure_driver.erase(spine, scope, work)
    with spine.database.write() as connection:  # as if the files that held the bytes were gone already
        connection.execute(update(erasures).values(stage="", state="completed", finished_at=clock.now_us()))
    expiry.delete_indexes(spine.store, scope, [2])
    spine.store.insert([(scope.org_id, 2, [events[0][1]])], f"late {uuid4()}")
    checks, tomorrow = Checker(spine.database, spine.store), clock.now_us() + DAY_US
    while checks.step(tomorrow):
        pass
    erasure_driver.run(spine, work)
    assert indexes_held(spine.store, scope, 2, 3)[2]


@pytest.mark.both_stores
@pytest.mark.parametrize("regained", [False, True], ids=["lost", "lost and regained"])
def test_a_shipment_that_came_late_brings_back_no_event_that_was_purged_meanwhile(
    spine: Spine, monkeypatch: pytest.MonkeyPatch, regained: bool
) -> None:
    scope = spine.organization(days=30)
    spine.ship()
    spine.shipper = Shipper(
        spine.database, spine.store, spine.identity,
        remove_late=lambda *part: remove_late(spine.database, spine.store, *part),
    )  # fmt: skip
    mine = spine.shipper
    other = Shipper(spine.database, spine.store, spine.identity)
    spine.record(scope, *[{"action": "user.login", "timestamp": "2020-01-01T00:00:00Z"}] * 5)

    def others() -> None:
        expire(spine, LEASE)
        spine.shipper = other
        spine.ship()
        purge(spine)
        assert not set(range(1, 6)) & set(spine.indexes(scope.org_id))
        # The store forgets the token: another server, or thousands of shipments later.
        spine.store.change("ALTER TABLE events MODIFY SETTING non_replicated_deduplication_window = 0")
        if regained:
            other.close()

    stand_still(spine, monkeypatch, others)
    try:
        mine.try_step()
    finally:
        spine.store.open()
    mine.try_step()
    assert not set(range(1, 6)) & set(spine.indexes(scope.org_id))


def test_events_that_came_back_meanwhile_are_not_accepted_as_lost(
    spine: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = organization(spine)
    expiry.delete_indexes(spine.store, scope, [5])
    real = loss_acceptance._record

    def late(*arguments: Any) -> int:
        expire(spine, leases.RESTORE_LEASE)
        with RestoreLease(spine.database) as lease:
            lease.wait()
            insert_as_in_log(spine.database, spine.store, scope.org_id, events_of(spine, scope, [5]), lease)
        return real(*arguments)

    monkeypatch.setattr(loss_acceptance, "_record", late)
    with pytest.raises(LeaseLost):
        loss_acceptance.accept_loss(spine.database, spine.store, "acme", (0, COUNT))
    with spine.database.read() as connection:
        assert count_lost(connection).get(scope.org_id, 0) == 0
    assert held(spine, scope) == list(range(COUNT))


def test_ranges_that_a_process_saved_late_are_searched_again(spine: Spine) -> None:
    scope = organization(spine)
    spine.lose(scope, [5])
    checks = MissingEvents(spine.database, spine.store)
    checks.step()
    from_earlier = [IndexGap(20, 29, 10)]
    with spine.database.write() as connection:
        replace_missing(connection, scope.org_id, from_earlier, now=clock.now_us(), by="event_store_check")
    checks.step()
    with spine.database.read() as connection:
        assert [(one.first, one.last) for one in read_missing(connection, scope.org_id)] == [(5, 5)]


def test_a_purge_that_stood_still_while_another_process_purged_records_nothing_twice(
    spine: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = organization(spine, old=3)
    real = expiry.find_expired

    def late(*arguments: Any, **named: Any) -> list[int]:
        monkeypatch.setattr(expiry, "find_expired", real)
        found = real(*arguments, **named)
        expire(spine, purge_module.LEASE)
        purge(spine)
        expire(spine, purge_module.LEASE)
        return found

    monkeypatch.setattr(expiry, "find_expired", late)
    purge_module.Purger(spine.database, spine.store).step(clock.now_us())
    assert held(spine, scope) == NOT_PURGED
    with spine.database.read() as connection:
        assert connection.execute(select(logs.c.pruned).where(logs.c.org_id == scope.org_id)).scalar_one() == 3
        assert connection.execute(select(prunings).where(prunings.c.org_id == scope.org_id)).first() is None


def test_an_erasure_whose_marks_another_process_took_away_is_not_done(
    spine: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = organization(spine)
    real = erasing.erase_marked

    def late(*arguments: Any) -> None:
        monkeypatch.setattr(erasing, "erase_marked", real)
        erasing.clear_marks(spine.store, scope)
        real(*arguments)

    monkeypatch.setattr(erasing, "erase_marked", late)
    with pytest.raises(StoreError, match="has not erased all"):
        redact_events(spine.database, spine.store, scope.org_id, {WHO: [3]})
    redact_events(spine.database, spine.store, scope.org_id, {WHO: [3]})
    assert indexes_held(spine.store, scope, 3, 4)[3]


def test_an_erasure_that_another_process_went_on_with_does_not_search_again_from_an_earlier_place(
    spine: Spine, tmp_path: Path
) -> None:
    scope = spine.organization()
    spine.record(scope, *[erasure_driver.by_sarah()] * 6)
    spine.ship()
    work = erasure_driver.eraser(spine, tmp_path)
    public_id = erasure_driver.ask(spine, scope)
    erasure_driver.run(spine, work)
    erasure_driver.confirm(spine, scope, public_id)

    def row() -> Any:
        with spine.database.read() as connection:
            return connection.execute(select(erasures)).one()

    while row().stage != SEARCH:
        work.step()
    stale = row()
    while row() == stale:
        work.step()
    gone_on = row()
    assert work._work.search(stale)
    assert work._work.record(stale, clock.now_us())
    assert row() == gone_on
