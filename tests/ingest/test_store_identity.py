"""The event store that belongs to the control database: no other one is taken for it."""

from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import delete, select, update

from tallystick import clock, telemetry
from tallystick.backup.create import expected_events
from tallystick.errors import SettingsError
from tallystick.ingest import shipments
from tallystick.ingest.shipper import LEASE, Shipper
from tallystick.ingest.store_identity import NODE_FILE, StoreIdentity, adopt_next, read_node_id
from tallystick.ingest.tables import store_identity
from tallystick.journal import batches
from tallystick.store.errors import StoreError
from tallystick.work.leases import LeaseLost, leases
from tests.fixtures.spine import Spine


def identity(spine: Spine, data_dir: Path) -> StoreIdentity:
    """That of a server with this data directory, which starts."""
    return StoreIdentity(spine.database, spine.store, data_dir, expected_events)


def without_ids(spine: Spine) -> None:
    """As an earlier version left it."""
    with spine.database.write() as connection:
        connection.execute(delete(store_identity))


def noted(spine: Spine) -> tuple[object, object]:
    with spine.database.read() as connection:
        row = connection.execute(select(store_identity)).one()
    return row.store_id, row.node_id


def in_place_of_it(spine: Spine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another store answers."""
    monkeypatch.setattr(type(spine.store), "identities", lambda _store: [uuid4()])
    spine.identity.forget()


@pytest.fixture(autouse=True)
def opened(store):
    """Other tests write to the store of this process."""
    yield
    store.guard.refusal = ""
    telemetry.store_is_other.set(0)


def test_an_installation_without_ids_gets_them_if_the_store_has_its_events(spine: Spine, tmp_path: Path) -> None:
    scope = spine.organization()
    spine.record(scope, {"action": "project.updated"})
    spine.ship()
    without_ids(spine)
    spine.identity.check()
    assert noted(spine) == (spine.store.identities()[0], read_node_id(tmp_path))


def test_an_installation_without_ids_gets_none_from_a_store_without_its_events(sqlite_spine: Spine) -> None:
    spine = sqlite_spine
    scope = spine.organization()
    spine.record(scope, {"action": "project.updated"})
    spine.ship()
    spine.store.change("DELETE FROM events WHERE org_id = {org:UUID}", {"org": str(scope.org_id)})
    without_ids(spine)
    assert spine.identity.check() is None
    with spine.database.read() as connection:
        assert connection.execute(select(store_identity)).first() is None


def test_the_store_of_another_node_is_refused_with_what_to_do(spine: Spine, tmp_path: Path) -> None:
    told: list[SettingsError] = []
    other = identity(spine, tmp_path / "other")
    other.on_other_node = told.append
    with spine.database.write() as connection:  # an empty store of its own
        connection.execute(store_identity.update().values(store_id=uuid4()))
    with pytest.raises(SettingsError, match="tallystick store adopt"):
        other.check()
    assert len(told) == 1
    assert not (tmp_path / "other").exists()


def test_a_server_notices_before_its_next_shipment_that_another_node_took_over(spine: Spine, tmp_path: Path) -> None:
    scope = spine.organization()
    spine.record(scope, {"action": "project.updated"})
    with spine.database.write() as connection:
        adopt_next(connection, tmp_path / "other", embedded=True)
    with pytest.raises(SettingsError, match="another data directory"):
        spine.shipper.step()
    assert spine.indexes(scope.org_id) == []


def test_a_new_store_gets_nothing_and_recording_goes_on_until_it_is_adopted(spine: Spine, monkeypatch, tmp_path: Path):
    scope = spine.organization()
    spine.ship()
    in_place_of_it(spine, monkeypatch)
    spine.record(scope, {"action": "project.updated"})
    assert not spine.shipper.step()
    with spine.database.read() as connection:
        assert batches.size(connection)[0] == 1
    assert telemetry.store_is_other._value.get() == 1
    with spine.database.write() as connection:
        adopt_next(connection, tmp_path, embedded=True)
    spine.ship()
    assert spine.indexes(scope.org_id) == [0, 1]
    assert telemetry.store_is_other._value.get() == 0


def test_nothing_is_deleted_from_a_store_that_is_not_accepted(sqlite_spine: Spine, monkeypatch) -> None:
    in_place_of_it(sqlite_spine, monkeypatch)
    sqlite_spine.identity.check()
    reader = sqlite_spine.store.with_readers(1)
    with pytest.raises(StoreError, match="tallystick store adopt"):
        reader.delete("1", {})
    with pytest.raises(StoreError, match="tallystick store adopt"):
        reader.change("TRUNCATE TABLE events")


def test_a_lost_node_id_is_written_again_beside_the_right_store(sqlite_spine: Spine, tmp_path: Path) -> None:
    before = read_node_id(tmp_path)
    (tmp_path / NODE_FILE).unlink()
    assert sqlite_spine.identity.check() is not None
    assert read_node_id(tmp_path) == before


def test_a_store_with_two_ids_is_known_by_each(sqlite_spine: Spine, monkeypatch) -> None:
    known = noted(sqlite_spine)[0]
    monkeypatch.setattr(type(sqlite_spine.store), "identities", lambda _store: [uuid4(), known])
    sqlite_spine.identity.forget()
    assert sqlite_spine.identity.check() == known


def end_lease(spine: Spine) -> None:
    """The shipper has stood still for longer than its lease."""
    with spine.database.write() as connection:
        connection.execute(update(leases).where(leases.c.name == LEASE).values(until=0))


def stop_before_the_insert(spine: Spine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the shipper stand still just before its insert, until another one has sent the same events in two parts."""
    there = spine.store.insert
    other = Shipper(spine.database, spine.store, spine.identity)

    def late(groups, token):
        monkeypatch.setattr(spine.store, "insert", there)
        end_lease(spine)
        with spine.database.write() as connection:
            shipment = shipments.oldest_open(connection)
            parts = shipments.halves(shipment)
            shipments.replace_by(connection, shipment, parts, store_id=shipment.store_id, now=clock.now_us())
        while other.step():
            pass
        there(groups, token)

    monkeypatch.setattr(spine.store, "insert", late)


@pytest.mark.both_stores
def test_an_insert_after_another_process_took_over_doubles_nothing(spine: Spine, monkeypatch) -> None:
    scope, second = spine.organization(), spine.organization("second")
    for each in (scope, second):
        spine.record(each, *({"action": "project.updated", "metadata": {"n": n}} for n in range(20)))
    stop_before_the_insert(spine, monkeypatch)
    # A merge would hide from the check which parts came by an insert; the events would be removed a step later.
    spine.store.allow_merges(False)
    try:
        assert spine.shipper.try_step() is None
    finally:
        spine.store.allow_merges(True)
    assert len(spine.indexes(scope.org_id)) > spine.size(scope.org_id)  # it came too late
    assert spine.shipper.step() is False
    for each in (scope, second):
        assert spine.indexes(each.org_id) == list(range(spine.size(each.org_id)))


@pytest.mark.both_stores
def test_what_came_late_before_its_shipment_was_sent_again_is_sent_once(sqlite_spine: Spine) -> None:
    spine = sqlite_spine
    scope = spine.organization()
    spine.record(scope, *({"action": "project.updated", "metadata": {"n": n}} for n in range(20)))
    with spine.database.write() as connection:
        groups = shipments.next_groups(connection)
        shipments.fix(connection, groups, store_id=spine.store.identities()[0], now=clock.now_us())
    for token in ("a", "b"):
        spine.store.insert(groups, token)
    spine.ship()
    assert spine.indexes(scope.org_id) == list(range(spine.size(scope.org_id)))


def test_a_process_that_lost_the_lease_settles_no_shipment(spine: Spine) -> None:
    scope = spine.organization()
    spine.record(scope, {"action": "project.updated"})
    assert spine.shipper.step()
    end_lease(spine)
    assert Shipper(spine.database, spine.store, spine.identity).may_work(clock.now_us())
    with pytest.raises(LeaseLost):
        spine.shipper.step()
    with spine.database.read() as connection:
        assert shipments.oldest_open(connection) is not None


def test_a_store_that_is_filled_from_a_copy_takes_its_id(sqlite_spine: Spine) -> None:
    store_id = uuid4()
    before = sqlite_spine.store.identities()[0]
    sqlite_spine.store.take_identity(store_id)
    assert sqlite_spine.store.identities() == [store_id]
    sqlite_spine.store.take_identity(before)
