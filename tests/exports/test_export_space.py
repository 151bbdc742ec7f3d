"""The export files of one organization have a share of the disk, and its waiting exports a share of the queue."""

from collections import namedtuple
from dataclasses import replace

import pytest

from tallystick.access.scopes import api_key_scope
from tallystick.errors import Conflict
from tallystick.exports import files, request
from tallystick.ids import new_uuid
from tallystick.work.disk_space import DiskSpace
from tests.exports.export_driver import ask, exporter, show
from tests.fixtures.spine import Spine

GIGABYTE = 1_000_000_000
Usage = namedtuple("Usage", "total used free")
SMALL_FILE = 2_000


@pytest.fixture
def scope(sqlite_spine: Spine):
    made = sqlite_spine.organization()
    sqlite_spine.record(made, *({"action": "thing.done", "metadata": {"number": n}} for n in range(50)))
    sqlite_spine.ship()
    return made


def free(monkeypatch, number):
    """Let the disk have so many free bytes beside those that recording needs."""
    monkeypatch.setattr(DiskSpace, "free", lambda disk: number + disk.least_bytes)


def keep_file(data_dir, org_id, size):
    path = files.path_of(data_dir, org_id, new_uuid(0))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)


def test_an_export_larger_than_the_share_fails_in_words_and_leaves_no_file(sqlite_spine, scope, tmp_path):
    work = exporter(sqlite_spine, tmp_path, most_bytes=SMALL_FILE)
    one = ask(sqlite_spine, scope)
    work.step()
    export = show(sqlite_spine, scope, one)
    assert export.state == "failed"
    assert "export fewer events" in export.error
    assert list(files.list_files(tmp_path)) == []


def test_an_organization_whose_share_is_used_up_is_refused_at_once(sqlite_spine, scope, tmp_path):
    work = exporter(sqlite_spine, tmp_path, most_bytes=SMALL_FILE)
    keep_file(tmp_path, scope.org_id, SMALL_FILE)
    with sqlite_spine.database.read() as connection, pytest.raises(Conflict) as refusal:
        work.check_space(connection, scope)
    assert refusal.value.code == "no_export_space"
    assert "Delete some" in refusal.value.detail


def test_another_organizations_export_is_made_whatever_the_first_one_keeps(sqlite_spine, scope, tmp_path):
    work = exporter(sqlite_spine, tmp_path, most_bytes=100 * SMALL_FILE)
    work.step()  # deletes the files that no export names, and looks again after some time
    keep_file(tmp_path, scope.org_id, 100 * SMALL_FILE)
    other = sqlite_spine.organization("other")
    sqlite_spine.ship()
    first, second = ask(sqlite_spine, scope), ask(sqlite_spine, other)
    work.step()
    work.step()
    assert (show(sqlite_spine, scope, first).state, show(sqlite_spine, other, second).state) == ("failed", "completed")


def test_each_organization_may_have_a_tenth_of_what_is_free_for_it(monkeypatch, tmp_path):
    first, second = new_uuid(0), new_uuid(0)
    free(monkeypatch, 100_000)
    assert files.space_left(tmp_path, first, GIGABYTE, DiskSpace(tmp_path)) == 10_000
    keep_file(tmp_path, first, 10_000)
    free(monkeypatch, 90_000)
    with pytest.raises(Conflict):
        files.space_left(tmp_path, first, GIGABYTE, DiskSpace(tmp_path))
    assert files.space_left(tmp_path, second, GIGABYTE, DiskSpace(tmp_path)) == 9_000
    assert files.space_left(tmp_path, second, 500, DiskSpace(tmp_path)) == 500


def test_a_disk_without_free_space_refuses_everybody_in_words(monkeypatch, tmp_path):
    free(monkeypatch, -1)
    with pytest.raises(Conflict) as refusal:
        files.space_left(tmp_path, new_uuid(0), GIGABYTE, DiskSpace(tmp_path))
    assert refusal.value.code == "no_export_space"


def test_one_key_leaves_room_in_the_queue_to_others_of_its_organization(sqlite_spine, scope, monkeypatch):
    monkeypatch.setattr(request, "MAX_WAITING_OF_ONE", 1)
    key, other_key = (
        replace(api_key_scope(scope.org_id, new_uuid(0), name, ("exports", "events:read")), role=scope.role)
        for name in ("one", "other")
    )
    ask(sqlite_spine, key)
    with pytest.raises(Conflict, match="already waiting"):
        ask(sqlite_spine, key)
    ask(sqlite_spine, other_key)
