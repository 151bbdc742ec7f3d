"""A damaged merge at a start, while the parts that it was merged from are still there: nothing is lost or refused."""

import json
import subprocess
import sys

import pytest

PROGRAM = """
import json, os, shutil, sys
from pathlib import Path
from tallystick.store.clients import Bounds
from tallystick.store.events import EventStore
from tallystick.store.merged_parts import MergedParts, read_parts, restore_part
from tallystick.store.read_back import broken_parts
from tallystick.store.source_parts import keep_sources

place = Path(sys.argv[1])

def opened():
    store = EventStore(f"chdb://{place}", Bounds(clients=1))
    store.open()
    store.guard.refusal = ""
    return store

def insert(number):
    store.change("INSERT INTO events (org_id, seq, id, occurred_at) SELECT generateUUIDv4(), "
                 f"{number}, generateUUIDv4(), toDateTime64('2023-01-01 00:00:00', 6)")

def merged():
    store.change("OPTIMIZE TABLE events FINAL")
    return next(one for one in read_parts(store) if one.is_active)

def indexes():
    return [row[0] for row in store.rows("SELECT seq FROM events ORDER BY seq", {})]

def active():
    return [one.path.name for one in read_parts(store) if one.is_active]

said = {}
store = opened()
insert(0), insert(1)
damaged = merged()
store.close()
os.truncate(damaged.path / "data.bin", 0)  # a process was killed before it checked this
store = opened()
replaced = damaged.path.parent / "detached" / f"replaced_{damaged.path.name}"
said["cut"] = [indexes(), damaged.path.name in active(), replaced.exists()]
MergedParts(store).find_damaged(was_short=True)
said["cleaned"] = replaced.exists()

damaged = merged()
sources = [one.path for one in read_parts(store) if not one.is_active and damaged.name.covers(one.name)]
keep_sources(damaged.path, sources)  # a process was killed before it attached these
store.close()
content = bytearray((damaged.path / "data.bin").read_bytes())
content[len(content) // 2] ^= 0xFF
(damaged.path / "data.bin").write_bytes(content)
store = opened()
said["kept"] = [indexes(), damaged.path.name in active()]

damaged = merged()
content = bytearray((damaged.path / "data.bin").read_bytes())
content[len(content) // 2] ^= 0xFF
(damaged.path / "data.bin").write_bytes(content)
said["by command"] = [broken_parts(store, [damaged.path.name]), restore_part(store, damaged.path.name), indexes()]
said["by command"][0] = said["by command"][0] == [damaged.path.name]

damaged = merged()
for one in read_parts(store):
    if one.path != damaged.path:
        shutil.rmtree(one.path)
said["without sources"] = [restore_part(store, damaged.path.name), indexes()]
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path_factory.mktemp("events"))]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_a_start_reads_the_sources_of_a_part_that_lacks_content(said: dict[str, object]) -> None:
    assert said["cut"] == [[0, 1], False, True]


def test_a_damaged_part_is_deleted_once_its_sources_were_loaded(said: dict[str, object]) -> None:
    assert said["cleaned"] is False


def test_a_start_puts_back_the_sources_that_an_ended_process_had_kept(said: dict[str, object]) -> None:
    assert said["kept"] == [[0, 1], False]


def test_a_command_puts_the_sources_of_a_damaged_part_back(said: dict[str, object]) -> None:
    assert said["by command"] == [True, True, [0, 1]]


def test_a_part_whose_sources_are_gone_stays_where_it_is(said: dict[str, object]) -> None:
    assert said["without sources"] == [False, [0, 1]]
