"""The drill: a copy of a running server, its way back, and what killing either of them leaves."""

import asyncio
import json
import shutil
import sqlite3
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from tallystick.access import organizations
from tallystick.app import build, running
from tallystick.backup.create import create_backup
from tallystick.backup.data_dir_lock import is_locked
from tallystick.backup.manifest import read_manifest
from tallystick.backup.restore import MARKER_FILE, refuse_interrupted, restore_backup
from tallystick.database.engine import Database
from tallystick.database.migrate import upgrade
from tallystick.erasure import erasure_list
from tallystick.errors import Conflict, NotFound, SettingsError
from tallystick.merkle.remains import mask_of
from tallystick.settings import Settings
from tallystick.store.events import EventStore
from tests.backup.backup_driver import Recording, key_line, killed_at, settings_of, trail, verifies
from tests.chaos.test_kill import rows_by_another_process
from tests.fixtures.waiting import wait_until


def unseen(what: str, done: int, total: int) -> None:
    """Progress that nobody looks at."""


def test_a_copy_of_a_running_server_is_restored_into_postgresql_and_goes_on(original, place, postgresql, monkeypatch):
    assert original.said["events"] >= 400
    secret = (original.server.data_dir / "secret.key").read_text().strip()
    other = place(DATABASE_URL=postgresql.create("restored"), SECRET_KEY=secret)
    told = other.command("backup", "restore", str(original.running))
    assert "Missing" not in told.stdout
    other.start()
    more = Recording(other, original.key)
    more.answered = dict(original.answered)
    indexes = more.once(30)
    found = trail(other, original.key)
    kept = {name: index for name, index in found.items() if name in original.answered}
    assert original.before.items() <= kept.items() <= original.answered.items()
    assert sorted(set(found.values()) - set(kept.values())) == indexes == list(range(indexes[0], indexes[0] + 30))
    assert max(kept.values()) < indexes[0] < max(kept.values()) + 10  # in between: what the server did itself
    assert verifies(other, original.key, monkeypatch)
    other.stop()
    # The ids of the store and the node came with the copy.
    assert "event_store_not_accepted" not in other.complete_log()
    assert (other.data_dir / "node.id").read_bytes() == (original.server.data_dir / "node.id").read_bytes()
    postgresql.drop("restored")


def test_a_copy_is_for_its_owner_alone_and_holds_no_secret(original):
    files = [path for path in original.running.rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE(original.running.stat().st_mode) == 0o700
    secret = (original.server.data_dir / "secret.key").read_bytes().strip()
    assert not any(secret in path.read_bytes() for path in files)
    left_out = {"secret.key", "ledger.marks", "ledger.erasures", "sessions.ndjson.zst", "leases.ndjson.zst"}
    assert not left_out & {path.name for path in files}


def test_there_is_no_copy_over_another_one(original):
    settings = settings_of(original.server)
    database, store = Database(settings.database_url), EventStore(settings.events_url)
    with pytest.raises(Conflict, match="already exists"):
        create_backup(database, store, original.running, uuid4(), lambda _done, _total: None)
    database.close()


def test_a_copy_that_was_killed_is_none(original):
    """Killed when all is copied but the list of it; below, the server is killed while it copies."""
    target = original.running.with_name("killed")
    killed_at(original.server, "tallystick.backup.create:write_manifest:1", "backup", "create", str(target))
    assert not target.exists()
    with pytest.raises(NotFound):
        read_manifest(target.with_name(target.name + ".partial"))
    database = Database(settings_of(original.server).database_url)
    with database.write() as connection:
        connection.exec_driver_sql("DELETE FROM leases")  # as the start of the only server does
    database.close()


@dataclass
class Revived:
    """The original server, running again after it died while it copied: what the command said, and the next copy."""

    said: subprocess.CompletedProcess[str]
    left: bool
    copy: Path


@pytest.fixture(scope="module")
def revived(original):
    server, target = original.server, original.running.with_name("server-killed")
    point = "tallystick.store.transfer:rows_of:1"
    with ThreadPoolExecutor(1) as beside:
        dying = beside.submit(killed_at, server, point, *server.arguments())
        wait_until(lambda: is_locked(server.data_dir))
        said = server.command("backup", "create", str(target), check=False)
        dying.result()
    left = target.exists()
    server.start()
    server.command("backup", "create", str(target))
    return Revived(said, left, target)


async def begin_to_serve(settings: Settings) -> None:
    """What `tallystick serve` does first."""
    async with running(build(settings)):
        pass


def test_a_restore_that_was_killed_keeps_the_server_away_and_is_begun_again(original, place, monkeypatch):
    """And what was erased after the copy is erased again: the list beside the databases knows of it."""
    index = original.answered["e5"]
    org_id = read_manifest(original.stopped).logs[0].org_id
    database = Database(settings_of(original.server).database_url)
    line = erasure_list.line_of(database, org_id, "ers_01m83d8ecmexkvkkqz4nen96ka", mask_of(["details"]), str(index))
    database.close()
    other = place(like=original.server)
    for point in (
        "tallystick.store.events:EventStore.insert_raw:1",
        "tallystick.backup.control_database:_reset_sequences:1",
        "tallystick.backup.restore:upgrade:2",
    ):
        killed_at(other, point, "backup", "restore", str(original.stopped))
        with pytest.raises(SettingsError, match=f"tallystick backup restore {original.stopped}"):
            refuse_interrupted(other.data_dir)
    with pytest.raises(SettingsError, match="interrupted"):
        asyncio.run(begin_to_serve(settings_of(other)))
    erasure_list.append(other.data_dir, [line])
    other.command("backup", "restore", str(original.stopped))
    manifest = json.loads((original.stopped / "manifest.json").read_bytes())
    held = rows_by_another_process(other, manifest["logs"][0]["org_id"])
    assert held == [manifest["events"]] * 2
    other.start()
    assert trail(other, original.key) == original.answered
    with other.client(original.key) as client:

        def is_erased() -> bool:
            page = client.get("/v1/audit-logs", params={"order": "recorded", "limit": 50}).json()
            (event,) = [one for one in page["data"] if one["index"] == index]
            return "metadata" not in event

        wait_until(is_erased)
    assert verifies(other, original.key, monkeypatch)
    other.stop()


def test_a_changed_file_is_named_before_anything_is_restored(original, place, tmp_path):
    copy = tmp_path / "changed"
    shutil.copytree(original.running, copy)
    victim = min((copy / "events").rglob("*.arrow"))
    raw = bytearray(victim.read_bytes())
    raw[len(raw) // 2] ^= 1
    victim.write_bytes(raw)
    other = place(like=original.server)
    with pytest.raises(Conflict, match=victim.name):
        restore_backup(settings_of(other), copy, unseen)
    assert {path.name for path in other.data_dir.iterdir()} == {"secret.key"}


def test_a_file_too_many_is_named(original, place, tmp_path):
    copy = tmp_path / "changed"
    shutil.copytree(original.running, copy)
    (copy / "events" / "more.arrow").write_bytes(b"")
    with pytest.raises(Conflict, match=r"more\.arrow"):
        restore_backup(settings_of(place(like=original.server)), copy, unseen)


def test_nothing_is_restored_without_the_secret(original, place):
    other = place()
    with pytest.raises(Conflict, match="secret"):
        restore_backup(settings_of(other), original.running, unseen)
    assert {path.name for path in other.data_dir.iterdir()} == {"secret.key"}


def test_nothing_is_restored_over_an_organization(original, place):
    settings = settings_of(place(like=original.server))
    database = Database(settings.database_url)
    upgrade(database)
    with database.write() as connection:
        organizations.create(connection, "another", "", "free", None, now=1)
    database.close()
    with pytest.raises(Conflict, match="--replace"):
        restore_backup(settings, original.running, unseen)


def test_no_other_database_file_is_taken_for_an_empty_one(original, place, tmp_path):
    other = place(like=original.server, DATABASE_URL=f"sqlite:///{tmp_path / 'notes.db'}")
    with sqlite3.connect(tmp_path / "notes.db") as connection:
        connection.execute("CREATE TABLE notes (text)")
    with pytest.raises(Conflict, match="another application"):
        restore_backup(settings_of(other), original.running, unseen)
    assert sqlite3.connect(tmp_path / "notes.db").execute("SELECT name FROM sqlite_master").fetchall() == [("notes",)]


def test_an_interrupted_restore_says_nothing_of_another_event_store(original, place, monkeypatch):
    """The settings were changed meanwhile: what is there now is not what it had filled."""
    settings = settings_of(place(like=original.server))
    begun = {"backup_id": str(read_manifest(original.running).backup_id), "directory": "", "aside": "", "moved": True}
    (settings.data_dir / MARKER_FILE).write_text(json.dumps(begun | {"place": "sqlite:////other chdb:///other"}))
    monkeypatch.setattr(
        "tallystick.backup.restore._store_content", lambda _settings: "The event store already contains events."
    )
    with pytest.raises(Conflict, match="contains events"):
        restore_backup(settings, original.running, unseen)


def test_a_server_that_dies_while_it_copies_leaves_no_copy_and_loses_nothing(original, revived):
    assert revived.said.returncode == 1
    assert "before the backup was complete" in revived.said.stderr
    assert not revived.left
    assert trail(original.server, original.key) == original.answered
    assert read_manifest(revived.copy).events >= len(original.answered)


def test_an_older_copy_freezes_the_log_until_it_goes_on_under_a_new_name(original, revived, monkeypatch):
    """Last in this module: it replaces what the original server has."""
    server, key = original.server, original.key
    old = key_line(server, key)
    lost = Recording(server, key)
    lost.answered = dict(original.answered)
    last = lost.once(50)[-1]
    with server.client(key) as client:
        wait_until(lambda: int(client.get("/v1/ledger/checkpoint").text.splitlines()[1]) > last)
    server.stop()
    told = server.command("backup", "restore", str(original.stopped), "--replace").stdout
    assert "Missing: acme:" in told
    assert "tallystick org restart-log acme" in told
    assert list(server.data_dir.glob("events.replaced-*"))
    server.start()
    with server.client(key) as client:
        refused = client.post("/v1/audit-logs", json={"action": "project.updated"})
        assert (refused.status_code, refused.json()["code"]) == (503, "log_frozen")
        checkpoint = client.get("/v1/ledger/checkpoint").text
    assert int(checkpoint.splitlines()[1]) <= read_manifest(original.stopped).logs[0].size
    server.stop()
    said = json.loads(server.command("org", "restart-log", "acme", "--json").stdout)
    assert said["signed"] - said["size"] >= 50
    server.start()
    assert trail(server, key) == original.answered
    again = Recording(server, key)
    again.answered = dict(original.answered)
    assert again.once(5)[0] >= said["size"]
    with server.client(key) as client:
        parameters = {"action": "audit_log.log_restarted", "order": "recorded"}
        event = client.get("/v1/audit-logs", params=parameters).json()["data"][0]
    assert event["index"] == said["size"]
    assert event["metadata"]["old_origin"] == old.split("+")[0] == said["old_origin"]
    assert event["metadata"]["entries_signed"] == said["signed"]
    assert key_line(server, key).startswith(said["new_origin"] + "+")
    assert verifies(server, key, monkeypatch)
    server.stop()
