"""A merge that wrote damaged files into the real embedded store: its sources come back while the engine has them."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tallystick.integrity.merged_part_check import MergedPartCheck
from tallystick.query.scope import Scope
from tallystick.store import erasing, expiry
from tallystick.store.merged_parts import MergedPart, read_parts, waiting_sources
from tallystick.work import leases
from tallystick.work.disk_space import DiskSpace
from tests.fixtures.spine import Spine

pytestmark = pytest.mark.one_engine
EVENTS = 40
PARTITION = "2023"
MERGE = "OPTIMIZE TABLE events FINAL"


class MergedStore:
    """Events of one organization in two parts, and the check of what they are merged into."""

    def __init__(self, spine: Spine, data_dir: Path) -> None:
        self.spine = spine
        self.check = MergedPartCheck(spine.database, spine.store, DiskSpace(data_dir, 0))
        self.check.step()
        self._earlier = {one.name for one in read_parts(spine.store)}
        self.scope: Scope = spine.organization()
        for part in range(2):
            events = [
                {"action": "user.login", "timestamp": f"2023-01-0{part + 1}T10:00:00Z"} for _ in range(EVENTS // 2)
            ]
            self.spine.record(self.scope, *events)
            self.spine.ship()
        self.indexes = spine.indexes(self.scope.org_id)

    def merge(self) -> MergedPart:
        """Merge the two parts into one; returns it."""
        self.spine.store.change(MERGE)
        (merged,) = self.active()
        return merged

    def active(self) -> list[MergedPart]:
        return [one for one in self.parts() if one.is_active]

    def parts(self) -> list[MergedPart]:
        made = [one for one in read_parts(self.spine.store) if one.name not in self._earlier]
        return [one for one in made if one.name.partition == PARTITION]

    def found(self) -> list[int]:
        return self.spine.indexes(self.scope.org_id)


@pytest.fixture
def merged(sqlite_spine: Spine, tmp_path: Path) -> Iterator[MergedStore]:
    yield MergedStore(sqlite_spine, tmp_path)
    sqlite_spine.store.change("TRUNCATE TABLE events")


def truncate(part: MergedPart, size: int = 0) -> None:
    os.truncate(part.path / "data.bin", size)


def test_the_events_of_a_damaged_merge_are_back_after_one_check(merged: MergedStore) -> None:
    truncate(merged.merge())
    merged.check.step()
    assert merged.found() == merged.indexes
    assert not waiting_sources(merged.spine.store)


def test_of_sources_that_wait_no_event_counts_as_read_or_as_deleted(merged: MergedStore) -> None:
    """While anything deletes, they are kept away from the engine, and the damaged part stays said."""
    damaged = merged.merge()
    truncate(damaged)
    with leases.deleting(merged.spine.database):
        merged.check.step()
        assert list(waiting_sources(merged.spine.store)) == [damaged.path.name]
        assert damaged.path.name in merged.spine.store.damage
        assert not erasing.is_off_the_disk(merged.spine.store, 0)
    merged.check.step()
    assert not waiting_sources(merged.spine.store)
    assert merged.found() == merged.indexes


def test_sources_wait_while_the_disk_is_full(merged: MergedStore) -> None:
    truncate(merged.merge())
    merged.spine.store.guard.has_space = lambda: False
    merged.check.step()
    assert waiting_sources(merged.spine.store)
    merged.spine.store.guard.has_space = lambda: True
    merged.check.step()
    assert merged.found() == merged.indexes


def test_a_merge_that_lost_rows_is_damaged_however_whole_its_files_are(
    merged: MergedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = merged.merge()
    fewer = [one._replace(rows=one.rows - 1) if one.is_active else one for one in merged.parts()]
    monkeypatch.setattr("tallystick.store.merged_parts.read_parts", lambda _store: fewer)
    merged.check.step()
    monkeypatch.undo()
    assert damaged.name not in {one.name for one in merged.active()}
    assert merged.found() == merged.indexes


def test_a_merge_of_a_damaged_merge_gives_way_to_what_was_inserted(merged: MergedStore) -> None:
    """The engine merged again before the first check: the source in between was never checked, and is passed over."""
    first, second = merged.merge(), merged.merge()
    assert second.name.covers(first.name)
    for one in (first, second):
        truncate(one)
    merged.check.step()
    assert merged.found() == merged.indexes
    assert len(merged.active()) == 2


def test_what_was_deleted_stays_deleted_when_sources_come_back(merged: MergedStore) -> None:
    gone = merged.indexes[5]
    expiry.delete_indexes(merged.spine.store, merged.scope, [gone])
    damaged = merged.merge()
    truncate(damaged)
    merged.check.step()
    assert merged.found() == [index for index in merged.indexes if index != gone]


def test_a_whole_merge_is_read_once_and_stays(merged: MergedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    part, read = merged.merge(), list[str]()
    monkeypatch.setattr("tallystick.store.merged_parts.check_part", lambda _store, name: read.append(name) is None)
    merged.check.step()
    merged.check.step()
    assert read.count(part.path.name) == 1
    assert [one.name for one in merged.active()] == [part.name]


def test_a_change_of_rows_is_read_only_after_the_disk_was_short_of_space(
    merged: MergedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    merged.merge()
    merged.check.step()
    read = list[str]()
    monkeypatch.setattr("tallystick.store.merged_parts.check_part", lambda _store, name: read.append(name) is None)
    expiry.delete_indexes(merged.spine.store, merged.scope, [merged.indexes[1]])
    merged.check.step()
    assert not read
    merged.check._disk = DiskSpace(tmp_path, 1 << 62)
    expiry.delete_indexes(merged.spine.store, merged.scope, [merged.indexes[2]])
    merged.check.step()
    assert merged.active()[0].path.name in read


def test_a_damaged_merge_without_sources_is_said_and_left_to_the_operator(merged: MergedStore) -> None:
    damaged = merged.merge()
    for one in merged.parts():
        if not one.is_active:
            shutil.rmtree(one.path)
    truncate(damaged)
    merged.check.step()
    assert damaged.path.name in merged.spine.store.damage
