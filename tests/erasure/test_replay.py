"""What was erased is erased again after an older copy of the databases came back."""

import shutil
from pathlib import Path

import msgspec
import pytest

from tallystick import clock
from tallystick.clock import DAY_US
from tallystick.database.engine import Database
from tallystick.erasure import erasure_list
from tallystick.erasure.records import erasure_records
from tallystick.erasure.replay import replay
from tallystick.erasure.stages import record_metadata
from tallystick.merkle.remains import lost_parts, mask_of
from tallystick.outbox import write as outbox
from tallystick.query.scope import Scope
from tallystick.search.scan import explanatory_records as explaining
from tallystick.store.events import EventStore
from tallystick.store.schema import CREATE_SETTINGS
from tests.erasure.erasure_driver import by_sarah, erase, eraser, event, events, records, run
from tests.fixtures.spine import Spine


def lost_by_index(spine: Spine, scope: Scope) -> dict[int, tuple[str, ...]]:
    return {index: parts for index, one in events(spine, scope).items() if (parts := lost_parts(one.remains))}


def copy_rows(spine: Spine, scope: Scope) -> None:
    """What the store holds now, beside it."""
    with spine.store._readers.borrow() as client:
        client.command(
            "CREATE TABLE IF NOT EXISTS copied ENGINE = MergeTree ORDER BY (org_id, seq) "
            "AS SELECT * FROM events LIMIT 0",
            settings=CREATE_SETTINGS,
        )
    spine.store.change("INSERT INTO copied SELECT * FROM events WHERE org_id = {org:UUID}", {"org": str(scope.org_id)})


def restore_rows(spine: Spine, scope: Scope) -> None:
    """The store as it was when the rows were copied; it does not know of what was done to it since."""
    org = {"org": str(scope.org_id)}
    columns = ", ".join(
        row[0]
        for row in spine.store.rows(
            "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'copied'", {}
        )
    )
    there = "seq IN (SELECT seq FROM copied WHERE org_id = {org:UUID})"
    spine.store.change(f"DELETE FROM events WHERE org_id = {{org:UUID}} AND {there}", org)
    statement = f"INSERT INTO events ({columns}) SELECT {columns} FROM copied WHERE org_id = {{org:UUID}}"
    spine.store.change(statement, org)
    spine.store.change("DELETE FROM store_replayed WHERE org_id = {org:UUID}", org)


@pytest.fixture
def scope(sqlite_spine: Spine) -> Scope:
    made = sqlite_spine.organization()
    sqlite_spine.record(made, by_sarah(), event(description="sarah@acme.com"), event())
    sqlite_spine.ship()
    return made


def test_a_store_that_came_back_whole_loses_the_same_again_without_a_new_record(
    sqlite_spine: Spine, scope: Scope, tmp_path: Path
) -> None:
    spine = sqlite_spine
    copy_rows(spine, scope)
    erase(spine, scope, eraser(spine, tmp_path))
    gone, told = lost_by_index(spine, scope), len(records(spine, scope))
    assert gone
    restore_rows(spine, scope)
    assert lost_by_index(spine, scope) == {}
    run(spine, eraser(spine, tmp_path), later=DAY_US)
    assert lost_by_index(spine, scope) == gone
    assert len(records(spine, scope)) == told


def test_a_start_with_nothing_to_do_does_nothing(sqlite_spine: Spine, scope: Scope, tmp_path: Path) -> None:
    erase(sqlite_spine, scope, eraser(sqlite_spine, tmp_path))
    assert replay(sqlite_spine.database, sqlite_spine.store, tmp_path, whole=False) == 0
    assert replay(sqlite_spine.database, sqlite_spine.store, tmp_path) == 0


def test_both_databases_from_before_the_erasure_are_told_of_it_again_by_the_list(
    store: EventStore, sqlite_url: str, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    spine = Spine(Database(sqlite_url), store, tmp_path)
    scope = spine.organization()
    spine.record(scope, by_sarah(), event())
    spine.ship()
    spine.shipper.step()
    with spine.database.engine.connect() as connection:
        connection.exec_driver_sql(f"VACUUM INTO '{copy}'")
    copy_rows(spine, scope)
    erase(spine, scope, eraser(spine, tmp_path))
    gone = lost_by_index(spine, scope)
    (before,) = records(spine, scope)
    spine.close()
    spine.database.close()

    restored = tmp_path / "restored.db"
    shutil.copyfile(copy, restored)
    spine = Spine(Database(f"sqlite:///{restored}"), store, tmp_path)
    restore_rows(spine, scope)
    end = spine.size(scope.org_id)
    spine.store.delete("org_id = {org:UUID} AND seq >= {end:UInt64}", {"org": str(scope.org_id), "end": end})
    assert records(spine, scope) == []
    run(spine, eraser(spine, tmp_path))
    assert lost_by_index(spine, scope) == gone
    (again,) = records(spine, scope)
    assert [again[name] for name in ("indexes", "parts", "erasure")] == [
        before[name] for name in ("indexes", "parts", "erasure")
    ]
    assert replay(spine.database, spine.store, tmp_path) == 0
    spine.close()
    spine.database.close()


def test_a_list_of_another_history_takes_nothing(sqlite_spine: Spine, scope: Scope, tmp_path: Path) -> None:
    line = erasure_list.line_of(sqlite_spine.database, scope.org_id, "ers_1", 4, "1-3")
    other = erasure_list.ErasureListLine(
        line.org_id, line.erasure, line.parts, "1-3,90", "0" * 6 + line.marks[6:] + "0" * 6
    )
    erasure_list.append(tmp_path, [other])
    assert erasure_list.matching_indexes(sqlite_spine.database, other) == [2, 3]
    run(sqlite_spine, eraser(sqlite_spine, tmp_path))
    assert set(lost_by_index(sqlite_spine, scope)) == {2, 3}


def test_a_line_is_written_once_and_a_broken_one_is_passed_over(
    sqlite_spine: Spine, scope: Scope, tmp_path: Path
) -> None:
    line = erasure_list.line_of(sqlite_spine.database, scope.org_id, "ers_1", 4, "1-3")
    erasure_list.append(tmp_path, [line])
    erasure_list.append(tmp_path, [line])
    with (tmp_path / erasure_list.FILE).open("ab") as file:
        file.write(b'{"org_id": "half')
    second = erasure_list.line_of(sqlite_spine.database, scope.org_id, "ers_2", 4, "1")
    erasure_list.append(tmp_path, [second])
    assert erasure_list.read(tmp_path) == [line, second]


@pytest.mark.parametrize(
    "wrong",
    [
        {"indexes": ""}, {"indexes": "1-x"}, {"indexes": "0-999999999999"}, {"indexes": "3-1"}, {"parts": 0},
        {"parts": 255}, {"parts": -1}, {"marks": "0" * 60},
    ],
)  # fmt: skip
def test_a_line_that_was_never_written_keeps_no_server_from_starting(
    sqlite_spine: Spine, scope: Scope, tmp_path: Path, wrong: dict[str, object]
) -> None:
    line = erasure_list.line_of(sqlite_spine.database, scope.org_id, "ers_1", 4, "1-3")
    erasure_list.append(tmp_path, [msgspec.structs.replace(line, **wrong)])
    eraser(sqlite_spine, tmp_path)
    assert erasure_list.read(tmp_path) == []


def test_a_record_that_stands_in_the_store_and_not_in_the_log_erases_nothing(
    sqlite_spine: Spine, scope: Scope, tmp_path: Path
) -> None:
    """Whoever can write to the store, or to a copy of it, could name any event."""
    spine = sqlite_spine
    spine.record(scope, event(), event(description="to be kept"))
    spine.ship()
    with spine.database.write() as connection:
        outbox.write(connection, scope.org_id, {"action": "audit_log.viewed"}, now=clock.now_us())
    spine.sequencer.tick([])
    spine.ship()
    index = spine.size(scope.org_id) - 1
    metadata = record_metadata(f"{index - 1}", 1, mask_of(["details"]), "forged", "ers_forged", ["a", "b", ""])
    forged = (
        "ALTER TABLE events UPDATE action = 'audit_log.subject_erased', "
        "what = replaceAll(what, 'audit_log.viewed', 'audit_log.subject_erased'), details = {details:String} "
        "WHERE org_id = {org:UUID} AND seq = {seq:UInt64}"
    )
    details = msgspec.json.encode({"metadata": metadata}).decode()
    spine.store.change(forged, {"org": str(scope.org_id), "seq": index, "details": details})
    assert len(list(explaining(spine.database, spine.store, scope, index + 1))) == 2
    assert erasure_records(spine.database, spine.store, scope, index + 1) == []
    assert replay(spine.database, spine.store, tmp_path) == 0


def test_a_start_asks_the_store_once_however_many_organizations_there_are(
    sqlite_spine: Spine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spine = sqlite_spine
    spine.record(spine.organization("stored"), event())
    spine.ship()
    spine.record(spine.organization("waiting"), event())
    asked: list[str] = []
    rows = spine.store.rows
    monkeypatch.setattr(
        spine.store, "rows", lambda sql, *rest, **options: asked.append(sql) or rows(sql, *rest, **options)
    )
    assert replay(spine.database, spine.store, tmp_path, whole=False) == 0
    assert len(asked) == 1


def test_an_erasure_whose_record_is_not_stored_yet_is_carried_out_again(
    sqlite_spine: Spine, scope: Scope, tmp_path: Path
) -> None:
    spine = sqlite_spine
    copy_rows(spine, scope)
    erase(spine, scope, eraser(spine, tmp_path))
    told = records(spine, scope)[0]
    restore_rows(spine, scope)
    spine.store.delete("org_id = {org:UUID} AND action = 'audit_log.subject_erased'", {"org": str(scope.org_id)})
    spine.record_own(scope, {"action": "audit_log.subject_erased", "metadata": told})
    (tmp_path / erasure_list.FILE).unlink()
    assert replay(spine.database, spine.store, tmp_path) == 1
