"""The rebuild of the event store: what it makes right, what goes on beside it, and where it may be cut off."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from tallystick import clock
from tallystick.backup.data_dir_lock import lock_data_dir
from tallystick.clock import DAY_US, rfc3339
from tallystick.errors import SettingsError
from tallystick.ingest import store_rebuilder
from tallystick.ingest.rebuild_requests import unfinished_rebuild
from tallystick.ingest.shipper import Shipper
from tallystick.integrity.missing_events import MissingEvents
from tallystick.query.conditions import Contains, Query
from tallystick.query.scope import Scope
from tallystick.retention.purge import Purger
from tallystick.store import events, rebuild, schema
from tallystick.store.errors import StoreUpgrading
from tallystick.store.events import EventStore
from tallystick.store.schema import CREATE_SETTINGS, REBUILD, STORE_VERSION
from tallystick.store.source_parts import make_folder
from tallystick.store.versions import TableVersion, version_of
from tallystick.work import leases
from tallystick.work.disk_space import DiskSpace
from tallystick.work.leases import LeaseLost
from tests.cli.running import run_here
from tests.erasure import erasure_driver
from tests.fixtures.spine import Spine
from tests.ingest.rebuild_driver import (
    ask,
    assert_whole,
    crashing,
    drop,
    is_rebuilding,
    make_first_release,
    rebuilder,
    run,
    run_with_crashes,
)
from tests.retention.purge_driver import purge_with

pytestmark = [pytest.mark.one_engine, pytest.mark.both_stores]
COUNT = 60


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few pieces where a few events are."""
    monkeypatch.setattr(rebuild, "PIECE", 16)


@pytest.fixture(autouse=True)
def table_of_this_version(store: EventStore) -> Iterator[None]:
    """Each test begins and ends with an empty table of this version."""
    drop(store)
    store.open()
    yield
    drop(store)
    store.open()


@pytest.fixture
def no_wait_for_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait until the store has removed replaced parts, which takes half a minute."""
    monkeypatch.setattr(rebuild, "holds_deleted_bytes", lambda _store, _since: False)


def organization(spine: Spine, slug: str = "acme", *, old: int = 0) -> Scope:
    """An organization with COUNT stored events, of which the oldest `old` ones are past their retention."""
    scope = spine.organization(slug, days=30)
    long_ago = rfc3339(clock.now_us() - 31 * DAY_US)
    events = [{"action": "user.login", "timestamp": long_ago}] * old
    events += [erasure_driver.by_sarah(metadata={"n": n}) for n in range(COUNT - 1 - old)]
    spine.record(scope, *events)
    spine.ship()
    return scope


def found(spine: Spine, scope: Scope, word: str) -> int:
    """How many events a search for a word finds."""
    return len(spine.finder.page(scope, Query(Contains(word)), limit=1000).data)


def version(store: EventStore) -> TableVersion:
    return store.version()


def test_a_new_store_has_the_version_of_this_program_and_is_not_rebuilt(spine: Spine) -> None:
    organization(spine)
    assert version(spine.store) == TableVersion(STORE_VERSION, 0)
    assert not rebuilder(spine).step()
    assert not is_rebuilding(spine)


def test_the_store_of_the_first_release_is_told_by_its_columns(spine: Spine) -> None:
    make_first_release(spine.store)
    assert version(spine.store) == TableVersion(1, 0)
    run(spine)
    assert version(spine.store) == TableVersion(STORE_VERSION, 1)


def test_a_usable_older_store_gets_new_columns_at_the_start_with_what_their_defaults_compute(
    spine: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_first_release(spine.store)
    scope = organization(spine)
    added = ("size", "UInt64 DEFAULT length(what)")
    monkeypatch.setattr(events, "COLUMNS", (*events.COLUMNS, added))
    monkeypatch.setattr(schema, "COLUMNS", (*schema.COLUMNS, added))
    spine.store.open()
    assert version(spine.store) == TableVersion(1, 0)
    spine.record(scope, {"action": "user.logout"})
    spine.ship()
    rows = spine.store.rows("SELECT count(), countIf(size = length(what)) FROM events", {})
    assert rows == [(COUNT + 1, COUNT + 1)]
    run(spine)
    assert_whole(spine, scope)


def test_the_store_of_a_newer_version_is_refused_with_the_way_out(spine: Spine) -> None:
    spine.store.change(f"ALTER TABLE events MODIFY COMMENT 'tallystick store version {STORE_VERSION + 1}, copy 3'")
    with pytest.raises(SettingsError, match=f"has version {STORE_VERSION + 1}.*start the newer version.*or restore"):
        spine.store.open()


def test_a_table_of_another_program_is_refused_with_the_way_out() -> None:
    with pytest.raises(SettingsError, match=r"was not made by Tallystick.*TALLYSTICK_EVENTS_URL"):
        version_of("", {"org_id", "other"})


def test_what_is_computed_from_the_parts_is_right_after_a_rebuild(spine: Spine) -> None:
    scope, other = organization(spine), organization(spine, "globex")
    spine.store.change("ALTER TABLE events UPDATE actor_email = 'x', search_text = 'wrong', ip_address = '' WHERE true")
    assert found(spine, scope, "sarah") == 0
    ask(spine)
    run(spine)
    assert found(spine, scope, "sarah") == COUNT - 1
    for one in (scope, other):
        assert_whole(spine, one)
        assert spine.indexes(one.org_id) == list(range(COUNT))


@pytest.mark.both_stores
def test_a_rebuild_that_crashes_again_and_again_continues_and_ends_right(spine: Spine) -> None:
    for seed in range(2):
        drop(spine.store)
        make_first_release(spine.store)
        scope, other = organization(spine, f"acme{seed}"), organization(spine, f"globex{seed}")
        run_with_crashes(spine, random.Random(seed), times=5)
        for one in (scope, other):
            assert spine.indexes(one.org_id) == list(range(COUNT))
            assert_whole(spine, one)
        assert version(spine.store) == TableVersion(STORE_VERSION, 1)
        assert rebuild.copy_version(spine.store) is None


@pytest.mark.both_stores
def test_events_recorded_and_purged_during_a_rebuild_end_up_right(spine: Spine, no_wait_for_files: None) -> None:
    scope = organization(spine, old=20)
    ask(spine)
    worker = rebuilder(spine)
    for _ in range(4):
        assert worker.step()
    assert rebuild.read_progress(spine.store).rows > 0
    purge_with(spine, Purger(spine.database, spine.store))
    spine.record(scope, *[{"action": "user.logout"}] * 5)
    spine.ship()
    expected = spine.indexes(scope.org_id)
    assert len(expected) < COUNT
    run(spine, worker)
    assert spine.indexes(scope.org_id) == expected
    assert_whole(spine, scope)
    check = MissingEvents(spine.database, spine.store)
    check.step()
    assert spine.indexes(scope.org_id) == expected


def test_an_erasure_during_a_rebuild_does_not_come_back_and_is_complete_only_after_it(
    spine: Spine, tmp_path: Path, no_wait_for_files: None
) -> None:
    scope = organization(spine)
    ask(spine)
    worker = rebuilder(spine)
    for _ in range(4):
        worker.step()
    assert rebuild.copy_version(spine.store) is not None
    work = erasure_driver.eraser(spine, tmp_path)
    public_id = erasure_driver.erase(spine, scope, work)
    assert found(spine, scope, "sarah") == 0
    assert erasure_driver.show(spine, scope, public_id).state != "completed"
    run(spine, worker)
    assert found(spine, scope, "sarah") == 0
    rows = spine.store.rows(
        "SELECT count() FROM events WHERE org_id = {org:UUID} AND remains != '' AND who = '' AND seed = "
        "toFixedString('', 16)",
        {"org": str(scope.org_id)},
    )
    assert rows[0][0] == COUNT - 1
    masked = "SELECT count() FROM system.parts WHERE table = 'events' AND active AND has_lightweight_delete"
    assert spine.store.rows(masked, {})[0][0] == 0


def test_deletions_wait_for_the_exchange_and_the_exchange_for_deletions(
    spine: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    organization(spine)
    ask(spine)
    worker = rebuilder(spine)
    waited: list[bool] = []
    real = rebuild.exchange

    def looking(store: EventStore) -> None:
        with leases.deleting(spine.database) as may_delete:
            waited.append(not may_delete)
        real(store)

    monkeypatch.setattr(rebuild, "exchange", looking)
    monkeypatch.setattr(store_rebuilder, "DELETION_SECONDS", 0.0)
    with leases.deleting(spine.database) as may_delete:
        assert may_delete
        with pytest.raises(Exception, match="does not end"):
            run(spine, worker)
    monkeypatch.setattr(store_rebuilder, "DELETION_SECONDS", 300.0)
    assert version(spine.store).copy == 0
    run(spine, worker)
    assert waited == [True]
    assert version(spine.store).copy == 1


def test_an_exchange_that_came_too_late_is_taken_back(
    spine: Spine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_wait_for_files: None
) -> None:
    scope = organization(spine)
    ask(spine)
    worker, real = rebuilder(spine), rebuild.exchange

    def late(store: EventStore) -> None:
        """It stands still just before the exchange, for longer than its leases; meanwhile a person is erased."""
        monkeypatch.setattr(rebuild, "exchange", real)
        with spine.database.write() as connection:
            connection.execute(update(leases.leases).values(until=0))
        mine, spine.shipper = spine.shipper, Shipper(spine.database, spine.store, spine.identity)
        erasure_driver.erase(spine, scope, erasure_driver.eraser(spine, tmp_path))
        spine.shipper.close()
        spine.shipper = mine
        real(store)

    monkeypatch.setattr(rebuild, "exchange", late)
    with pytest.raises(LeaseLost):
        run(spine, worker)
    assert version(spine.store).copy == 0
    assert found(spine, scope, "sarah") == 0
    run(spine, rebuilder(spine))
    assert version(spine.store).copy == 1
    assert found(spine, scope, "sarah") == 0
    assert_whole(spine, scope)


def test_a_store_that_this_version_cannot_read_answers_nothing_and_gets_nothing_until_it_is_rebuilt(
    spine: Spine, tmp_path: Path
) -> None:
    scope = organization(spine)
    spine.store.change("ALTER TABLE events DROP INDEX requests")
    spine.store.change("ALTER TABLE events DROP COLUMN request_id")
    spine.store.change("ALTER TABLE events MODIFY COMMENT ''")
    spine.store.open()
    with pytest.raises(StoreUpgrading):
        found(spine, scope, "sarah")
    with pytest.raises(StoreUpgrading):
        Purger(spine.database, spine.store).step(clock.now_us() + 60 * DAY_US)
    spine.record(scope, *[erasure_driver.by_sarah()] * 3)
    assert not spine.shipper.step()
    run(spine)
    spine.ship()
    assert found(spine, scope, "sarah") == COUNT + 2
    assert_whole(spine, scope)


def test_another_node_reads_again_soon_after_the_rebuild(spine: Spine, store_url: str) -> None:
    scope = organization(spine)
    spine.store.change("ALTER TABLE events MODIFY COMMENT 'tallystick store version 0, copy 0'")
    other = EventStore(store_url)
    other.open()
    with pytest.raises(StoreUpgrading):
        other.rows("SELECT count() FROM events", {})
    run(spine)
    other.guard.asked_at = 0.0
    assert other.rows("SELECT count() FROM events WHERE org_id = {o:UUID}", {"o": str(scope.org_id)})[0][0] == COUNT
    other.close()


@pytest.mark.both_stores
def test_without_space_on_the_disk_a_rebuild_waits_and_says_for_what(
    spine: Spine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    organization(spine)
    ask(spine)
    spine.shipper.disk = DiskSpace(tmp_path, least_bytes=1 << 60) if spine.store.embedded else None
    monkeypatch.setattr(rebuild, "free_bytes", lambda _store: 1)
    assert not rebuilder(spine).step()
    with spine.database.read() as connection:
        row = unfinished_rebuild(connection)
    assert row is not None
    assert "of free disk space are needed" in row.detail
    assert rebuild.copy_version(spine.store) is None
    spine.shipper.disk = None
    monkeypatch.undo()
    monkeypatch.setattr(rebuild, "PIECE", 16)
    run(spine)


def test_the_empty_folder_of_kept_sources_is_no_part_that_stays_on_the_disk(spine: Spine) -> None:
    organization(spine)
    [(path,)] = spine.store.rows("SELECT path FROM system.parts WHERE table = 'events' AND active LIMIT 1", {})
    make_folder(Path(path).parent)
    ask(spine)
    run(spine)
    assert spine.store.rows("SELECT name FROM system.tables WHERE name LIKE 'events_set_aside%'", {}) == []


def test_parts_that_were_set_aside_stay_on_the_disk(spine: Spine) -> None:
    scope = organization(spine)
    name = spine.store.rows("SELECT name FROM system.parts WHERE table = 'events' AND active", {})[0][0]
    spine.store.change(f"ALTER TABLE events DETACH PART '{name}'")
    ask(spine)
    run(spine)
    spine.record(scope, {"action": "user.logout"})
    spine.ship()
    name_of_second = spine.store.rows("SELECT name FROM system.parts WHERE table = 'events' AND active", {})[0][0]
    spine.store.change(f"ALTER TABLE events DETACH PART '{name_of_second}'")
    ask(spine)
    run(spine)
    kept = [tuple(row) for row in spine.store.rows("SELECT table, name FROM system.detached_parts", {})]
    assert ("events_set_aside_0", name) in kept
    assert ("events_set_aside_1", name_of_second) in kept
    for number in range(2):
        spine.store.change(f"DROP TABLE events_set_aside_{number} SYNC")


def test_an_event_whose_parts_cannot_be_read_stays_as_evidence(spine: Spine) -> None:
    scope = organization(spine)
    spine.store.change(
        "ALTER TABLE events UPDATE who = 'broken' WHERE seq = 7 AND org_id = {org:UUID}", {"org": str(scope.org_id)}
    )
    ask(spine)
    run(spine)
    row = spine.store.rows("SELECT who FROM events WHERE seq = 7 AND org_id = {o:UUID}", {"o": str(scope.org_id)})
    assert row == [("broken",)]
    assert spine.indexes(scope.org_id) == list(range(COUNT))


def test_an_unfinished_copy_of_another_version_is_made_anew(spine: Spine) -> None:
    scope = organization(spine)
    ask(spine)
    with crashing(random.Random(1)):
        run(spine)
    any_version = spine.store.with_readers(1, any_version=True)
    any_version.change(f"CREATE TABLE IF NOT EXISTS {REBUILD} AS events", settings=CREATE_SETTINGS)
    any_version.change(f"ALTER TABLE {REBUILD} MODIFY COMMENT 'tallystick store version 1, copy 1'")
    run(spine)
    assert_whole(spine, scope)
    assert version(spine.store) == TableVersion(STORE_VERSION, 1)


def test_the_command_rebuilds_without_a_server(sqlite_spine: Spine, store_url: str, tmp_path: Path) -> None:
    spine, scope = sqlite_spine, organization(sqlite_spine)
    spine.store.change("ALTER TABLE events UPDATE actor_email = 'x' WHERE true")
    spine.shipper.close()
    environ = {"TALLYSTICK_DATA_DIR": str(tmp_path), "TALLYSTICK_EVENTS_URL": store_url}
    done = run_here("store", "rebuild", environ=environ)
    assert done.returncode == 0, done.stderr
    assert f"is rebuilt: {COUNT:,} events" in done.stdout
    assert version(spine.store).copy == 1
    assert_whole(spine, scope)


def test_the_command_asks_a_running_server_and_waits_for_it(
    sqlite_spine: Spine, store_url: str, tmp_path: Path
) -> None:
    spine, scope = sqlite_spine, organization(sqlite_spine)
    worker = rebuilder(spine)
    worker.start()
    environ = {"TALLYSTICK_DATA_DIR": str(tmp_path), "TALLYSTICK_EVENTS_URL": store_url}
    with lock_data_dir(tmp_path):
        done = run_here("store", "rebuild", environ=environ)
    worker.stop()
    assert done.returncode == 0, done.stderr
    assert done.stderr == "" or not spine.store.embedded  # with a server of its own, a store is opened here, too
    assert version(spine.store).copy == 1
    assert_whole(spine, scope)
