"""What a copy holds, on both control databases and the real store."""

import json
from uuid import uuid4

import pytest
from sqlalchemy import func, inspect, select

from tallystick.backup import control_database
from tallystick.backup.create import create_backup, summary_of
from tallystick.backup.manifest import check_files
from tallystick.clock import now_us
from tallystick.errors import Conflict, Unavailable
from tallystick.ledger.tables import logs
from tallystick.retention.purge import Purger
from tallystick.store import expiry
from tallystick.work import leases
from tallystick.work.disk_space import LEAST_FREE_BYTES, DiskSpace
from tests.retention.test_purge import event as aged


def unseen(done: int, total: int) -> None:
    """Progress that nobody looks at."""


def events(*marks: str) -> list[dict[str, object]]:
    return [{"action": "project.updated", "metadata": {"mark": mark}} for mark in marks]


def test_what_is_recorded_between_the_two_copies_is_in_neither(spine, tmp_path):
    first, second = spine.organization("one"), spine.organization("two")
    spine.record(second, *events("kept", "also kept"))
    spine.ship()
    sizes = spine.size(first.org_id), spine.size(second.org_id)

    def meanwhile(done: int, total: int) -> None:
        """Called after the first organization's events were copied, before the second one's."""
        spine.record(second, *events("too late"))
        spine.ship()

    manifest = create_backup(spine.database, spine.store, tmp_path / "copy", uuid4(), meanwhile)
    assert [log.size for log in manifest.logs] == list(sizes)
    assert spine.size(second.org_id) > sizes[1]
    assert manifest.events == sum(sizes)
    assert manifest.control == ("sqlite" if spine.database.is_sqlite else "postgresql")
    check_files(tmp_path / "copy", manifest, lambda _size: None)


def test_what_is_not_stored_yet_is_in_the_copy_of_the_journal(spine, tmp_path):
    scope = spine.organization()
    spine.ship()
    stored = spine.size(scope.org_id)
    spine.record(scope, *events("waits"))
    manifest = create_backup(spine.database, spine.store, tmp_path / "copy", uuid4(), unseen)
    (log,) = manifest.logs
    assert (log.stored_end, log.size) == (stored, stored + 1)
    assert len(list(control_database.rows_of(tmp_path / "copy", manifest, "journal"))) == 1


def test_events_that_the_log_has_and_the_store_has_not_are_counted(spine, tmp_path):
    scope = spine.organization("acme")
    sent = spine.record(scope, *events("a", "b", "c")).events
    spine.ship()
    expiry.delete_indexes(spine.store, scope, [sent[1].index])
    manifest = create_backup(spine.database, spine.store, tmp_path / "copy", uuid4(), unseen)
    assert [log.missing for log in manifest.logs] == [1]
    assert summary_of(manifest, tmp_path)["missing"] == {"acme": 1}


def test_what_was_purged_or_is_about_to_be_is_not_missing(spine, tmp_path):
    scope = spine.organization("acme", days=30)
    spine.record(scope, aged(40), aged(40), aged(1))
    spine.ship()
    purger = Purger(spine.database, spine.store)
    purger.step()  # announced
    spine.sequencer.tick([])
    spine.ship()
    least = create_backup(spine.database, spine.store, tmp_path / "before", uuid4(), unseen)
    purger.step()
    after = create_backup(spine.database, spine.store, tmp_path / "after", uuid4(), unseen)
    assert [log.missing for log in (*least.logs, *after.logs)] == [0, 0]
    assert least.events - after.events == 2


def test_every_table_is_in_it_but_those_that_speak_of_the_server(spine, tmp_path):
    spine.organization()
    manifest = create_backup(spine.database, spine.store, tmp_path / "copy", uuid4(), unseen)
    held = {control_database.table_name(file) for file in manifest.files if file.path.startswith("control/")}
    with spine.database.read() as connection:
        there = set(inspect(connection).get_table_names())
    assert there - held == control_database.EXCLUDED_TABLES


def test_a_loaded_copy_has_the_same_rows(spine, tmp_path):
    scope = spine.organization()
    spine.record(scope, *events("a", "b"))
    manifest = create_backup(spine.database, spine.store, tmp_path / "copy", uuid4(), unseen)
    with spine.database.read() as connection:
        before = {
            table.name: connection.execute(select(table)).all() for table in control_database.tables_to_copy(connection)
        }
    with spine.database.write() as connection:
        control_database.load_tables(connection, tmp_path / "copy", manifest)
    with spine.database.read() as connection:
        after = {
            table.name: connection.execute(select(table)).all() for table in control_database.tables_to_copy(connection)
        }
        assert connection.execute(select(func.count()).select_from(logs)).scalar_one() == 1
    assert {name: sorted(map(repr, rows)) for name, rows in before.items()} == {
        name: sorted(map(repr, rows)) for name, rows in after.items()
    }


def test_one_copy_is_made_at_a_time(spine, tmp_path):
    with spine.database.write() as connection:
        leases.begin_backup(connection, "another", now=now_us())
    with pytest.raises(Conflict, match="Another backup"):
        create_backup(spine.database, spine.store, tmp_path / "copy", uuid4(), unseen)
    assert not (tmp_path / "copy").exists()


def test_a_disk_that_fills_up_ends_the_copy_before_recording_has_no_space(spine, tmp_path, monkeypatch):
    spine.record(spine.organization("one"), *events("kept"))
    spine.ship()
    free = [LEAST_FREE_BYTES]
    monkeypatch.setattr(DiskSpace, "free", lambda _disk: free[0])

    def filled(done: int, total: int) -> None:
        free[0] = LEAST_FREE_BYTES - 1

    spine.organization("two")
    spine.ship()
    for _ in ("in the middle", "at the beginning"):
        with pytest.raises(Unavailable, match="free on the disk of"):
            create_backup(spine.database, spine.store, tmp_path / "copy", uuid4(), filled)
        assert list(tmp_path.glob("copy*")) == []
    free[0] = LEAST_FREE_BYTES
    assert create_backup(spine.database, spine.store, tmp_path / "copy", uuid4(), unseen).events


def test_a_copy_that_stood_still_while_a_deletion_went_ahead_is_given_up(spine, tmp_path):
    spine.organization("one")
    spine.organization("two")
    spine.ship()

    def forgotten(done: int, total: int) -> None:
        with spine.database.write() as connection:
            connection.exec_driver_sql("UPDATE leases SET until = 1 WHERE name = 'backup'")
            assert not leases.deletions_must_wait(connection)

    with pytest.raises(Unavailable, match="stalled"):
        create_backup(spine.database, spine.store, tmp_path / "copy", uuid4(), forgotten)
    assert not (tmp_path / "copy").exists()


def test_a_long_table_keeps_the_copy_alive_and_can_be_ended(spine, tmp_path, monkeypatch):
    monkeypatch.setattr("tallystick.backup.create.HEARTBEAT_SECONDS", 0)
    monkeypatch.setattr("tallystick.backup.control_database.BATCH_ROWS", 1)
    spine.organization()
    spine.ship()
    told: list[int] = []

    def given_up(done: int, total: int) -> None:
        told.append(done)
        raise Unavailable("given up")

    with pytest.raises(Unavailable, match="given up"):
        create_backup(spine.database, spine.store, tmp_path / "copy", uuid4(), given_up)
    assert told == [0]
    assert not list((tmp_path / "copy.partial").glob("events"))


def test_half_a_copy_is_replaced_and_nothing_else_of_its_name(spine, tmp_path):
    spine.organization()
    (tmp_path / "copy.partial" / "control").mkdir(parents=True)
    (tmp_path / "work.partial").mkdir()
    (tmp_path / "work.partial" / "thesis.txt").write_text("mine")
    create_backup(spine.database, spine.store, tmp_path / "copy", uuid4(), unseen)
    with pytest.raises(Conflict, match="not an unfinished backup"):
        create_backup(spine.database, spine.store, tmp_path / "work", uuid4(), unseen)
    assert (tmp_path / "work.partial" / "thesis.txt").read_text() == "mine"
    create_backup(spine.database, spine.store, tmp_path / "again", uuid4(), unseen)  # the lease was given back


def test_the_manifest_says_what_is_in_every_file(spine, tmp_path):
    scope = spine.organization()
    spine.record(scope, *events("a"))
    spine.ship()
    create_backup(spine.database, spine.store, tmp_path / "copy", uuid4(), unseen)
    said = json.loads((tmp_path / "copy" / "manifest.json").read_bytes())
    rows = {file["path"]: file["rows"] for file in said["files"]}
    assert rows["control/organizations.ndjson.zst"] == 1
    assert rows[f"events/{scope.org_id}/000000.arrow"] == said["events"] == spine.size(scope.org_id)
