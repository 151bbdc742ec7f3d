"""A table of events with broken data parts: the engine starts, refuses the table, names them, and sets them aside."""

import json
import subprocess
import sys

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from tallystick.store.errors import StoreDamaged, TableRefused, translate

# In a process of its own: one process holds one data path, and the engine has to start anew.
PROGRAM = """
import json, os, sys
from pathlib import Path
from tallystick.store.clients import Bounds
from tallystick.store.errors import TableRefused
from tallystick.store.events import EventStore
from tallystick.store.schema import CREATE_SETTINGS, create_table

place = Path(sys.argv[1])
LIMIT = "max_suspicious_broken_parts = 0"

def opened():
    store = EventStore(f"chdb://{place}", Bounds(clients=1))
    store.open()
    return store

def parts(table):
    rows = store.rows("SELECT name, path FROM system.parts WHERE active AND table = {table:String}", {"table": table})
    return {name: Path(path) for name, path in rows}

def break_part(path):
    os.truncate(path / "data.bin", 10)

def insert(table, year):
    store.change(f"INSERT INTO {table} (org_id, seq, id, occurred_at) SELECT generateUUIDv4(), 0, generateUUIDv4(), "
                 f"toDateTime64('{year}-01-01 00:00:00', 6)")

said = {}
store = opened()
store.guard.refusal = ""
for year in (2021, 2022, 2023):
    insert("events", year)
store.change(create_table("events_rebuild", 1), settings=CREATE_SETTINGS)
store.change("ALTER TABLE events_rebuild MODIFY SETTING max_suspicious_broken_parts = 0")
insert("events_rebuild", 2021)
broken = {name: path for name, path in parts("events").items() if not name.startswith("2022")}
copies = parts("events_rebuild")
statement = place / "metadata/default/events.sql"
said["stands in the table"] = LIMIT in statement.read_text()
store.close()
for path in (*broken.values(), *copies.values()):
    break_part(path)
# As an earlier version left it.
statement.write_text(statement.read_text().replace(f", {LIMIT}", ""))

store = EventStore(f"chdb://{place}", Bounds(clients=1))
try:
    store.open()
except TableRefused as error:
    said["refused"] = [sorted(error.parts) == sorted(broken), str(error)]
said["asked"] = [sorted(store.refused_parts()) == sorted(broken), sorted(store.damage) == sorted(broken)]
store.set_refused_parts_aside()
said["asked again"] = list(store.refused_parts())
store.guard.refusal = ""
said["left"] = store.rows("SELECT toYear(occurred_at) FROM events", {})
said["copy"] = store.rows("SELECT count() FROM events_rebuild", {})
aside = store.rows("SELECT name FROM system.detached_parts WHERE table = 'events'", {})
said["aside"] = sorted(row[0] for row in aside) == sorted(f"broken-on-start_{name}" for name in broken)
store.close()
store = opened()
said["refuses again"] = LIMIT in statement.read_text()
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path_factory.mktemp("events"))]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_a_server_that_could_not_load_its_table_is_known_by_its_message() -> None:
    message = "Code: 695. DB::Exception: Load job failed: Code: 231. DB::Exception: Suspiciously many (1 parts) broken "
    error = translate(DatabaseError(f"{message}parts to remove. (TOO_MANY_UNEXPECTED_DATA_PARTS)"))
    assert isinstance(error, TableRefused)
    assert error.parts == ("(unnamed)",)


def test_the_engine_refuses_a_table_with_broken_parts_and_the_error_names_them(said: dict[str, object]) -> None:
    assert said["stands in the table"] is True
    is_each_named, words = said["refused"]
    assert is_each_named
    assert "tallystick store check --set-aside" in words
    assert said["asked"] == [True, True]


def test_the_broken_parts_are_set_aside_and_the_rest_can_be_read(said: dict[str, object]) -> None:
    assert said["asked again"] == []
    assert said["left"] == [[2022]]
    assert said["aside"] is True


def test_the_next_broken_part_is_refused_again(said: dict[str, object]) -> None:
    assert said["refuses again"] is True


def test_a_broken_part_of_an_unfinished_copy_keeps_nothing_from_starting(said: dict[str, object]) -> None:
    assert said["copy"] == [[0]]


@pytest.mark.parametrize(
    "message",
    [
        "Cannot read all marks from file /d/events/store/8bd/8bd43f14/2024_5_5_0/skp_idx_seq_range.cmrk4, marks read 0",
        "Cannot read all data: (while reading from part /d/events/store/8bd/8bd43f14/2024_5_5_0/ in table)",
    ],
)
def test_the_part_is_known_from_the_path_of_any_of_its_files(message: str) -> None:
    failure = DatabaseError(message)
    failure.code = 33
    error = translate(failure)
    assert isinstance(error, StoreDamaged)
    assert error.part == "2024_5_5_0"
