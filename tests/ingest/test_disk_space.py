"""A disk that fills up: the event store stops long before recording must, and both go on when there is space again."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy.exc import OperationalError

from tallystick.errors import Unavailable
from tallystick.ingest import sequencer
from tallystick.ingest.shipper import Shipper
from tallystick.settings import Settings
from tallystick.store import expiry
from tallystick.store.errors import StoreError
from tallystick.store.events import EventStore
from tallystick.work.disk_space import DiskSpace, local_paths, recording_disk, store_disk
from tests.fixtures.spine import Spine
from tests.ingest.test_shipping import event, waiting

LEAST = 1 << 30


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch, store: EventStore) -> Iterator[list[int]]:
    """The free bytes of every disk, to be changed."""
    free = [LEAST]
    monkeypatch.setattr(DiskSpace, "free", lambda _disk: free[0])
    yield free
    store.guard.has_space = lambda: True


def merges_wait(spine: Spine) -> bool:
    """Whether the engine refuses to merge."""
    try:
        with spine.store._readers.borrow() as client:
            client.command("OPTIMIZE TABLE events FINAL SETTINGS optimize_throw_if_noop = 1")
    except Exception as error:
        return "Cancelled merging" in str(error) or "ABORTED" in str(error)
    return False


def test_below_the_least_free_space_events_are_recorded_and_wait_in_the_journal(sqlite_spine, tmp_path, free):
    spine = sqlite_spine
    scope = spine.organization()
    for number in range(3):  # parts that can be merged
        spine.record(scope, event(number))
        spine.ship()
    spine.shipper.close()
    spine.shipper = Shipper(spine.database, spine.store, spine.identity, disk=DiskSpace(tmp_path, LEAST))
    free[0] = LEAST - 1
    spine.record(scope, event(1), event(2))
    assert spine.shipper.step() is False
    assert waiting(spine) == 2
    assert merges_wait(spine)
    free[0] = LEAST
    spine.ship()
    assert waiting(spine) == 0
    assert not merges_wait(spine)


def test_below_a_quarter_of_the_least_free_space_recording_is_refused_in_words(sqlite_spine, free):
    scope = sqlite_spine.organization()
    free[0] = LEAST // 4
    sqlite_spine.record(scope, event(1))
    free[0] = LEAST // 4 - 1
    with pytest.raises(Unavailable, match="disk is full") as refusal:
        sqlite_spine.record(scope, event(2))
    assert refusal.value.code == "disk_full"


def test_a_disk_that_is_measured_for_the_first_time_is_not_full_for_others_meanwhile(tmp_path, monkeypatch):
    disk, usage, seen = DiskSpace(tmp_path, 0), shutil.disk_usage(tmp_path), []
    disk.least_for_recording = 1

    def measure(_directory):
        if not seen:
            seen.append("measuring")
            seen.append(disk.may_record())
        return usage

    monkeypatch.setattr(shutil, "disk_usage", measure)
    assert disk.may_record()
    assert seen == ["measuring", True]


def test_of_several_disks_the_fullest_counts_also_before_a_directory_exists(tmp_path, monkeypatch):
    free = {tmp_path: 50, tmp_path / "store": 20}
    (tmp_path / "store").mkdir()
    monkeypatch.setattr(
        shutil, "disk_usage", lambda path: SimpleNamespace(free=free[path]) if path.exists() else lost()
    )
    disk = DiskSpace(tmp_path, 40, tmp_path / "store" / "events" / "new")
    assert (disk.free(), disk.may_record(), disk.may_work()) == (20, True, False)
    assert disk.fullest == tmp_path / "store" / "events" / "new"


def lost():
    raise FileNotFoundError


def test_the_event_store_has_a_floor_of_its_own_where_it_is_on_another_disk(tmp_path):
    elsewhere = {"TALLYSTICK_DATA_DIR": "/data", "TALLYSTICK_EVENTS_URL": "chdb:///events"}
    settings = Settings.load(
        elsewhere | {"TALLYSTICK_SECRET_KEY": "k" * 40, "TALLYSTICK_DATABASE_URL": "sqlite:////db/t.db"}
    )
    assert local_paths(settings) == (Path("/db/t.db"), Path("/events"))
    assert recording_disk(settings)._paths == (Path("/data"), Path("/db/t.db"))
    assert store_disk(settings)._paths == (Path("/data"), Path("/db/t.db"), Path("/events"))


def test_below_the_least_free_space_nothing_of_the_event_store_is_changed(sqlite_spine, tmp_path, free):
    """The engine would report success for a change whose file is empty, and wait for merges that do not run."""
    spine = sqlite_spine
    scope = spine.organization()
    spine.ship()
    spine.shipper.close()
    spine.shipper = Shipper(spine.database, spine.store, spine.identity, disk=DiskSpace(tmp_path, LEAST))
    free[0] = LEAST - 1
    with pytest.raises(StoreError, match="too little free space"):
        expiry.delete_indexes(spine.store, scope, [0])
    with pytest.raises(StoreError, match="too little free space"):
        spine.store.change("ALTER TABLE events MODIFY SETTING old_parts_lifetime = 31")
    spine.store.open()  # changes nothing, and so needs no space
    assert spine.indexes(scope.org_id) == [0]
    free[0] = LEAST
    expiry.delete_indexes(spine.store, scope, [0])
    assert spine.indexes(scope.org_id) == []


def test_opening_an_event_store_again_writes_no_definition_of_a_table(sqlite_spine, monkeypatch):
    """On a full disk the engine would report success, and leave the definition empty."""
    statements = []
    with sqlite_spine.store._writers.borrow() as client:
        command = client.command

    def seen(statement, *arguments, **options):
        statements.append(statement)
        return command(statement, *arguments, **options)

    monkeypatch.setattr(client, "command", seen)
    sqlite_spine.store.open()
    assert statements
    assert [one for one in statements if one.startswith(("CREATE", "ALTER"))] == []


OPEN = """
import sys
from tallystick.store.events import EventStore
store = EventStore(sys.argv[1])
store.open()
store.change("INSERT INTO events (org_id, seq, id, occurred_at, received_at, seed) SELECT generateUUIDv4(), 0, "
    "generateUUIDv4(), now64(6), now64(6), toFixedString('a', 16)")
print(store.rows("SELECT count() FROM events", {})[0][0])
store.close()
"""


def rows_after_opening(folder: Path) -> int:
    done = subprocess.run([sys.executable, "-c", OPEN, f"chdb://{folder}"], capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1])


def test_an_engine_opens_beside_files_that_it_left_empty_on_a_full_disk(tmp_path):
    assert rows_after_opening(tmp_path) == 1
    (columns,) = (file for file in tmp_path.rglob("columns.txt") if "`search_text`" in file.read_text())
    (columns.parent.parent / "mutation_7.txt").touch()
    assert rows_after_opening(tmp_path) == 2
    (definition,) = (file for file in tmp_path.glob("store/*/*/events.sql"))
    definition.write_bytes(b"")
    assert rows_after_opening(tmp_path) == 1  # of a new table: those of the old one are found missing
    assert len(list(tmp_path.rglob(".unwritten.*"))) == 2


def test_a_commit_that_finds_the_disk_full_says_so_and_the_next_one_goes_on(sqlite_spine, monkeypatch):
    scope = sqlite_spine.organization()
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL

    def fail(*_arguments, **_options):
        raise OperationalError("INSERT", {}, full)

    with monkeypatch.context() as patched:
        patched.setattr(sequencer, "commit", fail)
        with pytest.raises(Unavailable, match="nothing was written") as refusal:
            sqlite_spine.record(scope, event(1))
    assert refusal.value.code == "disk_full"
    assert sqlite_spine.record(scope, event(2)).events[0].index == 1
